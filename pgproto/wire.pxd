# Big-endian loads and stores and the bounded slice: the only pointer arithmetic on bytes that came from the network.
#
# A `take_*` reads from the front of a slice and moves it on; it refuses a slice that is too short with MalformedBody.
# Who takes the last field calls `take_end`, which refuses what is left over. `load_*` and `store_*` check nothing:
# their callers have (WriteBuffer.reserve, ReadBuffer.frame).

from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memchr


cdef extern from *:
    """
    #include <string.h>
    #include <stdint.h>
    #if defined(_MSC_VER)
    #include <stdlib.h>
    #define APC_SWAP16 _byteswap_ushort
    #define APC_SWAP32 _byteswap_ulong
    #define APC_SWAP64 _byteswap_uint64
    #else
    #define APC_SWAP16 __builtin_bswap16
    #define APC_SWAP32 __builtin_bswap32
    #define APC_SWAP64 __builtin_bswap64
    #endif
    #if defined(__BYTE_ORDER__) && defined(__ORDER_BIG_ENDIAN__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    #define APC_BE16(x) (x)
    #define APC_BE32(x) (x)
    #define APC_BE64(x) (x)
    #else
    #define APC_BE16(x) APC_SWAP16(x)
    #define APC_BE32(x) APC_SWAP32(x)
    #define APC_BE64(x) APC_SWAP64(x)
    #endif
    static inline uint16_t apc_load16(const char *at) { uint16_t x; memcpy(&x, at, 2); return APC_BE16(x); }
    static inline uint32_t apc_load32(const char *at) { uint32_t x; memcpy(&x, at, 4); return APC_BE32(x); }
    static inline uint64_t apc_load64(const char *at) { uint64_t x; memcpy(&x, at, 8); return APC_BE64(x); }
    static inline void apc_store16(char *at, uint16_t v) { v = APC_BE16(v); memcpy(at, &v, 2); }
    static inline void apc_store32(char *at, uint32_t v) { v = APC_BE32(v); memcpy(at, &v, 4); }
    static inline void apc_store64(char *at, uint64_t v) { v = APC_BE64(v); memcpy(at, &v, 8); }
    static inline double apc_double_of_bits(uint64_t bits) { double v; memcpy(&v, &bits, 8); return v; }
    static inline uint64_t apc_bits_of_double(double v) { uint64_t bits; memcpy(&bits, &v, 8); return bits; }
    static inline float apc_float_of_bits(uint32_t bits) { float v; memcpy(&v, &bits, 4); return v; }
    static inline uint32_t apc_bits_of_float(float v) { uint32_t bits; memcpy(&bits, &v, 4); return bits; }
    """
    uint16_t load_uint16 "apc_load16" (const char *at) noexcept nogil
    uint32_t load_uint32 "apc_load32" (const char *at) noexcept nogil
    uint64_t load_uint64 "apc_load64" (const char *at) noexcept nogil
    void store_uint16 "apc_store16" (char *at, uint16_t value) noexcept nogil
    void store_uint32 "apc_store32" (char *at, uint32_t value) noexcept nogil
    void store_uint64 "apc_store64" (char *at, uint64_t value) noexcept nogil
    double double_of_bits "apc_double_of_bits" (uint64_t bits) noexcept nogil
    uint64_t bits_of_double "apc_bits_of_double" (double value) noexcept nogil
    float float_of_bits "apc_float_of_bits" (uint32_t bits) noexcept nogil
    uint32_t bits_of_float "apc_bits_of_float" (float value) noexcept nogil


# n bytes at `at`, owned by somebody who outlives the slice.
cdef struct Slice:
    const char *at
    Py_ssize_t n


cdef int refuse_short(Py_ssize_t wanted, Py_ssize_t left) except -1
cdef int refuse_rest(Py_ssize_t left) except -1
cdef int refuse_unterminated() except -1


cdef inline int need(Slice *body, Py_ssize_t wanted) except -1:
    if wanted < 0 or body.n < wanted:
        return refuse_short(wanted, body.n)
    return 0


cdef inline uint8_t take_byte(Slice *body) except? 255:
    if body.n < 1:
        refuse_short(1, body.n)
    cdef uint8_t value = <uint8_t>body.at[0]
    body.at += 1
    body.n -= 1
    return value


cdef inline int16_t take_int16(Slice *body) except? -1:
    if body.n < 2:
        refuse_short(2, body.n)
    cdef int16_t value = <int16_t>load_uint16(body.at)
    body.at += 2
    body.n -= 2
    return value


cdef inline uint16_t take_uint16(Slice *body) except? 65535:
    return <uint16_t>take_int16(body)


cdef inline int32_t take_int32(Slice *body) except? -1:
    if body.n < 4:
        refuse_short(4, body.n)
    cdef int32_t value = <int32_t>load_uint32(body.at)
    body.at += 4
    body.n -= 4
    return value


cdef inline uint32_t take_uint32(Slice *body) except? 4294967295:
    return <uint32_t>take_int32(body)


cdef inline int64_t take_int64(Slice *body) except? -1:
    if body.n < 8:
        refuse_short(8, body.n)
    cdef int64_t value = <int64_t>load_uint64(body.at)
    body.at += 8
    body.n -= 8
    return value


cdef inline double take_float8(Slice *body) except? -1.0:
    return double_of_bits(<uint64_t>take_int64(body))


cdef inline float take_float4(Slice *body) except? -1.0:
    return float_of_bits(<uint32_t>take_int32(body))


cdef inline Slice take_slice(Slice *body, Py_ssize_t n) except *:
    """The next n bytes."""
    cdef Slice part
    need(body, n)
    part.at = body.at
    part.n = n
    body.at += n
    body.n -= n
    return part


cdef inline Slice take_cstring(Slice *body) except *:
    """The bytes up to the next NUL, which is taken too."""
    cdef Slice part
    cdef const char *end = NULL
    if body.n > 0:
        end = <const char *>memchr(body.at, 0, body.n)
    if end == NULL:
        refuse_unterminated()
    part.at = body.at
    part.n = end - body.at
    body.n -= part.n + 1
    body.at = end + 1
    return part


cdef inline bint take_value(Slice *body, Slice *value) noexcept:
    """Take a length and a value of that length. False where there is none: `value.n` is then the length that stood
    there, which has been taken if it is -1 (NULL) and not otherwise; -2 where not even a length was left."""
    if body.n < 4:
        value.n = -2
        return False
    value.n = <int32_t>load_uint32(body.at)
    if 0 <= value.n <= body.n - 4:
        value.at = body.at + 4
        body.at = value.at + value.n
        body.n -= value.n + 4
        return True
    if value.n == -1:
        body.at += 4
        body.n -= 4
    return False


# A body that is one number: its length is checked once, where `take_*` and `take_end` would check it twice.

cdef inline int refuse_size(Py_ssize_t wanted, Py_ssize_t n) except -1:
    return refuse_short(wanted, n) if n < wanted else refuse_rest(n - wanted)


cdef inline int32_t whole_int32(Slice body) except? -1:
    if body.n != 4:
        refuse_size(4, body.n)
    return <int32_t>load_uint32(body.at)


cdef inline int64_t whole_int64(Slice body) except? -1:
    if body.n != 8:
        refuse_size(8, body.n)
    return <int64_t>load_uint64(body.at)


cdef inline int take_end(Slice *body) except -1:
    if body.n != 0:
        return refuse_rest(body.n)
    return 0


cdef inline Slice slice_of(const char *at, Py_ssize_t n) noexcept:
    cdef Slice part
    part.at = at
    part.n = n
    return part
