# A session as bytes and operations: the queue, the table, and the facts that the server has told.

cimport cython

from pgproto.encodings cimport Encoding
from pgproto.operations.operation cimport Group, Operation, SyncPoint
from pgproto.read_buffer cimport ReadBuffer
from pgproto.wire cimport Slice
from pgproto.write_buffer cimport WriteBuffer


@cython.final
cdef class Frontend:
    cdef readonly ReadBuffer input
    cdef readonly WriteBuffer out
    cdef Operation head                 # the oldest operation that is still owed something
    cdef Operation tail
    cdef readonly Py_ssize_t n_pending  # operations in the queue
    cdef list completed                 # paid members of the head's group; they settle with its ReadyForQuery
    cdef object group_error
    cdef list unreported                # events that an exception out of `feed` has kept back, or None
    cdef object gate                    # the Operation or Group that alone may write, or None
    cdef unsigned char current          # type of the message that is being dealt with

    cdef readonly bint is_authenticated
    cdef readonly bint is_ready         # ReadyForQuery has come once
    cdef readonly object dead           # ProtocolError that ended the session, or None
    cdef readonly object farewell       # the server's last words, or None
    cdef readonly dict parameters       # ParameterStatus
    cdef Py_ssize_t n_parameter_bytes
    cdef Py_ssize_t n_before_authentication
    cdef readonly int backend_pid
    cdef readonly bytes backend_key
    cdef int status                     # transaction status: I T E
    cdef readonly Py_ssize_t n_status_changes   # other values that ParameterStatus has told since the session is ready
    cdef readonly Encoding encoding     # of what the server sends; None: UTF-8
    cdef Encoding first_encoding        # that of the session when it was ready
    cdef readonly Py_ssize_t n_deallocations    # DISCARD ALL, DEALLOCATE ALL and DEALLOCATE that were executed
    cdef readonly Py_ssize_t n_deallocations_of_all
    cdef readonly list notices          # dicts of fields; whoever reads them clears the list
    cdef readonly list notifications    # (pid, channel, payload)
    cdef public object tracer           # or None

    cdef int send(self, Operation op) except -1
    cdef bint may_send(self, Operation op)
    cdef list feed(self)
    cdef int consume(self, list events) except -1
    cdef int take_data(self, Operation op) except -1
    cdef int note_deallocation(self, Slice *body) noexcept
    cdef int recover(self, object error) except -1
    cdef int check_length(self, unsigned char kind, Py_ssize_t n) except -1
    cdef int on_query_over(self, Operation op, Slice body) except -1
    cdef int on_ready(self, Operation op, Slice body, list events) except -1
    cdef int on_authentication(self, Operation op) except -1
    cdef int after_more(self, Operation op) except -1
    cdef int give_back_gate(self, Operation op) except -1
    cdef int complete_paid(self) except -1
    cdef int trace_sent(self, Py_ssize_t mark) except -1
    cdef int mark_durable(self) except -1
    cdef bint may_be_told(self, Operation op)
    cdef int send_point(self, SyncPoint point) except -1
    cdef int refuse_stranger(self, Operation op, unsigned char kind) except -1
    cdef int on_paid(self, Operation op) except -1
    cdef int on_unlisted(self, Operation op, unsigned char kind, Slice body, list events) except -1
    cdef int on_error(self, Operation op, Slice body) except -1
    cdef int skip_to_sync(self, Operation op) except -1
    cdef int on_farewell(self, Operation op, object error) except -1
    cdef int refuse(self, Operation op, unsigned char kind) except -1
    cdef int set_parameter(self, Slice body) except -1
    cdef int set_encoding(self, str name) except -1
    cdef bint has_other_encoding(self) noexcept
    cdef int take_all_messages(self, list events) except -1
    cdef int join(self, Operation op) except -1
    cdef Operation leave(self)
