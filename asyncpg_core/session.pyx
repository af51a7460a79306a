"""One physical connection, from the calls of its users to the core's queue.

Calls execute in the order in which they started. A call whose statement is not described yet holds those behind it; the
Prepare itself may overtake. When nothing is in flight a call is written at once, otherwise everything that was started
is written once per tick of the loop. A call that is cancelled before it is written is dropped, one that is written is
abandoned: its replies are read and thrown away, and if nobody waits behind it the server is asked to cancel it. One
timer serves all deadlines. Transactions leave their BEGIN here, and the next operation written carries it.
"""
import asyncio
from collections import deque

cimport cython
from cpython.time cimport monotonic

from pgproto.operations.extended cimport Close, Execute, ExecuteMany, Prepare, Script, new_execute
from pgproto.operations.operation cimport Group, SETTLED, SyncPoint
from pgproto.operations.simple cimport SimpleQuery
from pgproto.row_sinks cimport Records, RowSink, new_records
from pgproto.statement cimport Statement

from asyncpg_core.call_maker cimport CallMaker, sql_text
from asyncpg_core.call cimport (
    DONE, EXECUTE_MANY, EXECUTE_SCRIPT, EXECUTE_STATEMENT, FETCH, FETCH_MANY, FETCHROW, FETCHVAL, PREPARE, RUN, STARTED)

from asyncio import CancelledError
from asyncio import _get_running_loop as running_loop

from asyncpg_core.exceptions import QueryTimeout
from asyncpg_core.healing import add_note, can_retry_after_cancel, heals, lost_error
from pgproto.errors import (
    ConnectionDoesNotExistError, InterfaceError, PipelineAborted, PostgresError, ProtocolError)

# Seconds: how long a CancelRequest, the replies behind it, and an abandoned head may take.
cdef double CANCEL_BOUND = 5.0
cdef double STUCK_BOUND = 1.0
cdef double FAREWELL_BOUND = 1.0


class Cancelling:
    """A CancelRequest under way for the operation at the head: writes are held until it is over and settled."""

    __slots__ = ("op", "task", "is_sent", "is_settled", "drain_timer")

    def __init__(self, op):
        self.op = op
        self.task = None
        self.is_sent = False
        self.is_settled = False
        self.drain_timer = None


class Ending:
    """A COMMIT or ROLLBACK, written, that nobody waits for any more: it must not leave its transaction open."""

    __slots__ = ("session", "is_top")

    def __init__(self, session, is_top):
        self.session = session
        self.is_top = is_top

    def on_settled(self, op):
        self.session.n_ending -= self.is_top
        if self.is_top and self.session.frontend.transaction_status != "I":
            self.session.roll_back_first("ROLLBACK")

    def on_lost(self, error):
        """With the connection the transaction is gone."""


