"""The receive buffer of a session.

Bytes land where they stay: `make_room`, then recv into the free end (or `writable` for a transport that wants an
object), then `filled`. The buffer grows with what has come, never with what a length field promises, so a message of
a gigabyte that is announced and dripped costs twice the bytes that are here. Memory is an object of its own: growing
while somebody still holds a view of the old one leaves that one alive and unused.
"""
cimport cython
from cpython.buffer cimport PyBuffer_FillInfo
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from libc.string cimport memcpy, memmove

from pgproto.errors import ProtocolError

cdef enum:
    # The server sends 8 KiB at a time; a fetch of many rows arrives in longer runs while Python is busy.
    USUAL_CAPACITY = 65536
    # Less free room than this and the buffer is compacted or grown before the next receive.
    LEAST_ROOM = 16384


@cython.final
cdef class Memory:
    """A malloc'd block that lends itself as a writable buffer."""

    def __cinit__(self, Py_ssize_t n):
        self.start = <char *>PyMem_Malloc(n)
        if self.start == NULL:
            raise MemoryError()
        self.n = n

    def __dealloc__(self):
        PyMem_Free(self.start)

    def __getbuffer__(self, Py_buffer *view, int flags):
        PyBuffer_FillInfo(view, self, self.start, self.n, 0, flags)


@cython.final
cdef class ReadBuffer:
    def __cinit__(self):
        self.memory = Memory(USUAL_CAPACITY)

    def __len__(self):
        return self.tail - self.head

    @property
    def capacity(self):
        """Bytes allocated."""
        return self.memory.n

    cdef int refuse_length(self) except -1:
        cdef unsigned char kind = <unsigned char>self.memory.start[self.head]
        cdef unsigned int length = load_uint32(self.memory.start + self.head + 1)
        raise ProtocolError(f"message {bytes([kind])!r} announces a length of {length}, the least is 4")

    cdef int make_room(self) except -1:
        """See to it that a receive finds at least LEAST_ROOM bytes free."""
        cdef Py_ssize_t n = self.tail - self.head
        cdef Py_ssize_t capacity = 2 * n
        if n == 0:
            self.head = self.tail = 0
            if self.memory.n > USUAL_CAPACITY * 4:
                self.memory = Memory(USUAL_CAPACITY)
            return 0
        if self.memory.n - self.tail >= LEAST_ROOM:
            return 0
        if n <= self.memory.n // 2:
            memmove(self.memory.start, self.memory.start + self.head, n)
            self.head = 0
            self.tail = n
            return 0
        if self.wanted > 0 and self.wanted + LEAST_ROOM < capacity:
            capacity = self.wanted + LEAST_ROOM
        return self.move_to(capacity)

    cdef int move_to(self, Py_ssize_t capacity) except -1:
        cdef Py_ssize_t n = self.tail - self.head
        cdef Memory memory = Memory(capacity)
        memcpy(memory.start, self.memory.start + self.head, n)
        self.memory = memory
        self.head = 0
        self.tail = n
        return 0

    cdef int filled(self, Py_ssize_t n) except -1:
        """n bytes have been written at the free end."""
        if n < 0 or n > self.memory.n - self.tail:
            raise ValueError(f"{n} bytes cannot have been received into {self.memory.n - self.tail}")
        self.tail += n
        self.wanted = 0
        return 0

    def writable(self):
        """Return a view of the free end to receive into."""
        self.make_room()
        return memoryview(self.memory)[self.tail:]

    def received(self, Py_ssize_t n):
        """n bytes have been written to the front of what `writable` returned."""
        self.filled(n)

    def extend(self, data):
        """Append bytes; what a test or a transport without receive-into does."""
        cdef const unsigned char[::1] view = data
        cdef Py_ssize_t done = 0, n = view.shape[0], part
        while done < n:
            self.make_room()
            part = min(n - done, self.memory.n - self.tail)
            memcpy(self.memory.start + self.tail, &view[done], part)
            self.filled(part)
            done += part
