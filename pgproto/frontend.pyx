"""A session as bytes and operations.

`send` lets an operation put its messages and joins it to the queue; `feed` takes whole messages from the receive
buffer, lets the table of owed.py say what each one pays, and returns the operations that something has become of:
SETTLED, READY (there is something to take first) or ASK (it needs what only the outside has). Nothing here waits,
reads a clock or knows a socket. All state of an operation is in the operation; what is here belongs to the session.
"""
cimport cython
from libc.stdint cimport uint8_t
from libc.string cimport memcmp, memset

from pgproto.encodings cimport any_other, encoding_of, read_as
from pgproto.limits cimport (
    AUTHENTICATION_RECEIVED_MAX, BEFORE_AUTHENTICATION_TOTAL_MAX, MESSAGE_RECEIVED_MAX, MESSAGE_RECEIVED_SHORT_MAX,
    PARAMETERS_MAX, PARAMETERS_TOTAL_MAX)
from pgproto.messages.backend cimport (
    read_error_fields, read_notification, read_parameter_status, read_ready_for_query)
from pgproto.messages.frontend cimport put_terminate
from pgproto.operations.copy cimport CopyOut
from pgproto.operations.extended cimport ExecuteMany, Script
from pgproto.operations.operation cimport (
    AUTHENTICATE, COPY_OUT, DONE, ILLEGAL, N_DEBTS, NOTHING, QUERY, QUERY_COPY_BOTH, QUERY_COPY_OUT, SESSION,
    SETTLED, SYNC, SyncPoint)
from pgproto.operations.startup cimport Startup

from pgproto.errors import InterfaceError, MalformedBody, ProtocolError, server_error
from pgproto.owed import NAMES, OWED

cdef uint8_t TABLE[N_DEBTS][256]


cdef int compile_table() except -1:
    memset(TABLE, ILLEGAL, sizeof(TABLE))
    for debt, row in OWED.items():
        for kind, outcome in row.items():
            TABLE[<Py_ssize_t>debt][<Py_ssize_t>ord(kind)] = <uint8_t>outcome
    return 0


compile_table()

cdef enum:
    DEALLOCATED_SIZE = 11   # of the shortest tag that says that a prepared statement was dropped


cdef bint starts_with(Slice *body, const char *text, Py_ssize_t n) noexcept:
    return body.n >= n and memcmp(body.at, text, n) == 0


cdef bint may_be_long(unsigned char kind) noexcept:
    """Whether a message of this type may be longer than MESSAGE_RECEIVED_SHORT_MAX."""
    return kind in (c'T', c't', c'D', c'd', c'E', c'N', c'A')


