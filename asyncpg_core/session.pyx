"""One physical connection, from the calls of its users to the core's queue.

Calls execute in the order in which they started. A call whose statement is not described yet holds those behind it; the
Prepare itself may overtake. When nothing is in flight a call is written at once, otherwise everything that was started
is written once per tick of the loop. A call that is cancelled before it is written is dropped, one that is written is
abandoned: its replies are read and thrown away, and if nobody waits behind it the server is asked to cancel it. One
timer serves all deadlines. Transactions leave their BEGIN here, and the next operation written carries it.
"""
from collections import deque

cimport cython
from cpython.time cimport monotonic

from pgproto.operations.extended cimport Close, Execute, ExecuteMany, Script
from pgproto.operations.operation cimport Group, SETTLED
from pgproto.operations.simple cimport SimpleQuery

from asyncpg_core.binding cimport (
    bind_described, bind_explicit, has_members, is_in_group, lacks_statement, names_types, refuse_inside_copy, value_of)
from asyncpg_core.call cimport COPY, EXECUTE_SCRIPT, PREPARE, RUN, STARTED
from asyncpg_core.call_maker cimport CallMaker, sql_text
from asyncpg_core.deadlines cimport Deadlines
from asyncpg_core.descriptions cimport Descriptions
from asyncpg_core.failures cimport explain, tell_unwritten, tell_written
from asyncpg_core.preludes cimport Preludes
from asyncpg_core.query_log cimport watch_call
from asyncpg_core.reset cimport Reset
from asyncpg_core.retries cimport begin_again, bind_again, has_lost_name, is_healable, note_outdated

from asyncio import CancelledError, _get_running_loop as running_loop

from asyncpg_core.canceller import Canceller
from asyncpg_core.detection import ask_who_answers
from asyncpg_core.exceptions import QueryTimeout
from asyncpg_core.introspection import Introspector
from pgproto.errors import ConnectionDoesNotExistError, InterfaceError, PostgresError, ProtocolError

