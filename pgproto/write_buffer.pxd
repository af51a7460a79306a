# The send buffer: inline puts, a length written afterwards, and a mark to cut back to when an argument is bad.

from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy
cimport cython

from pgproto.encodings cimport Encoding
from pgproto.limits cimport MESSAGE_SENT_LONG_MAX
from pgproto.wire cimport bits_of_double, bits_of_float, store_uint16, store_uint32, store_uint64


@cython.final
cdef class WriteBuffer:
    cdef char *start            # owned
    cdef Py_ssize_t length      # bytes put, those already sent included
    cdef Py_ssize_t capacity
    cdef Py_ssize_t n_sent      # bytes at the front that the transport has taken
    cdef public Encoding encoding   # of the text; None: UTF-8

    cdef int grow(self, Py_ssize_t n) except -1
    cdef int refuse_large(self, Py_ssize_t n) except -1
    cdef int end_message(self, Py_ssize_t at, Py_ssize_t limit) except -1
    cdef int cut(self, Py_ssize_t mark) except -1
    cdef int shrink(self) except -1
    cdef int consume(self, Py_ssize_t n) except -1
    cdef bytes take_all(self)
    cdef int put_text(self, object text) except -1
    cdef int put_cstring(self, object text) except -1
    cdef int put_other(self, object text) except -1
    cdef int put_utf8(self, const char *at, Py_ssize_t n) except -1

    cdef inline int reserve(self, Py_ssize_t n) except -1:
        if self.capacity - self.length < n:
            return self.grow(n)
        return 0

    cdef inline int put_byte(self, uint8_t value) except -1:
        self.reserve(1)
        self.start[self.length] = <char>value
        self.length += 1
        return 0

    cdef inline int put_int16(self, int16_t value) except -1:
        self.reserve(2)
        store_uint16(self.start + self.length, <uint16_t>value)
        self.length += 2
        return 0

    cdef inline int put_int32(self, int32_t value) except -1:
        self.reserve(4)
        store_uint32(self.start + self.length, <uint32_t>value)
        self.length += 4
        return 0

    cdef inline int put_int64(self, int64_t value) except -1:
        self.reserve(8)
        store_uint64(self.start + self.length, <uint64_t>value)
        self.length += 8
        return 0

    cdef inline int put_float8(self, double value) except -1:
        return self.put_int64(<int64_t>bits_of_double(value))

    cdef inline int put_float4(self, float value) except -1:
        return self.put_int32(<int32_t>bits_of_float(value))

    cdef inline int put_bytes(self, const char *at, Py_ssize_t n) except -1:
        """Copy n bytes; more than a message can hold is refused before the first is copied."""
        if n > MESSAGE_SENT_LONG_MAX:
            return self.refuse_large(n)
        self.reserve(n)
        memcpy(self.start + self.length, at, n)
        self.length += n
        return 0

    cdef inline Py_ssize_t begin_message(self, char kind) except -1:
        """Put a message's type and a gap for its length; give what comes back to `end_message`."""
        self.reserve(5)
        self.start[self.length] = kind
        self.length += 5
        return self.length - 4

    cdef inline Py_ssize_t begin_value(self) except -1:
        """Leave the gap for a value's length; give what comes back to `end_value`."""
        self.reserve(4)
        self.length += 4
        return self.length - 4

    cdef inline int end_value(self, Py_ssize_t at) except -1:
        cdef Py_ssize_t n = self.length - at - 4
        if n > MESSAGE_SENT_LONG_MAX:
            return self.refuse_large(n)
        store_uint32(self.start + at, <uint32_t>n)
        return 0
