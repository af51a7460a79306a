# One contiguous receive buffer: the transport fills its end, the frontend takes whole messages from its front.

cimport cython

from pgproto.wire cimport Slice, load_uint32


@cython.final
cdef class Memory:
    cdef char *start
    cdef Py_ssize_t n


@cython.final
cdef class ReadBuffer:
    cdef Memory memory
    cdef Py_ssize_t head        # first byte that has not been taken
    cdef Py_ssize_t tail        # behind the last byte that has come
    cdef Py_ssize_t wanted      # size of the message at head where its length is known and it is not here yet

    cdef int make_room(self) except -1
    cdef int move_to(self, Py_ssize_t capacity) except -1
    cdef int filled(self, Py_ssize_t n) except -1
    cdef int refuse_length(self) except -1

    cdef inline char *free_start(self) noexcept:
        return self.memory.start + self.tail

    cdef inline Py_ssize_t free_size(self) noexcept:
        return self.memory.n - self.tail

    cdef inline int frame(self, unsigned char *kind, Slice *body) except -1:
        """1 with the message at the front, or 0 when it is not here yet. A length below 4 is refused by ProtocolError.

        Nothing is taken: the caller says `take_frame` when the message is dealt with."""
        cdef Py_ssize_t n = self.tail - self.head
        cdef Py_ssize_t length
        cdef char *at = self.memory.start + self.head
        if n < 5:
            kind[0] = <unsigned char>at[0] if n > 0 else 0
            body.n = -1
            return 0
        kind[0] = <unsigned char>at[0]
        length = <Py_ssize_t>load_uint32(at + 1)
        if length < 4:
            return self.refuse_length()
        body.at = at + 5
        body.n = length - 4
        if n <= length:
            self.wanted = length + 1
            return 0
        return 1

    cdef inline void take_frame(self, Py_ssize_t n_body) noexcept:
        self.head += n_body + 5