# Seconds that the server has to hang up after its farewell.
cdef double FAREWELL_BOUND = 1.0


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
        self.preludes = Preludes()
        self.descriptions = Descriptions(self.frontend, self.preludes, statements, registry)
        self.reset = Reset()
        self.deadlines = Deadlines(self)
        self.canceller = Canceller(self)
        self.introspector = Introspector(self)
        self.calls = CallMaker(self)

    def __repr__(self):
        state = "closed" if self.is_closed else f"{self.frontend.n_pending} pending"
        return f"<Session pid={self.frontend.backend_pid} {state}>"

    # Starting

    cdef int start_call(self, object awaited) except -1:
        cdef Call call = awaited
        if self.is_closed or self.is_parting:
            raise InterfaceError(self.closed_text or "connection is closed")
        if running_loop() is not self.loop:
            raise InterfaceError(f"the connection belongs to the event loop {self.loop!r}, the call was made from "
                                 f"{running_loop()!r}")
        call.number = self.preludes.next_number()
        if call.number == 1 and self.statements.is_undecided:
            ask_who_answers(self)
        if call.timeout != 0:
            if call.timeout < 0:
                raise QueryTimeout(f"the time of {call.name} was over before it began")
            call.deadline = monotonic() + call.timeout
            self.deadlines.arm(call.deadline)
        if self.pipeline is not None and call.group is None:
            self.pipeline.step_aside()
        if self.watchers is not None:
            watch_call(self.watchers, call)
        self.make_operation(call)
        if (call.op is not None and not self.queue and self.frontend.n_pending == 0 and not self.holds_writes
                and self.reset.op is None and call.group is None and self.frontend.gate is None
                and not self.descriptions.asked and not self.is_waking):
            self.write(call)
            if self.statements.evicted and self.frontend.gate is None:
                self.write_evicted()
            return self.transport.flush()
        refuse_inside_copy(self.frontend.gate)
        self.queue.append(call)
        return self.tick() if call.number == 1 else self.tick_soon()    # The first has a question in front.

    cdef int make_operation(self, Call call) except -1:
        """Give the call its operation, or let it wait for its statement."""
        cdef CachedStatement entry
        if call.kind == EXECUTE_SCRIPT:
            call.op = SimpleQuery(sql_text(call.sql))
            return 0
        if call.kind == RUN or call.kind == PREPARE or call.kind == COPY:
            return 0
        if call.statement is not None:
            return bind_explicit(call)
        entry = self.statements.find(sql_text(call.sql), call.prepare == 0 and not call.is_retried)
        call.extra = entry
        if entry.statement is not None:
            return bind_described(call, entry, self.statements)
        entry.waiting.append(call)
        if entry.describing is None:
            self.descriptions.ask(entry)
            self.tick_soon()
        return 0

    cdef int wake_together(self, list wakes) except -1:
        """Resume those whose calls are done, and write what they start then in one go."""
        cdef Call call
        self.is_waking = True
        try:
            for call in wakes:
                call.run_callback()
        finally:
            self.is_waking = False
            self.tick()
        return 0

    cpdef int tick_soon(self) except -1:
        """Write what is queued in the next round of the loop, once for all that ask."""
        if not self.is_ticking and not self.is_waking:
            self.is_ticking = True
            if self.on_tick is None:
                self.on_tick = self.tick
            self.call_soon(self.on_tick)
        return 0

    cpdef int tick(self) except -1:
        """Write what was started in this round of the loop."""
        self.is_ticking = False
        if self.is_closed:
            self.on_tick = None     # It knows the session.
            return 0
        self.pump()
        return self.transport.flush()

    # Writing

    cdef int pump(self) except -1:
        """Write the calls whose turn it is."""
        # A group that is half written goes on to its Sync, whoever is being cancelled: without it nothing is answered.
        if (self.holds_writes and not is_in_group(self.frontend)) or self.is_closed or (
                self.frontend.farewell is not None):
            return 0
        if self.reset.awaited is not None:
            return self.watch_reset()
        if self.frontend.gate is not None:
            self.proceed()
        self.pump_queue()
        while type(self.frontend.gate) is Group and not self.has_members_to_come(self.frontend.gate):
            self.frontend.end_group(self.frontend.gate)
            self.pump_queue()
        if self.holds_writes:
            return 0
        if self.reset.op is not None and self.frontend.gate is None:
            self.reset.write_alone(self.frontend)
        if self.reset.awaited is not None:
            self.watch_reset()
        elif self.descriptions.asked:
            self.pump_describing()
        if self.introspector.wanted and self.reset.awaited is None and self.frontend.gate is None:
            self.introspector.write()
        if self.statements.evicted and self.frontend.gate is None:
            self.write_evicted()
        return 0

    cdef int pump_queue(self) except -1:
        cdef Call call
        while self.queue and not self.is_closed and (not self.holds_writes or is_in_group(self.frontend)):
            call = self.queue[0]
            if call.phase != STARTED:
                self.queue.popleft()
                continue
            if call.op is None or self.transport.is_backed_up():
                break
            if call.group is not None and not call.group.is_ended and self.is_withheld(call.group):
                break
            if not self.frontend.may_send(call.op):
                break
            if self.reset.awaited is not None or (
                    self.reset.op is not None and not self.reset.goes_in_front_of(call.op, self.frontend)):
                break
            self.queue.popleft()
            self.write(call)
        return 0

    cdef bint has_members_to_come(self, Group group) except -1:
        """Whether a group is not wholly written: its Sync goes behind the last member that anybody waits for."""
        return (self.pipeline is not None and self.pipeline.holds(group)) or has_members(self.queue, group)

    def is_withheld(self, Group group not None):
        """Whether the pipeline block is still collecting, or a member waits for its statement: once the first member is
        written, nobody but the group may write, and a Prepare could not."""
        if self.pipeline is not None and self.pipeline.holds(group):
            return True
        return group.n_written == 0 and lacks_statement(self.queue, group)

    cdef int pump_describing(self) except -1:
        """Write the Prepares that are asked for."""
        cdef Operation op
        if self.frontend.gate is not None or self.transport.is_backed_up() or self.is_closed:
            return 0
        n_written = self.descriptions.write(self.queue)
        if n_written:
            self.n_written += n_written
            self.last_ends_transaction = False
        while self.descriptions.refused:
            op = self.descriptions.refused.pop(0)
            self.on_described(op.waiter, op)
        return 0

    cdef int write(self, Call call) except -1:
        """Put one call's operation into the send buffer; a bad argument fails it here."""
        cdef Operation op = call.op
        op.waiter = call
        if self.preludes.is_owed:
            self.preludes.attach(op, call.number)
        if call.names:
            self.statements.name_with(call.extra, op)
        try:
            self.frontend.send(op)
        except BaseException as error:
            self.preludes.detach(op)
            op.waiter = None
            if self.reset.op is not None and self.reset.op.is_written:
                self.reset.end_shared(self.frontend)
            if op.group is not None:
                self.on_bad_member(self, op.group, error)
            if not isinstance(error, Exception):
                raise
            explain(call, op, error)
            if not self.introspector.asks_again(call, op, error):
                call.fail(error)
            return 0
        self.n_executed += call.kind != PREPARE
        self.n_written += 1
        self.last_ends_transaction = call.ends_transaction
        self.preludes.pay(op, self.n_written)
        if self.reset.op is not None and self.reset.op.is_written:
            # Only what shares its Sync is skipped if it fails: the rest waits.
            self.reset.awaited = self.reset.op
            self.reset.op = None
        if op.is_open:
            if type(op) is ExecuteMany:
                (<ExecuteMany>op).in_transaction = self.has_begun or self.frontend.status != c'I'
            self.tick_soon()
        return 0

    cdef int write_evicted(self) except -1:
        while self.statements.evicted:
            self.frontend.send(Close(self.statements.evicted.pop(0)))
        return 0

    cdef int proceed(self) except -1:
        """Put the next chunk of an executemany that is not wholly written; let a COPY look whether it can go on."""
        cdef object gate = self.frontend.gate
        if type(gate) is ExecuteMany and (<ExecuteMany>gate).is_open and not self.transport.is_backed_up():
            self.frontend.put_more(gate)
            if (<ExecuteMany>gate).is_open:
                self.tick_soon()
        elif type(gate) is not Group and type((<Operation>gate).waiter) is Call:
            (<Call>(<Operation>gate).waiter).on_flow()
        return 0

    cdef int on_drained(self) except -1:
        if not self.is_closed:
            self.pump()
            self.transport.flush()
        return 0

    # Reading

    cdef int on_received(self) except -1:
        if self.collects:
            return self.take_in()   # In the middle of reading: the wakes belong to the outer round.
        self.collects = True
        try:
            self.take_in()
        except BaseException:
            self.wake(False)
            raise
        # What was told first is heard first.
        return self.wake(self.transport.is_direct_now() and self.on_told is None)

    cdef int wake(self, bint at_once) except -1:
        """Tell whoever waits for the calls that were done in this read callback: now, or from the loop."""
        cdef Call first = self.first_wake, call
        cdef list wakes = self.wakes
        self.collects = False
        if first is None:
            return 0
        self.first_wake = self.wakes = None
        if at_once:
            return first.run_callback() if wakes is None else self.wake_together(wakes)
        for call in wakes or (first,):
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
        if self.frontend.dead is not None:
            self.transport.lose(self.frontend.dead)
            return 0
        if self.frontend.notices or self.frontend.notifications:
            self.tell()
        if self.is_closed:
            return 0
        if self.reset.strays is not None:
            self.end_after_reset()
            return 0
        if self.frontend.farewell is not None and not self.frontend.is_ready:
            self.transport.lose(None)
            return 0
        if self.frontend.farewell is not None and self.farewell_timer is None:
            # The server has said goodbye; if it does not hang up, we do.
            self.farewell_timer = self.loop.call_later(FAREWELL_BOUND, self.transport.abort)
        if self.queue or self.descriptions.asked or self.statements.evicted or self.frontend.gate is not None:
            self.pump()
        if self.frontend.head is not None:
            if self.frontend.head.is_abandoned:
                self.canceller.consider()
            if self.reset.awaited is not None:
                self.watch_reset()
        elif self.drained is not None:
            self.wake_drainer()
        return self.transport.flush()

    def tell(self):
        """Hand notices and notifications to whoever listens."""
        notices, notifications = self.frontend.take_told()
        if self.on_told is not None:
            self.on_told(self, notices, notifications)

    cdef int on_event(self, Operation op) except -1:
        waiter = op.waiter
        if op.event == SETTLED:
            op.waiter = None
            if type(waiter) is Call:
                if not names_types(<Call>waiter, op) or not self.introspector.holds(waiter, op):
                    self.settle(<Call>waiter, op)
            elif type(waiter) is CachedStatement:
                if not self.introspector.holds(waiter, op):
                    self.on_described(<CachedStatement>waiter, op)
            elif type(op) is Script and op.group is None:
                self.on_reset_settled(op)
            elif waiter is not None:
                waiter.on_settled(op)
            if self.holds_writes:
                self.canceller.on_settled(op)
        elif waiter is not None:
            waiter.on_ready(op)
        return 0

    cdef int settle(self, Call call, Operation op) except -1:
        if call.phase != STARTED:
            return 0
        if op.group is not None and op.group.undone_by is not None:
            # The server had executed it before the group was undone.
            op.abort_because(op.group.undone_by)
        if op.error is not None:
            return self.settle_failed(call, op)
        try:
            value = value_of(call, op)
        except Exception as error:
            call.fail(error)
        else:
            call.finish(value)
        return 0

    cdef int settle_failed(self, Call call, Operation op) except -1:
        if self.reset.strays is not None and op.error.__cause__ is self.reset.error:
            # It shared the reset's Sync and was skipped: nothing of it has happened.
            self.reset.strays.append(call)
            return 0
        self.note_failure(call, op)
        if self.introspector.holds_failed(call, op):
            return 0
        if not call.is_retried and self.can_heal(call, op):
            return self.heal(call, op)
        # It cannot be repeated here, but the next call need not fail too.
        note_outdated(call, op, self.statements, self.frontend.n_deallocations)
        call.fail(op.error)
        return 0

    cdef int note_failure(self, Call call, Operation op) except -1:
        explain(call, op, op.error)
        if self.transaction_failure is None and (self.has_begun or self.frontend.status == c'E') and isinstance(
                op.error, PostgresError):
            self.transaction_failure = op.error
        return 0

    # Statements

    cdef int on_described(self, CachedStatement entry, Operation op) except -1:
        """A Prepare of the cache is settled: bind the calls that waited for it."""
        cdef Call call
        cdef list waiting = list(entry.waiting)
        error = self.descriptions.settle(entry, op)
        if entry.describing is not None:
            return self.tick_soon()     # It is asked once more.
        entry.waiting.clear()
        for call in waiting:
            if call.phase != STARTED:
                continue
            failure = error
            if error is None:
                try:
                    bind_described(call, entry, self.statements)
                    continue
                except Exception as refused:
                    failure = refused
            else:
                op.error = error
                self.note_failure(call, op)
            call.fail(failure)
            if call.group is not None:
                self.on_bad_member(self, call.group, failure)
        return self.tick_soon() if self.queue else 0

    cdef bint can_heal(self, Call call, Operation op):
        """Whether the one transparent retry is allowed: the server has kept no effect, and it is likely to help. Inside
        a transaction that is so only for what carries BEGIN, by a name that is lost."""
        if op.group is not None or self.is_closed:
            return False
        if (self.frontend.status != c'I' or self.has_begun) and (
                not has_lost_name(op) or self.holds_writes or not self.preludes.is_alone(op, self.n_written)):
            return False
        return is_healable(call, op, self.holds_writes)

    cdef int heal(self, Call call, Operation op) except -1:
        """Execute once more, before those that are not written yet."""
        call.is_retried = True
        if op.prelude is not None and self.frontend.status != c'I':
            begin_again(op, self.preludes, self.frontend)
            self.transaction_failure = None
            self.n_written += 1
            self.last_ends_transaction = True
        if not bind_again(call, op, self.statements, self.frontend.n_deallocations):
            self.make_operation(call)
        self.queue.appendleft(call)
        return self.tick_soon()

    # Deadlines and cancellation

    def live_calls(self):
        """Return the calls that somebody waits for: written ones first, each once."""
        cdef Operation op
        found = []
        for op in self.frontend.pending():
            if type(op.waiter) is Call and (<Call>op.waiter).phase == STARTED:
                found.append(op.waiter)
        found += [call for call in [*self.queue, *self.introspector.held_calls()] if (<Call>call).phase == STARTED]
        return found

    cdef int cancel_call(self, object given_up) except -1:
        """Nobody waits for the call any more: drop it, or abandon what is written."""
        cdef Call call = given_up
        cdef Operation op = call.op
        if self.is_closed:
            return 0
        if op is None or not op.is_written:
            return self.tick_soon()
        op.is_abandoned = True
        op.waiter = None
        if type(op) is Execute:
            (<Execute>op).abandon()
        elif type(op) is ExecuteMany and op.is_open:
            self.frontend.end_early(op, CancelledError())
        elif call.kind == COPY:
            call.extra.give_up(self, op)
        self.canceller.consider()
        if is_in_group(self.frontend):
            self.tick_soon()
        if self.reset.awaited is not None:
            self.watch_reset()
        return self.transport.flush()

    def wake_drainer(self):
        """Whoever waits in `drain` looks again."""
        drained, self.drained = self.drained, None
        if drained is not None and not drained.done():
            drained.set_result(None)

    cdef object open_pipeline(self):
        return self.pipeline

    # The pool's reset

    @property
    def is_resetting(self):
        """Whether a reset is owed or not answered yet."""
        return self.reset.op is not None or self.reset.awaited is not None

    cdef int watch_reset(self) except -1:
        """A reset is written: see to it that it does not take for ever when nobody's wait ends it."""
        return self.deadlines.watch(self.frontend.head if self.reset.is_on_its_own(self.frontend) else None)

    def on_reset_settled(self, Operation op not None):
        """A reset is answered: writes go on, or the connection ends and what waited is moved to another one."""
        self.deadlines.watch(None)
        if self.reset.settle(op):
            self.reset.gather(self.queue)
        self.tick_soon()

    def on_reset_overdue(self, str reason not None):
        """The server does not answer the reset: the connection ends as if it had failed."""
        self.reset.error = QueryTimeout(reason)
        self.reset.gather(self.queue)
        self.end_after_reset()

    def end_after_reset(self):
        """The reset has failed and all that was written with it is settled: what it held up moves elsewhere."""
        strays = self.reset.strays
        error = self.reset.error
        self.reset.strays = None
        self.close_reason = error
        if self.on_reset_failed is not None:
            self.on_reset_failed(self, strays, error)
        else:
            self.queue.extend(strays)
        self.transport.lose(ConnectionDoesNotExistError(f"the reset of the session failed: {error}"))

    @property
    def is_known_in_transaction(self):
        """Whether the server has said that a transaction block is open, and nothing under way can have changed that."""
        return (self.frontend.status != c'I' and self.frontend.n_pending == 0 and not self.is_resetting
                and not self.n_ending)

    # The end

    cdef int on_lost(self, object error) except -1:
        """The connection is gone: fail everything that was pending."""
        if self.is_closed:
            return 0
        self.is_closed = True
        self.deadlines.stop()
        if self.farewell_timer is not None:
            self.farewell_timer.cancel()
        self.canceller.stop()
        if self.watchers is not None:
            self.watchers.tell_end(self)
            self.collects = False   # Who waits goes on from the loop, after those who are told.
        farewell = self.frontend.farewell
        lost = self.frontend.lose()
        queue = list(self.queue) + self.introspector.held_calls()
        self.queue.clear()
        tell_written(lost, error, farewell, self.close_reason, self.frontend.is_ready, self.frontend.status)
        tell_unwritten(queue, self, error, farewell, self.close_reason)
        self.descriptions.asked = []
        self.statements.clear(server_knows=False)
        self.wake_drainer()
        if self.on_end is not None:
            self.on_end(self)
        return 0

    def say_goodbye(self):
        """Send Terminate as far as the socket takes it, and close."""
        if not self.is_closed:
            if not self.transport.is_closed and not self.loop.is_closed():
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