@cython.final
cdef class Session(Endpoint):
    def __cinit__(self, loop, StatementCache statements not None, CodecRegistry registry not None):
        self.loop = loop
        self.call_soon = loop.call_soon
        self.frontend = Frontend()
        self.transport = Transport(self, self.frontend, loop)
        self.statements = statements
        self.registry = registry
        self.queue = deque()
        self.describing = []
        self.owed_prelude = []
        self.owing = []
        self.owed_after = []
        self.calls = CallMaker(self)

    def __repr__(self):
        state = "closed" if self.is_closed else f"{self.frontend.n_pending} pending"
        return f"<Session pid={self.frontend.backend_pid} {state}>"

    # Starting

    cdef int start_call(self, object awaited) except -1:
        cdef Call call = awaited
        if self.is_closed:
            raise InterfaceError("connection is closed")
        if running_loop() is not self.loop:
            raise InterfaceError(f"the connection belongs to the event loop {self.loop!r}, the call was made from "
                                 f"{running_loop()!r}")
        self.n_started += 1
        call.number = self.n_started
        if call.timeout != 0:
            if call.timeout < 0:
                raise QueryTimeout(f"the time of {call.name} was over before it began")
            call.deadline = monotonic() + call.timeout
            self.arm(call.deadline)
        if self.pipeline is not None and call.group is None:
            self.pipeline.step_aside()
        self.make_operation(call)
        if (call.op is not None and not self.queue and self.frontend.n_pending == 0 and self.cancelling is None
                and self.reset is None and call.group is None and self.frontend.gate is None and not self.describing):
            self.write(call)
            if self.statements.evicted:
                self.write_evicted()
            return self.transport.flush()
        self.queue.append(call)
        return self.schedule_tick()

    cdef int make_operation(self, Call call) except -1:
        """Give the call its operation, or let it wait for its statement."""
        cdef CachedStatement entry
        if call.kind == EXECUTE_SCRIPT:
            call.op = SimpleQuery(sql_text(call.sql))
            return 0
        if call.kind == RUN or call.kind == PREPARE:
            return 0
        if call.statement is not None:
            if (<Statement>call.statement).is_closed:
                raise InterfaceError("cannot use a prepared statement: it is closed")
            return self.bind_statement(call, call.statement, not (<Statement>call.statement).name)
        entry = self.statements.find(sql_text(call.sql))
        call.extra = entry
        if entry.statement is not None:
            return self.bind_statement(call, entry.statement, not entry.name)
        entry.waiting.append(call)
        if entry.describing is None:
            self.describe(entry)
        return 0

    cdef int bind_statement(self, Call call, object statement, bint with_parse) except -1:
        if call.kind == FETCH or call.kind == FETCHROW or call.kind == FETCHVAL:
            call.op = new_execute(statement, call.arguments, new_records(call.record_class),
                                  0 if call.kind == FETCH else 1, with_parse)
        elif call.kind == EXECUTE_STATEMENT:
            call.op = new_execute(statement, call.arguments, RowSink.__new__(RowSink), 0, with_parse)
        else:
            call.op = ExecuteMany(statement, call.arguments,
                                  Records(call.record_class) if call.kind == FETCH_MANY else RowSink(),
                                  with_parse=with_parse, keep_tags=call.column is not None)
        if call.group is not None:
            call.op.group = call.group
            call.op.ends_group = False
        return 0

    def describe(self, CachedStatement entry not None):
        """Let the server describe a statement; the entry is the cache's, no caller's cancel touches it."""
        entry.describing = Prepare(entry.sql, entry.name)
        (<Operation>entry.describing).waiter = entry
        self.describing.append(entry)
        self.schedule_tick()

    cdef int schedule_tick(self) except -1:
        if not self.is_ticking:
            self.is_ticking = True
            self.call_soon(self.tick)
        return 0

    def tick(self):
        """Write what was started in this round of the loop."""
        self.is_ticking = False
        if not self.is_closed:
            self.pump()
            self.transport.flush()

    # Writing

    cdef int pump(self) except -1:
        """Write the calls whose turn it is."""
        cdef Call call
        if self.cancelling is not None or self.is_closed or self.frontend.farewell is not None:
            return 0
        if self.awaited_reset is not None:
            return 0
        if self.frontend.gate is not None:
            self.proceed()
        while self.queue and not self.is_closed:
            call = self.queue[0]
            if call.phase != STARTED:
                self.queue.popleft()
                continue
            if call.op is None or self.transport.is_backed_up():
                break
            if call.group is not None and not call.group.is_ended and self.is_withheld(call):
                break
            if not self.frontend.may_send(call.op):
                break
            if self.reset is not None and not self.reset_shares_with(call):
                break
            self.queue.popleft()
            self.write(call)
        if self.reset is not None and self.frontend.gate is None:
            self.pump_reset()
        if self.describing and self.awaited_reset is None:
            self.pump_describing()
        if self.statements.evicted and self.frontend.gate is None:
            self.write_evicted()
        return 0

    def is_withheld(self, Call call not None):
        """Whether the pipeline block that the call belongs to is still collecting."""
        return self.pipeline is not None and self.pipeline.holds(call.group)

    cdef int pump_describing(self) except -1:
        """Write the Prepares that are asked for: behind what could be written, in front of what waits for them."""
        cdef CachedStatement entry
        if self.frontend.gate is not None or self.transport.is_backed_up() or self.is_closed:
            return 0
        waiting = self.describing
        self.describing = []
        for entry in waiting:
            op = <Operation>entry.describing
            number = self.number_of(entry)
            if number == 0:
                # Everybody who asked has gone: the server need not hear of it.
                entry.describing = None
                entry.waiting.clear()
                self.statements.forget(entry)
                continue
            if not self.somebody_is_older(number):
                self.attach_prelude(op, number)
            try:
                self.frontend.send(op)
            except Exception as error:
                self.detach_prelude(op)
                op.error = error
                self.on_described(entry, op)
            else:
                self.n_written += 1
                self.last_ends_transaction = False
                self.pay_prelude(op)
        return 0

    cdef Py_ssize_t number_of(self, CachedStatement entry):
        """Return the number of the first call that waits for the statement, 0 if none does."""
        cdef Call call
        for call in entry.waiting:
            if call.phase == STARTED:
                return call.number
        return 0

    cdef bint somebody_is_older(self, Py_ssize_t number):
        """Whether a call that started before `number` is not written yet."""
        cdef Call call
        for call in self.queue:
            if call.phase == STARTED:
                return call.number < number
        return False

    cdef int attach_prelude(self, Operation op, Py_ssize_t number) except -1:
        """Let the operation of call `number` carry what transactions owe that began before that call started."""
        cdef Py_ssize_t n = 0
        while n < len(self.owed_after) and <Py_ssize_t>self.owed_after[n] < number:
            n += 1
        if n:
            op.prelude = tuple(self.owed_prelude[:n])
            for transaction in self.owing[:n]:
                transaction.carrier = op
        return 0

    cdef int pay_prelude(self, Operation op) except -1:
        """What the operation carries is written: it is owed no more."""
        if op.prelude is not None:
            n = len(op.prelude)
            del self.owed_prelude[:n]
            del self.owing[:n]
            del self.owed_after[:n]
        return 0

    cdef int detach_prelude(self, Operation op) except -1:
        """The operation was not written after all: the prelude stays owed."""
        if op.prelude is not None:
            op.prelude = None
            for transaction in self.owing:
                if transaction.carrier is op:
                    transaction.carrier = None
        return 0

    cdef int write(self, Call call) except -1:
        """Put one call's operation into the send buffer; a bad argument fails it here."""
        cdef Operation op = call.op
        op.waiter = call
        if self.owed_prelude:
            self.attach_prelude(op, call.number)
        try:
            self.frontend.send(op)
        except BaseException as error:
            self.detach_prelude(op)
            op.waiter = None
            if self.reset is not None and self.reset.is_written:
                self.end_shared_reset()
            if op.group is not None and self.pipeline is not None:
                self.pipeline.on_bad_argument(op.group, error)
            if not isinstance(error, Exception):
                raise
            self.note_error(call, op, error)
            call.fail(error)
            return 0
        self.n_executed += 1
        self.n_written += 1
        self.last_ends_transaction = call.ends_transaction
        self.pay_prelude(op)
        if self.reset is not None and self.reset.is_written:
            self.reset = None
        if call.ends_group:
            self.frontend.end_group(call.group)
        if op.is_open:
            if type(op) is ExecuteMany:
                (<ExecuteMany>op).in_transaction = self.has_begun or self.frontend.status != c'I'
            self.schedule_tick()
        return 0

    cdef int write_unattended(self, Operation op) except -1:
        """Put an operation that nobody waits for."""
        self.frontend.send(op)
        return 0

    cdef int write_evicted(self) except -1:
        names = list(self.statements.evicted)
        self.statements.evicted.clear()
        for name in names:
            self.write_unattended(Close(name))
        return 0

    cdef int proceed(self) except -1:
        """Put the next chunk of an executemany that is not wholly written."""
        cdef object gate = self.frontend.gate
        if type(gate) is ExecuteMany and (<ExecuteMany>gate).is_open and not self.transport.is_backed_up():
            self.frontend.put_more(gate)
            if (<ExecuteMany>gate).is_open:
                self.schedule_tick()
        return 0

    cdef int on_drained(self) except -1:
        if not self.is_closed:
            self.pump()
            self.transport.flush()
        return 0

    # Reading

    cdef int on_received(self) except -1:
        cdef list wakes
        cdef Call call
        if self.wakes is not None:
            # A task that was resumed below reads on: its wakes belong to the outer round.
            return self.take_in()
        self.wakes = wakes = []
        try:
            self.take_in()
        except BaseException:
            self.wakes = None
            for call in wakes:
                call.wake()
            raise
        self.wakes = None
        if self.transport.is_direct_now():
            for call in wakes:
                call.run_callback()
        else:
            for call in wakes:
                call.wake()
        return 0

    cdef int take_in(self) except -1:
        """Read what has come, tell what has become of it, and write what may be written now."""
        cdef list events
        cdef Operation op
        try:
            events = self.frontend.feed()
        except ProtocolError as error:
            self.transport.lose(error)
            return 0
        for op in events:
            self.on_event(op)
        if self.frontend.notices or self.frontend.notifications:
            self.tell()
        if self.is_closed:
            return 0
        if self.strays is not None:
            self.end_after_reset()
            return 0
        if self.frontend.farewell is not None and not self.frontend.is_ready:
            self.transport.lose(None)
            return 0
        if self.frontend.farewell is not None and self.farewell_timer is None:
            # The server has said goodbye; if it does not hang up, we do.
            self.farewell_timer = self.loop.call_later(FAREWELL_BOUND, self.transport.abort)
        if self.queue or self.describing or self.statements.evicted or self.frontend.gate is not None:
            self.pump()
        if self.frontend.head is not None:
            if self.frontend.head.is_abandoned:
                self.consider_cancel()
        elif self.drained is not None:
            self.wake_drainer()
        return self.transport.flush()

    def tell(self):
        """Hand notices and notifications to whoever listens."""
        notices = list(self.frontend.notices)
        notifications = list(self.frontend.notifications)
        self.frontend.notices.clear()
        self.frontend.notifications.clear()
        if self.on_told is not None:
            self.on_told(self, notices, notifications)

    cdef int on_event(self, Operation op) except -1:
        waiter = op.waiter
        if op.event == SETTLED:
            op.waiter = None
            if type(waiter) is Call:
                self.settle(<Call>waiter, op)
            elif type(waiter) is CachedStatement:
                self.on_described(<CachedStatement>waiter, op)
            elif type(op) is Script:
                self.on_reset_settled(op)
            elif waiter is not None:
                waiter.on_settled(op)
            if self.cancelling is not None and self.cancelling.op is op:
                self.cancelling.is_settled = True
                self.end_cancelling()
        elif waiter is not None:
            waiter.on_ready(op)
        return 0

    cdef int settle(self, Call call, Operation op) except -1:
        if call.phase != STARTED:
            return 0
        if op.error is not None:
            return self.settle_failed(call, op)
        try:
            value = self.value_of(call, op)
        except Exception as error:
            call.fail(error)
        else:
            call.finish(value)
        return 0

    cdef object value_of(self, Call call, Operation op):
        cdef list rows
        cdef Execute execute
        if call.kind <= EXECUTE_STATEMENT:
            execute = <Execute>op
            if call.keeper is not None:
                call.keeper._status = execute.tag
            if call.kind == EXECUTE_STATEMENT:
                return execute.tag or ""
            if execute.with_parse and call.extra is not None:
                (<CachedStatement>call.extra).set_statement(execute.statement)
            rows = (<Records>execute.sink).give()
            if call.kind == FETCH:
                return rows
            if call.kind == FETCHROW:
                return rows[0] if rows else None
            return rows[0][call.column] if rows else None
        if call.kind == EXECUTE_SCRIPT:
            return (<SimpleQuery>op).tag or ""
        if call.kind == EXECUTE_MANY:
            return (<ExecuteMany>op).tags
        if call.kind == FETCH_MANY:
            return (<ExecuteMany>op).sink.take()
        if call.extra is not None:
            return call.extra(op)
        return op

    cdef int settle_failed(self, Call call, Operation op) except -1:
        if self.strays is not None and op.error.__cause__ is self.reset_error:
            # It shared the reset's Sync and was skipped: nothing of it has happened.
            self.strays.append(call)
            return 0
        self.note_failure(call, op)
        if not call.is_retried and self.can_heal(call, op):
            return self.heal(call, op)
        call.fail(op.error)
        return 0

    cdef int note_failure(self, Call call, Operation op) except -1:
        error = op.error
        self.note_error(call, op, error)
        if isinstance(error, PostgresError):
            if op.failed_in_prelude:
                add_note(error, "while starting the transaction")
            if self.transaction_failure is None and (self.has_begun or self.frontend.status == c'E'):
                self.transaction_failure = error
        return 0

    def note_error(self, Call call not None, Operation op not None, error):
        """Tell a server's error which statement it belongs to."""
        if isinstance(error, PostgresError) and error.query is None:
            error.query = call.sql

    # Statements

    cdef int on_described(self, CachedStatement entry, Operation op) except -1:
        """A Prepare of the cache is settled: bind the calls that waited for it."""
        cdef Call call
        cdef list waiting = list(entry.waiting)
        entry.waiting.clear()
        error = op.error
        if error is None:
            try:
                entry.set_statement(Statement(entry.sql, entry.name, (<Prepare>op).parameter_oids,
                                              (<Prepare>op).columns, self.registry))
            except Exception as failure:
                error = failure
        if error is not None:
            entry.describing = None
            self.statements.forget(entry)
        for call in waiting:
            if call.phase != STARTED:
                continue
            if error is None:
                try:
                    self.bind_statement(call, entry.statement, not entry.name)
                except Exception as failure:
                    call.fail(failure)
            else:
                op.error = error
                self.note_failure(call, op)
                call.fail(error)
        if error is None and not entry.is_cached and entry.name:
            self.statements.evicted.append(entry.name)
        return self.schedule_tick() if self.queue else 0

    cdef bint can_heal(self, Call call, Operation op):
        """Whether the one transparent retry is allowed: the server has kept no effect, and a new description helps."""
        if self.frontend.status != c'I' or self.has_begun or op.group is not None or self.is_closed:
            return False
        if call.kind > FETCH_MANY or call.kind == EXECUTE_SCRIPT:
            return False
        if self.cancelling is not None and can_retry_after_cancel(op.error, call.sql):
            return True
        return not op.was_bound and call.kind != EXECUTE_MANY and call.kind != FETCH_MANY and heals(
            op.error, is_named=bool(call.extra is None or (<CachedStatement>call.extra).name),
            is_explicit=call.statement is not None)

    cdef int heal(self, Call call, Operation op) except -1:
        """Describe the statement anew and execute it once more, before those that are not written yet."""
        call.is_retried = True
        call.op = None
        if call.statement is None and call.extra is not None:
            self.forget_statements_after(op.error, call.extra)
        self.make_operation(call)
        self.queue.appendleft(call)
        return self.schedule_tick()

    def forget_statements_after(self, error, CachedStatement entry not None):
        """Drop the entry that failed, or all of them when the server has forgotten names or types."""
        if error.sqlstate == "26000":
            self.statements.clear(server_knows=False)
            self.statements.forget(entry, server_knows=False)
        else:
            self.statements.forget(entry)

    # Deadlines and cancellation

    cdef int arm(self, double deadline) except -1:
        """See to it that the one timer fires no later than `deadline`."""
        cdef double delay
        if self.timer is not None:
            if self.timer_at <= deadline:
                return 0
            self.timer.cancel()
        delay = deadline - monotonic()
        self.timer_at = deadline
        self.timer = self.loop.call_later(delay if delay > 0 else 0, self.on_timer)
        return 0

    def on_timer(self):
        """Expire what is due and arm the timer for what is next."""
        cdef Call call
        cdef double now = monotonic() + 0.0005
        cdef double next_deadline = 0
        self.timer = None
        for call in self.live_calls():
            if call.deadline == 0:
                continue
            if call.deadline <= now:
                call.phase = DONE
                call.failure = QueryTimeout(f"{call.name} has not finished within {call.timeout:g} s")
                self.cancel_call(call)
                call.wake()
            elif next_deadline == 0 or call.deadline < next_deadline:
                next_deadline = call.deadline
        if next_deadline != 0 and not self.is_closed:
            self.arm(next_deadline)

    def live_calls(self):
        """Return the calls that somebody waits for: written ones first, each once."""
        cdef Operation op
        found = []
        for op in self.frontend.pending():
            if type(op.waiter) is Call and (<Call>op.waiter).phase == STARTED:
                found.append(op.waiter)
        found += [call for call in self.queue if (<Call>call).phase == STARTED]
        return found

    cdef int cancel_call(self, object given_up) except -1:
        """Nobody waits for the call any more: drop it, or abandon what is written."""
        cdef Call call = given_up
        cdef Operation op = call.op
        if self.is_closed:
            return 0
        if op is None or not op.is_written:
            return self.schedule_tick()
        op.is_abandoned = True
        op.waiter = None
        if type(op) is Execute:
            (<Execute>op).abandon()
        elif type(op) is ExecuteMany and op.is_open:
            self.frontend.end_early(op, CancelledError())
        elif hasattr(op, "give_up"):
            op.give_up(self.frontend)
        self.consider_cancel()
        return self.transport.flush()

    cdef bint somebody_waits_behind(self, Operation head):
        cdef Operation op = head.next
        while op is not None:
            if op.waiter is not None and not op.is_abandoned:
                return True
            op = op.next
        return False

    cdef int consider_cancel(self) except -1:
        """If the head is abandoned, ask the server to cancel it, now or when it has kept others waiting for a while."""
        cdef Operation head = self.frontend.head
        if head is None or not head.is_abandoned or self.cancelling is not None or self.is_closed:
            return 0
        if self.somebody_waits_behind(head):
            if self.stuck is not head:
                self.stuck = head
                self.stuck_timer = self.loop.call_later(STUCK_BOUND, self.on_stuck, head)
            return 0
        self.start_cancelling(head)
        return 0

    def on_stuck(self, Operation op not None):
        """An abandoned operation is still at the head although others wait for it."""
        if self.stuck is op:
            self.stuck = None
            if self.frontend.head is op and self.cancelling is None and not self.is_closed:
                self.start_cancelling(op)

    def start_cancelling(self, Operation op not None):
        """Hold all writes and send a CancelRequest."""
        self.cancelling = Cancelling(op)
        self.cancelling.drain_timer = self.loop.call_later(
            CANCEL_BOUND, self.on_cancel_failed, self.cancelling,
            "the server has not answered a cancelled statement within 5 s")
        self.cancelling.task = self.loop.create_task(self.run_canceller(self.cancelling))

    async def run_canceller(self, cancelling):
        try:
            await asyncio.wait_for(self.open_canceller(), CANCEL_BOUND)
        except (Exception, CancelledError) as error:
            # Without the cancel nobody knows how long the statement runs: the connection is given up.
            self.on_cancel_failed(cancelling, f"the cancel request failed: {error!r}")
            return
        cancelling.is_sent = True
        if self.cancelling is cancelling:
            self.end_cancelling()

    def on_cancel_failed(self, cancelling, reason):
        if self.cancelling is cancelling and not self.is_closed:
            if cancelling.is_settled and not cancelling.is_sent and cancelling.task is not None:
                cancelling.task.cancel()
            self.transport.lose(ConnectionDoesNotExistError(f"connection was closed: {reason}"))

    def wake_drainer(self):
        """Whoever waits in `drain` looks again."""
        drained = self.drained
        self.drained = None
        if drained is not None and not drained.done():
            drained.set_result(None)

    def end_cancelling(self):
        """Let writes go on when the request is over and the operation that it was meant for is settled."""
        cancelling = self.cancelling
        if cancelling.is_sent and cancelling.is_settled:
            cancelling.drain_timer.cancel()
            self.cancelling = None
            self.consider_cancel()
            self.schedule_tick()
            self.wake_drainer()

    # Pipeline blocks

    def write_group(self, Group group not None):
        """The block has collected its group: write its members in their turn, and its Sync behind the last one."""
        cdef Call call
        cdef Call last = None
        for call in self.queue:
            if call.group is group and call.phase == STARTED:
                last = call
        if last is None:
            self.end_group(group)
        else:
            last.ends_group = True
            self.schedule_tick()

    def end_group(self, Group group not None):
        """Write the Sync of a group whose members are all written."""
        if not self.is_closed:
            self.frontend.end_group(group)
            self.schedule_tick()

    def drop_group(self, Group group not None, error):
        """Nothing of the group was written: its members fail, the server never hears of them."""
        self.fail_group(group, PipelineAborted(
            f"the statement was not executed, because the pipeline block was left by {error!r}"), error)

    def fail_group(self, Group group not None, error, cause):
        """Fail the members that are not written."""
        cdef Call call
        error.__cause__ = cause
        for call in list(self.queue):
            if call.group is group and call.phase == STARTED:
                call.fail(error)
        if group.n_written:
            self.end_group(group)

    cdef object open_pipeline(self):
        return self.pipeline

    def submit_member(self, Operation op not None):
        self.frontend.send(op)

    def tick_soon(self):
        self.schedule_tick()

    # The pool's reset

    def put_reset(self, tuple statements not None):
        """Reset the session with this tick's write; nobody waits for it."""
        self.reset = Script(statements)
        self.schedule_tick()

    @property
    def is_resetting(self):
        """Whether a reset is owed or not answered yet."""
        return self.reset is not None or self.awaited_reset is not None

    cdef bint reset_shares_with(self, Call call):
        """Write the reset in front of the borrower's first operation, under one Sync, if that is possible."""
        if self.reset.is_written:
            return True
        if type(call.op) is not Execute or call.op.closes_gate or call.op.group is not None:
            return False
        self.reset.ends_group = False
        self.write_unattended(self.reset)
        return True

    def end_shared_reset(self):
        """The operation that was to share the reset's Sync was refused: write that Sync."""
        cdef SyncPoint point = SyncPoint()
        self.awaited_reset = self.reset
        self.reset = None
        self.write_unattended(point)

    cdef int pump_reset(self) except -1:
        """Write the reset with a Sync of its own; what the next borrower writes is held until it is answered."""
        reset = self.reset
        self.reset = None
        self.awaited_reset = reset
        self.write_unattended(reset)
        return 0

    def on_reset_settled(self, Operation op not None):
        """A reset is answered: writes go on, or the connection ends and what waited is moved to another one."""
        cdef Call call
        if self.awaited_reset is op:
            self.awaited_reset = None
            self.schedule_tick()
        if op.error is not None and self.reset_error is None:
            self.reset_error = op.error
            self.strays = [call for call in self.queue if call.phase == STARTED]
            self.queue.clear()

    def end_after_reset(self):
        """The reset has failed and all that was written with it is settled."""
        strays = self.strays
        error = self.reset_error
        self.strays = None
        self.close_reason = error
        if self.on_reset_failed is not None:
            self.on_reset_failed(self, strays, error)
        else:
            self.queue.extend(strays)
        self.transport.lose(ConnectionDoesNotExistError(f"the reset of the session failed: {error}"))

    @property
    def may_be_in_transaction(self):
        """Whether a transaction block is open on the server when what was written is answered, or may be."""
        if self.frontend.n_pending:
            return not self.last_ends_transaction
        return self.frontend.status != c'I'

    @property
    def is_known_in_transaction(self):
        """Whether the server has said that a transaction block is open, and nothing under way can have changed that."""
        return (self.frontend.status != c'I' and self.frontend.n_pending == 0 and not self.is_resetting
                and not self.n_ending)

    @property
    def is_transaction_left_open(self):
        """Whether the borrower leaves a transaction behind that he has neither ended nor been interrupted in ending."""
        return self.has_begun or (self.is_known_in_transaction and not self.ended_unsurely)

    def is_unchanged(self, Py_ssize_t n_changes):
        """Whether the session is as it was when `n_changes` ParameterStatus messages had come."""
        return (self.frontend.status == c'I' and self.frontend.n_pending == 0 and not self.has_begun
                and self.frontend.n_status_changes == n_changes and self.cancelling is None)

    def give_up_lease(self, tuple reset not None):
        """The borrower has gone: what he had not written fails, and the session is reset unless nothing was executed."""
        cdef Call call
        for call in list(self.queue):
            if call.is_internal:
                # A ROLLBACK: the reset rolls back; to its transaction it is all the same.
                call.finish("ROLLBACK")
            else:
                call.fail(InterfaceError(
                    "the connection was released back to the pool before the statement was sent"))
        self.queue.clear()
        self.owed_prelude = []
        self.owing = []
        self.owed_after = []
        self.has_begun = False
        self.transaction_failure = None
        self.ended_unsurely = False
        if self.n_written == self.n_written_at_reset:
            return      # He has written nothing: what the last reset did, or will do, still holds.
        if self.may_be_in_transaction:
            self.put_reset(("ROLLBACK", "BEGIN", "RESET SESSION AUTHORIZATION", *reset, "COMMIT"))
        else:
            self.put_reset(("BEGIN", "RESET SESSION AUTHORIZATION", *reset, "COMMIT"))
        self.n_written_at_reset = self.n_written

    # The end

    cdef int on_lost(self, object error) except -1:
        """The connection is gone: fail everything that was pending, each with what it may rely on."""
        cdef Operation op
        cdef Call call
        if self.is_closed:
            return 0
        self.is_closed = True
        for handle in (self.timer, self.stuck_timer, self.farewell_timer):
            if handle is not None:
                handle.cancel()
        if self.cancelling is not None:
            self.cancelling.drain_timer.cancel()
            self.cancelling = None
        farewell = self.frontend.farewell
        lost = self.frontend.lose()
        queue = list(self.queue)
        self.queue.clear()
        for op in lost:
            waiter = op.waiter
            op.waiter = None
            if type(waiter) is Call:
                failure = op.error if not self.frontend.is_ready and op.error is not None else lost_error(
                    error, farewell, self.close_reason, safe=not op.was_bound and type(op) is not SimpleQuery)
                (<Call>waiter).fail(failure)
            elif type(waiter) is CachedStatement:
                for call in (<CachedStatement>waiter).waiting:
                    call.fail(lost_error(error, farewell, self.close_reason, safe=True))
            elif waiter is not None:
                waiter.on_lost(lost_error(error, farewell, self.close_reason, safe=False))
        for call in queue:
            call.fail(lost_error(error, farewell, self.close_reason, safe=True))
        self.describing = []
        self.statements.clear(server_knows=False)
        self.wake_drainer()
        if self.on_end is not None:
            self.on_end(self)
        return 0

    async def drain(self):
        """Cancel what is running and wait until nothing is owed any more; the caller bounds the time."""
        cdef Call call
        for call in self.live_calls():
            if call.op is None or not call.op.is_written:
                call.fail(InterfaceError("the connection is being closed"))
        while not self.is_closed and (self.frontend.n_pending or self.cancelling is not None):
            if self.frontend.head is not None and self.cancelling is None:
                self.start_cancelling(self.frontend.head)
            self.drained = self.loop.create_future()
            await self.drained

    def say_goodbye(self):
        """Send Terminate as far as the socket takes it, and close."""
        if not self.is_closed:
            if not self.transport.is_closed:
                self.frontend.put_terminate()
                self.transport.flush()
            self.transport.lose(None)

    def abort(self, reason=None):
        """Close at once; pending calls are told `reason`."""
        self.close_reason = reason if self.close_reason is None else self.close_reason
        if self.transport.is_closed:
            self.on_lost(reason)
        else:
            self.transport.lose(reason)

    def submit(self, Operation op not None):
        """Write an operation at once, whatever else is queued; its `waiter` hears of it."""
        self.frontend.send(op)
        self.transport.flush()

    def go_on(self):
        """Read on after something was taken or answered, and send what that has put."""
        if not self.is_closed:
            self.on_received()

    # Transactions

    def owe_prelude(self, str sql not None, transaction):
        """Let the next call that starts carry `sql` in front of it; `transaction.carrier` is then its operation."""
        self.owed_prelude.append(sql)
        self.owing.append(transaction)
        self.owed_after.append(self.n_started)

    def leave_ending(self, Call call not None, str rollback not None, bint is_top):
        """A COMMIT or ROLLBACK was given up by its caller: see to it that the transaction ends nevertheless."""
        cdef Operation op = call.op
        if self.is_closed or (op is not None and op.is_written and op.is_settled):
            self.n_ending -= is_top
        elif op is not None and op.is_written:
            op.waiter = Ending(self, is_top)
        else:
            self.n_ending -= is_top
            self.roll_back_first(rollback)

    def roll_back_first(self, str sql not None):
        """End a transaction that nobody ends any more, before what is queued; a failure closes the connection."""
        cdef Call call = self.calls.new_call("execute", EXECUTE_SCRIPT, sql, (), float("inf"))
        call.is_internal = True
        call.ends_transaction = sql == "ROLLBACK"
        call.op = SimpleQuery(sql)
        call.phase = STARTED
        call.hook = self.on_rolled_back
        self.n_ending += sql == "ROLLBACK"
        self.queue.appendleft(call)
        self.schedule_tick()

    def on_rolled_back(self, Call call not None):
        self.n_ending -= call.sql == "ROLLBACK"
        if call.failure is not None and not self.is_closed:
            self.abort(call.failure)

    def drop_prelude(self, transaction):
        """Take back what `transaction` owes, and all behind it; return whether it was still owed."""
        if transaction not in self.owing:
            return False
        at = self.owing.index(transaction)
        del self.owing[at:]
        del self.owed_prelude[at:]
        del self.owed_after[at:]
        return True