@cython.final
cdef class Frontend:
    def __cinit__(self):
        self.input = ReadBuffer()
        self.out = WriteBuffer()
        self.parameters = {}
        self.notices = []
        self.notifications = []
        self.status = c'I'

    # What the outside calls

    @property
    def transaction_status(self):
        """'I' idle, 'T' in a transaction block, 'E' in a failed one, as the last ReadyForQuery said."""
        return chr(self.status)

    @property
    def is_gated(self):
        """Whether one operation or group alone may write."""
        return self.gate is not None

    def pending(self):
        """Return the operations that are owed something, oldest first."""
        cdef Operation op = self.head
        cdef list found = []
        while op is not None:
            found.append(op)
            op = op.next
        return found

    def submit(self, Operation op not None):
        """Put an operation's messages and join it to the queue."""
        self.send(op)

    def receive(self, data):
        """Append bytes from the server and return what `feed` returns."""
        self.input.extend(data)
        return self.feed()

    def resume(self):
        """Return what `feed` returns after something was taken or answered."""
        return self.feed()

    def may_submit(self, Operation op not None):
        """Whether the write gate is open for `op`."""
        return self.may_send(op)

    def end_group(self, Group group not None):
        """Write the Sync of a group; an operation that settles with it is returned, or None if nothing was written.

        A group that has failed or is ended has its Sync already. A member that is not wholly written holds it back:
        InterfaceError, ask `may_submit` with an operation of the group."""
        cdef SyncPoint point = None
        if group.is_ended:
            return None
        if group.n_written > 0:
            point = SyncPoint()
            point.group = group
            self.send(point)
        group.is_ended = True
        return point

    def put_more(self, ExecuteMany op not None):
        """Put the next chunk of an executemany; with its last one the gate opens."""
        cdef Py_ssize_t mark = self.out.length
        op.put_more(self.out)
        self.after_more(op)
        self.trace_sent(mark)

    def end_early(self, ExecuteMany op not None, error):
        """End an executemany that is not wholly written: nobody wants it any more."""
        cdef Py_ssize_t mark = self.out.length
        op.fail_here(self.out, error)
        self.after_more(op)
        self.trace_sent(mark)

    cdef int after_more(self, Operation op) except -1:
        """More of an operation was put: what follows from an error of the client's, and from its end."""
        if op.error is not None and op.group is not None and op.group.error is None:
            op.group.error = op.error
        if not op.is_open:
            self.give_back_gate(op)
            self.complete_paid()
        return 0

    cdef int give_back_gate(self, Operation op) except -1:
        """A member of a group gives the gate back to the group."""
        if self.gate is op:
            self.gate = None if op.group is None or op.group.is_ended else op.group
        return 0

    def take_output(self):
        """Return and forget the bytes that are to be sent."""
        return self.out.take_all()

    def take_told(self):
        """Return and forget the notices and the notifications that have come."""
        told = self.notices, self.notifications
        self.notices = []
        self.notifications = []
        return told

    def put_terminate(self):
        """Put the message that says goodbye."""
        cdef Py_ssize_t mark = self.out.length
        put_terminate(self.out)
        self.trace_sent(mark)

    def lose(self):
        """The connection is gone: empty the queue and return what was in it, oldest first, with what had been paid
        but not settled in front."""
        cdef list lost = (self.completed or []) + self.pending()
        self.head = self.tail = None
        self.completed = None
        self.gate = None
        self.n_pending = 0
        return lost

    # Writing

    cdef bint may_send(self, Operation op):
        return self.gate is None or self.gate is op or (op.group is not None and self.gate is op.group)

    cdef int send(self, Operation op) except -1:
        cdef Py_ssize_t mark = self.out.length
        if self.dead is not None:
            raise self.dead
        if not self.may_send(op):
            raise InterfaceError("another operation has the connection for itself")
        if op.group is not None and op.group.error is not None and type(op) is not SyncPoint:
            op.abort_because(op.group.error)
            raise op.error
        try:
            op.put(self.out)
        except BaseException:
            self.out.cut(mark)
            op.forget_debts()
            raise
        self.trace_sent(mark)
        return self.join(op)

    cdef int trace_sent(self, Py_ssize_t mark) except -1:
        if self.tracer is not None and self.out.length > mark:
            self.tracer.sent(self.out.start[mark:self.out.length])
        return 0

    cdef int join(self, Operation op) except -1:
        op.is_written = True
        op.next = None
        if self.tail is None:
            self.head = op
        else:
            self.tail.next = op
        self.tail = op
        self.n_pending += 1
        if op.group is not None:
            op.group.n_written += 1
        if op.is_open or op.closes_gate:
            self.gate = op
        elif op.group is not None:
            self.gate = None if op.ends_group else op.group
        return self.complete_paid()

    cdef Operation leave(self):
        """Take the head from the queue."""
        cdef Operation op = self.head
        self.head = op.next
        op.next = None
        if self.head is None:
            self.tail = None
        self.n_pending -= 1
        return op

    # Reading

    cdef list feed(self):
        """Take whole messages until there is none, or the head has something to be taken; return what has happened.

        Raises ProtocolError if the peer does not speak the protocol; the session is dead then. What was settled in
        front of the bad message is returned first: `dead` is set, and the next call raises.
        """
        cdef list events = self.unreported or []
        cdef Py_ssize_t mark = self.out.length
        self.unreported = None
        if self.dead is not None:
            raise self.dead
        if self.encoding is not None:
            read_as(self.encoding)
        try:
            self.take_all_messages(events)
        finally:
            if any_other:
                read_as(None)
        self.trace_sent(mark)
        return events

    cdef int take_all_messages(self, list events) except -1:
        while True:
            try:
                self.consume(events)
                return 0
            except BaseException as error:
                try:
                    self.recover(error)
                except BaseException:
                    if self.dead is not None and events:
                        return 0
                    self.unreported = events
                    raise

    cdef int consume(self, list events) except -1:
        cdef unsigned char kind
        cdef uint8_t outcome
        cdef Slice body
        cdef Operation op
        while True:
            op = self.head
            if op is not None and op.is_full:
                return 0
            if self.input.frame(&kind, &body) == 0:
                if body.n >= 0:
                    self.current = kind
                    self.check_length(kind, body.n)
                if not self.is_authenticated and (kind != 0 or body.n >= 0):
                    self.refuse_stranger(op, kind)
                return 0
            self.current = kind
            if body.n + 4 > MESSAGE_RECEIVED_SHORT_MAX or not self.is_authenticated:
                self.check_length(kind, body.n)
            self.input.take_frame(body.n)
            if not self.is_authenticated:
                self.n_before_authentication += body.n + 5
            if self.tracer is not None:
                self.tracer.received(kind, body.at[:body.n])
            if op is None:
                self.on_unlisted(None, kind, body, events)
                continue
            outcome = TABLE[op.state][kind]
            if outcome == ILLEGAL:
                self.on_unlisted(op, kind, body, events)
                continue
            if outcome >= COPY_OUT and outcome != QUERY and not op.closes_gate:
                self.refuse(op, kind)
            if kind == c'C' and body.n >= DEALLOCATED_SIZE and body.at[0] == c'D':
                self.note_deallocation(&body)
            op.on_message(kind, &body, self.out)
            if outcome != DONE:
                op.state = outcome
                if outcome == QUERY_COPY_OUT:
                    self.take_data(op)
                elif outcome == AUTHENTICATE:
                    self.on_authentication(op)
            elif kind == c'Z':
                if op.n_prelude > 0 and op.debts[op.at] == QUERY:
                    self.on_query_over(op, body)
                else:
                    self.on_ready(op, body, events)
                continue
            else:
                self.on_paid(op)
            if op.is_full:
                events.append(op)

    cdef int take_data(self, Operation op) except -1:
        """Let a COPY keep the rows that are here: a CopyData behind another changes nothing that the table knows."""
        cdef CopyOut copy
        cdef unsigned char kind
        cdef Slice body
        if type(op) is not CopyOut or self.tracer is not None:
            return 0
        copy = <CopyOut>op
        body.at, body.n = NULL, 0
        while not copy.is_full:
            if self.input.frame(&kind, &body) == 0 or kind != c'd':
                return 0
            self.current = kind
            if body.n + 4 > MESSAGE_RECEIVED_SHORT_MAX:
                self.check_length(kind, body.n)
            self.input.take_frame(body.n)
            copy.keep(&body)
        return 0

    cdef int note_deallocation(self, Slice *body) noexcept:
        """Count the commands after which no prepared statement is left, and those that dropped one or all."""
        cdef bint is_of_all = starts_with(body, b"DISCARD ALL", 11) or starts_with(body, b"DEALLOCATE ALL", 14)
        if is_of_all:
            self.n_deallocations_of_all += 1
        if is_of_all or starts_with(body, b"DEALLOCATE", 10):
            self.n_deallocations += 1
        return 0

    cdef int on_authentication(self, Operation op) except -1:
        """The table cannot see authentication's sub-codes; Ok turns the debt into SESSION."""
        if (<Startup?>op).is_authenticated:
            op.state = SESSION
            self.is_authenticated = True
        return 0

    cdef int on_paid(self, Operation op) except -1:
        """The debt at the front of the head is paid, and it was not its Sync."""
        op.at += 1
        if op.at < op.n_debts:
            op.state = op.debts[op.at]
            return 0
        op.state = NOTHING
        return self.complete_paid()

    cdef int complete_paid(self) except -1:
        """Take operations from the front that are owed nothing more and have no Sync: they settle with their group."""
        cdef Operation op
        while self.head is not None and self.head.at == self.head.n_debts and not self.head.is_open:
            op = self.leave()
            self.give_back_gate(op)
            if self.completed is None:
                self.completed = []
            self.completed.append(op)
            if op.is_durable:
                self.mark_durable()
        return 0

    cdef int on_query_over(self, Operation op, Slice body) except -1:
        """The ReadyForQuery of a simple Query with a prelude, behind which a Sync of its own is due."""
        self.status = read_ready_for_query(body)
        if not op.has_sync:
            op.put_missing_sync(self.out)
        op.at += 1
        op.state = op.debts[op.at]
        return 0

    cdef int on_ready(self, Operation op, Slice body, list events) except -1:
        """ReadyForQuery: the head and all of its group that was paid before settle."""
        cdef Operation member
        cdef list completed
        self.status = read_ready_for_query(body)
        if not self.is_ready:
            self.backend_pid = (<Startup?>op).backend_pid
            self.backend_key = (<Startup>op).backend_key
            self.first_encoding = self.encoding
            self.is_ready = True
        if self.gate is op:
            self.gate = None
        self.leave()
        if self.completed is not None:
            completed = self.completed
            self.completed = None
            for member in completed:
                if self.group_error is not None and not member.is_durable:
                    member.abort_because(self.group_error)
                member.event = SETTLED
                events.append(member)
        if self.group_error is not None:
            if op.error is None:
                op.abort_because(self.group_error)
            self.group_error = None
        op.event = SETTLED
        events.append(op)
        return self.complete_paid()

    cdef int mark_durable(self) except -1:
        """A COMMIT of the head's group has been answered: what came before it in the group stays."""
        cdef Operation member
        for member in self.completed:
            member.is_durable = True
        return 0

    cdef int on_unlisted(self, Operation op, unsigned char kind, Slice body, list events) except -1:
        """A message that pays nothing: one that may come at any time, an error, or one that may not come."""
        if kind == c'N':
            self.notices.append(read_error_fields(body))
        elif kind == c'E':
            self.on_error(op, body)
        elif kind == c'S' and self.may_be_told(op):
            self.set_parameter(body)
        elif kind == c'A' and self.may_be_told(op):
            self.notifications.append(read_notification(body))
        else:
            self.refuse(op, kind)
        return 0

    cdef bint may_be_told(self, Operation op):
        """ParameterStatus and NotificationResponse are legal from SESSION on."""
        return self.is_ready or (op is not None and op.state == SESSION)

    cdef int on_error(self, Operation op, Slice body) except -1:
        # Whatever its severity says, an ErrorResponse is an error: the server skips to the Sync behind it.
        error = server_error(read_error_fields(body))
        severity = error.severity_en or error.severity
        if severity == "FATAL" or severity == "PANIC" or not self.is_ready:
            return self.on_farewell(op, error)
        if op is None or op.state == NOTHING:
            raise ProtocolError(f"the server reports an error that nothing had asked for: {error}")
        op.on_failure(error)
        self.group_error = op.error if op.group is not None or self.completed is not None or not op.has_sync else None
        if op.group is not None and op.group.error is None:
            op.group.error = error
        if op.at < op.n_prelude:
            op.failed_in_prelude = True
        if QUERY <= op.state <= QUERY_COPY_BOTH:
            op.state = SYNC
            return 0
        if op.state == SYNC:
            return 0
        return self.skip_to_sync(op)

    cdef int skip_to_sync(self, Operation op) except -1:
        """The head has failed: strike out what the server will not answer, up to the Sync of its group."""
        cdef SyncPoint point
        self.group_error = op.error
        while True:
            if op.has_sync:
                op.strike_to_sync()
                return 0
            if op.ends_group:
                op.n_debts = op.at
                op.put_missing_sync(self.out)
                return 0
            op.is_open = False
            self.leave()
            self.give_back_gate(op)
            if self.completed is None:
                self.completed = []
            self.completed.append(op)
            op = self.head
            if op is None:
                point = SyncPoint()
                point.group = (<Operation>self.completed[len(self.completed) - 1]).group
                if point.group is not None:
                    point.group.is_ended = True
                self.send_point(point)
                return 0

    cdef int send_point(self, SyncPoint point) except -1:
        """Write the Sync that a failed group was still missing; the gate is its own."""
        point.put(self.out)
        return self.join(point)

    cdef int on_farewell(self, Operation op, object error) except -1:
        """The server ends the session: no ReadyForQuery follows."""
        self.farewell = error
        if op is not None and not self.is_ready:
            op.on_failure(error)
        return 0

    cdef int set_parameter(self, Slice body) except -1:
        cdef tuple pair = read_parameter_status(body)
        old = self.parameters.get(pair[0])
        if old is None:
            if len(self.parameters) >= PARAMETERS_MAX:
                raise ProtocolError(f"the server reports more than {PARAMETERS_MAX} parameters")
            self.n_parameter_bytes += len(pair[0])
        else:
            self.n_parameter_bytes -= len(old)
        self.n_parameter_bytes += len(pair[1])
        if self.n_parameter_bytes > PARAMETERS_TOTAL_MAX:
            raise ProtocolError(f"the parameters that the server reports exceed {PARAMETERS_TOTAL_MAX} bytes")
        self.parameters[pair[0]] = pair[1]
        # Before 14 a server reports also what it has set to the value that it had.
        if self.is_ready and old != pair[1]:
            self.n_status_changes += 1
        if pair[0] == "client_encoding":
            self.set_encoding(pair[1])
        return 0

    cdef int set_encoding(self, str name) except -1:
        """The server reads and writes text in another encoding from now on.

        A reset that is on the way puts back what it was before whatever is written from now on is read."""
        cdef Operation op = self.head
        self.encoding = encoding_of(name)
        read_as(self.encoding)
        while op is not None:
            if type(op) is Script and "RESET ALL" in (<Script>op).statements:
                return 0
            op = op.next
        self.out.encoding = self.encoding
        return 0

    cdef bint has_other_encoding(self) noexcept:
        """Whether the encoding of the session, or of what is written, is not that which it had at first."""
        return self.encoding is not self.first_encoding or self.out.encoding is not self.first_encoding

    # Refusing

    cdef int check_length(self, unsigned char kind, Py_ssize_t n) except -1:
        """Refuse a message that is longer than its type ever needs, before its body is here."""
        cdef Py_ssize_t limit = MESSAGE_RECEIVED_SHORT_MAX
        if not self.is_authenticated:
            if kind == c'R':
                limit = AUTHENTICATION_RECEIVED_MAX
            if self.n_before_authentication + n + 5 > BEFORE_AUTHENTICATION_TOTAL_MAX:
                limit = -1
        elif may_be_long(kind):
            limit = MESSAGE_RECEIVED_MAX
        # As on the wire, a limit counts the length field.
        if n + 4 > limit or (kind == c'Z' and n != 1):
            if not self.is_authenticated:
                self.refuse_stranger(self.head, kind)
            raise ProtocolError(f"message {chr(kind)!r} announces {n} bytes, which is not legal here")
        return 0

    cdef int refuse_stranger(self, Operation op, unsigned char kind) except -1:
        """Before authentication only E N R S v can come; say so at once if the peer speaks something else."""
        start = self.input.memory.start[self.input.head:self.input.tail][:8]
        what = ""
        if start[:4] == b"SSH-":
            what = ": it seems to speak SSH"
        elif kind in b"ENRSvKZ":
            return 0
        elif kind == 0x15 or kind == 0x16:
            what = ": it seems to speak TLS"
        elif start[:1] in b"H<":
            what = ": it seems to speak HTTP"
        raise ProtocolError(f"the peer does not speak PostgreSQL's protocol, it sends {start!r}{what}")

    cdef int refuse(self, Operation op, unsigned char kind) except -1:
        if op is None:
            raise ProtocolError(f"message {chr(kind)!r} has come although nothing is owed")
        raise ProtocolError(f"message {chr(kind)!r} has come where the server owes {NAMES[op.state]}")

    cdef int recover(self, object error) except -1:
        """Decide whose fault an exception is: the peer's ends the session, a value's fails its operation alone."""
        cdef Operation op = self.head
        if op is not None and self.current == c'D' and not isinstance(error, ProtocolError):
            op.on_failure(op.explain_row(error))
            if not isinstance(error, Exception):
                raise error
            return 0
        if isinstance(error, MalformedBody):
            refused = ProtocolError(f"message {chr(self.current)!r} is malformed: {error}")
            refused.__cause__ = error
            error = refused
        if isinstance(error, ProtocolError):
            self.dead = error
        else:
            self.dead = ProtocolError(f"message {chr(self.current)!r} could not be dealt with: {error!r}")
            self.dead.__cause__ = error
        raise self.dead
