# One column of Arrow data: where its buffers lie, and the function that puts a value of it into a COPY.

from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
cimport cython

from pgproto.arrow_abi cimport ArrowArray
from pgproto.codecs.codec cimport Codec
from pgproto.wire cimport store_uint32, store_uint64
from pgproto.write_buffer cimport WriteBuffer


cdef extern from *:
    """
    #include <string.h>
    #include <stdint.h>
    /* Numbers in the machine's own order, as Arrow has them; memcpy because a buffer need not be aligned. */
    #define APC_NATIVE(name, type) \\
        static inline type apc_native_##name(const char *at, int64_t i) \\
        { type v; memcpy(&v, at + i * (int64_t)sizeof(v), sizeof(v)); return v; }
    APC_NATIVE(i8, int8_t) APC_NATIVE(u8, uint8_t) APC_NATIVE(i16, int16_t) APC_NATIVE(u16, uint16_t)
    APC_NATIVE(i32, int32_t) APC_NATIVE(u32, uint32_t) APC_NATIVE(i64, int64_t) APC_NATIVE(u64, uint64_t)
    APC_NATIVE(f32, float) APC_NATIVE(f64, double)
    """
    int8_t native_i8 "apc_native_i8" (const char *at, int64_t i) noexcept nogil
    uint8_t native_u8 "apc_native_u8" (const char *at, int64_t i) noexcept nogil
    int16_t native_i16 "apc_native_i16" (const char *at, int64_t i) noexcept nogil
    uint16_t native_u16 "apc_native_u16" (const char *at, int64_t i) noexcept nogil
    int32_t native_i32 "apc_native_i32" (const char *at, int64_t i) noexcept nogil
    uint32_t native_u32 "apc_native_u32" (const char *at, int64_t i) noexcept nogil
    int64_t native_i64 "apc_native_i64" (const char *at, int64_t i) noexcept nogil
    uint64_t native_u64 "apc_native_u64" (const char *at, int64_t i) noexcept nogil
    float native_f32 "apc_native_f32" (const char *at, int64_t i) noexcept nogil
    double native_f64 "apc_native_f64" (const char *at, int64_t i) noexcept nogil


# Puts value `at` of the batch, which is not null: its length and its body. ValueError or OverflowError if it cannot.
ctypedef int (*put_t)(ArrowColumn column, int64_t at, WriteBuffer out) except -1
# The integer, index or time at `at`, whatever its width.
ctypedef int64_t (*number_t)(ArrowColumn column, int64_t at) noexcept
# The bytes at `at`: where they begin, and how many. ValueError if the offsets are not what they must be.
ctypedef int (*bytes_t)(ArrowColumn column, int64_t at, const char **start, int64_t *n) except -1


@cython.final
cdef class ArrowColumn:
    cdef readonly str path              # what an error calls it: a, a[], a.b
    cdef readonly object field          # ArrowField
    cdef readonly Codec codec           # of the PostgreSQL type
    cdef put_t put
    cdef number_t number                # of integers, indexes and times
    cdef bytes_t bytes_at               # of text and binary
    cdef readonly tuple children        # as Arrow has them
    cdef readonly tuple attributes      # of a composite: the same, in its order
    cdef readonly ArrowColumn dictionary
    # What `put` has to know of the types, settled before the first batch
    cdef int64_t factor                 # microseconds of a time's unit; -1000 for nanoseconds
    cdef int64_t least                  # of the PostgreSQL type
    cdef int64_t most
    cdef int64_t width                  # bytes of a fixed size, elements of a list of a fixed size
    cdef bint is_wide                   # uint64: what is negative stands for more than an int64 holds
    cdef int depth                      # dimensions of an array
    cdef int groups                     # of a decimal: groups of four digits behind the point
    cdef int pad                        # of a decimal: zeros that fill the last of them
    cdef int scale                      # of a decimal: digits that are shown behind the point
    # What the batch has
    cdef int64_t length
    cdef int64_t offset
    cdef const char *validity           # bitmap, NULL if nothing is null
    cdef const char *values
    cdef const char *text               # what the offsets in `values` point into
    cdef const char **parts             # of views: the buffers, and how long each is
    cdef const char *part_lengths
    cdef int64_t n_parts
    cdef int bind(self, ArrowArray *array, int64_t needed) except -1
    cdef int bind_buffers(self, ArrowArray *array) except -1
    cdef int bind_parts(self, ArrowArray *array, int64_t needed) except -1
    cdef int forget(self) except -1
    cdef int refuse(self, str what) except -1

    cdef inline bint is_null(self, int64_t at) noexcept:
        at += self.offset
        return self.validity != NULL and not (self.validity[at >> 3] >> (at & 7)) & 1

    cdef inline int64_t index(self, int64_t at) noexcept:
        """Where value `at` lies in the buffers."""
        return at + self.offset

    cdef inline int put_field(self, int64_t at, WriteBuffer out) except -1:
        """Put value `at` or NULL, with its length."""
        if self.is_null(at):
            return out.put_int32(-1)
        return self.put(self, at, out)


cdef inline int put_word(WriteBuffer out, uint32_t value) except -1:
    """Put a value of four bytes and its length."""
    out.reserve(8)
    store_uint32(out.start + out.length, 4)
    store_uint32(out.start + out.length + 4, value)
    out.length += 8
    return 0


cdef inline int put_long(WriteBuffer out, uint64_t value) except -1:
    """Put a value of eight bytes and its length."""
    out.reserve(12)
    store_uint32(out.start + out.length, 8)
    store_uint64(out.start + out.length + 4, value)
    out.length += 12
    return 0
