"""The send buffer of a session, and the buffer that codecs write a value's body into.

Operations put whole messages; `length` before the first put is the mark that `cut` goes back to if an argument turns
out to be bad. The transport takes bytes from the front with `consume` or `take_all`. A message is limited as it ends,
a value as it is put, so nothing longer than the server accepts is ever sent.
"""
cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.mem cimport PyMem_Free, PyMem_Malloc, PyMem_Realloc
from cpython.unicode cimport PyUnicode_AsUTF8AndSize, PyUnicode_Check, PyUnicode_DATA, PyUnicode_GET_LENGTH
from libc.string cimport memchr

from pgproto.errors import InterfaceError


cdef extern from *:
    bint PyUnicode_IS_COMPACT_ASCII(object text) noexcept

# Kept for the life of the session. A Bind of a few arguments needs about 100 bytes.
cdef enum:
    KEPT_CAPACITY = 16384


@cython.final
@cython.no_gc
cdef class WriteBuffer:
    def __cinit__(self):
        self.start = <char *>PyMem_Malloc(1024)
        if self.start == NULL:
            raise MemoryError()
        self.capacity = 1024
        self.length = 0
        self.n_sent = 0

    def __dealloc__(self):
        PyMem_Free(self.start)

    def __len__(self):
        return self.length - self.n_sent

    cdef int grow(self, Py_ssize_t n) except -1:
        cdef Py_ssize_t capacity = self.capacity * 2
        if n > MESSAGE_SENT_LONG_MAX:
            return self.refuse_large(n)
        if capacity < self.length + n:
            capacity = self.length + n + 1024
        cdef char *start = <char *>PyMem_Realloc(self.start, capacity)
        if start == NULL:
            raise MemoryError()
        self.start = start
        self.capacity = capacity
        return 0

    cdef int refuse_large(self, Py_ssize_t n) except -1:
        raise InterfaceError(f"a message to the server can hold {MESSAGE_SENT_LONG_MAX} bytes, this one needs {n}")

    cdef int end_message(self, Py_ssize_t at, Py_ssize_t limit) except -1:
        """Write the length of the message whose gap is at `at`; `limit` is what the server accepts for its type."""
        cdef Py_ssize_t n = self.length - at
        if n > limit:
            raise InterfaceError(f"a message of this type to the server can hold {limit} bytes, this one needs {n}")
        store_uint32(self.start + at, <uint32_t>n)
        return 0

    cdef int cut(self, Py_ssize_t mark) except -1:
        """Forget what was put since `length` was `mark`."""
        self.length = mark
        return 0

    cdef int consume(self, Py_ssize_t n) except -1:
        """n more bytes have been taken from the front."""
        self.n_sent += n
        if self.n_sent >= self.length:
            self.n_sent = 0
            self.length = 0
            if self.capacity > KEPT_CAPACITY:
                self.shrink()
        return 0

    cdef int shrink(self) except -1:
        cdef char *start = <char *>PyMem_Realloc(self.start, KEPT_CAPACITY)
        if start != NULL:
            self.start = start
            self.capacity = KEPT_CAPACITY
        return 0

    cdef bytes take_all(self):
        """Return what has not been taken yet, and take it."""
        cdef bytes rest = PyBytes_FromStringAndSize(self.start + self.n_sent, self.length - self.n_sent)
        self.consume(self.length - self.n_sent)
        return rest

    cdef int put_text(self, object text) except -1:
        """Put a str in the session's encoding, without a terminator."""
        cdef Py_ssize_t n
        cdef const char *at
        if PyUnicode_Check(text) and PyUnicode_IS_COMPACT_ASCII(text):
            return self.put_bytes(<const char *>PyUnicode_DATA(text), PyUnicode_GET_LENGTH(text))
        if self.encoding is not None:
            return self.put_other(text)
        at = PyUnicode_AsUTF8AndSize(text, &n)
        return self.put_bytes(at, n)

    cdef int put_cstring(self, object text) except -1:
        """Put a str in the session's encoding and its terminating zero byte; one inside is refused."""
        cdef Py_ssize_t n
        cdef const char *at = PyUnicode_AsUTF8AndSize(text, &n)
        if memchr(at, 0, n) != NULL:
            raise InterfaceError("a zero byte cannot be part of a string that is sent to the server")
        if self.encoding is None:
            self.put_bytes(at, n)
        else:
            try:
                self.put_other(text)
            except UnicodeError as error:
                raise InterfaceError(f"text cannot be sent in the client_encoding of the session: {error}") from error
        return self.put_byte(0)

    cdef int put_other(self, object text) except -1:
        """Put a str in another encoding than UTF-8."""
        cdef bytes encoded = self.encoding.bytes_of(text)
        return self.put_bytes(PyBytes_AS_STRING(encoded), PyBytes_GET_SIZE(encoded))

    cdef int put_utf8(self, const char *at, Py_ssize_t n) except -1:
        """Put a text that is there in UTF-8."""
        if self.encoding is None:
            return self.put_bytes(at, n)
        return self.put_text(at[:n].decode())

    def take(self):
        """Return and forget all bytes that are to be sent."""
        return self.take_all()

    # The door for tests: what else needs C to be reached.

    @property
    def allocated(self):
        """Bytes allocated."""
        return self.capacity

    def append(self, bytes part not None):
        """Put bytes and return the mark in front of them."""
        cdef Py_ssize_t mark = self.length
        self.put_bytes(part, len(part))
        return mark

    def put(self, str what not None, value):
        """Put a number, or a message or value of one byte."""
        cdef Py_ssize_t at
        if what == "byte":
            self.put_byte(value)
        elif what == "int16":
            self.put_int16(value)
        elif what == "int32":
            self.put_int32(value)
        elif what == "int64":
            self.put_int64(value)
        elif what == "float8":
            self.put_float8(value)
        elif what == "float4":
            self.put_float4(value)
        elif what == "text":
            self.put_cstring(value)
        elif what == "message":
            at = self.begin_message(c"M")
            self.put_byte(value)
            self.end_message(at, MESSAGE_SENT_LONG_MAX)
        else:
            at = self.begin_value()
            self.put_byte(value)
            self.end_value(at)

    def cut_to(self, Py_ssize_t mark):
        self.cut(mark)

    def take_front(self, Py_ssize_t n):
        """Return n bytes from the front as a transport takes them."""
        cdef bytes front = self.start[self.n_sent:self.n_sent + n]
        self.consume(n)
        return front

    def pretend(self, str what not None, Py_ssize_t n):
        """Put, reserve or end a value or message of `n` bytes that are not there; for an `n` that is refused."""
        if n <= MESSAGE_SENT_LONG_MAX:
            raise ValueError(f"{n} bytes would really be read")
        if what == "bytes":
            self.put_bytes(self.start, n)
        elif what == "room":
            self.reserve(n)
        elif what == "value":
            self.end_value(self.length - 4 - n)
        else:
            self.end_message(self.length - n, MESSAGE_SENT_LONG_MAX)
