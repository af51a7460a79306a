"""What a pool does for every borrower and every one-shot call, hence in C: it lends members, takes them back.

`PoolState` decides; waiting, connecting and whatever else takes time is `pool`'s. A borrower gets a face of an idle
member without a coroutine in between. A one-shot call belongs to the lender until a session takes it: at its first
await it goes to an idle session, joins others on a busy one, or waits in the queue like anybody else. When it is done
the lender takes the session back.
"""
from collections import deque

cimport cython
from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF
from cpython.time cimport monotonic

from asyncpg_core.call cimport (
    COPY, EXECUTE_STATEMENT, PREPARE, RUN, STARTED, PYGEN_ERROR, PYGEN_RETURN, PySendResult, SlottedType)
from asyncpg_core.leases cimport give_up_lease, is_left_in_transaction, is_unchanged
from asyncpg_core.pool_member cimport cut_off
from asyncpg_core.query_log cimport has_pool_hook
from asyncpg_core.session cimport Session
from asyncpg_core.statement_cache cimport CachedStatement

from types import GenericAlias

from asyncio import _get_running_loop as running_loop

from asyncpg_core.exceptions import PoolTimeout
from asyncpg_core.statement_cache import is_plain_statement
from pgproto.errors import ConnectionDoesNotExistError, InterfaceError, TooManyRequests


@cython.final
cdef class Lender(Endpoint):
    def __cinit__(self, pool, PoolState state not None, *, own_release, Py_ssize_t max_queries=0,
                  session_functions=()):
        self.pool = pool
        self.state = state
        self.own_release = own_release
        self.max_queries = max_queries
        self.session_functions = frozenset(session_functions)
        self.returning = deque()

    def bind(self, loop):
        """Belong to a loop: the one that the pool is opened in."""
        self.loop = loop
        self.call_soon = loop.call_soon

    # To borrowers

    cdef PoolMember take(self):
        """Take an idle member that is alive."""
        cdef PoolMember member
        if not self.is_open or self.state.is_closing:
            self.pool._check_open()
        while True:
            member = self.state.take_idle_member()
            if member is None or not member.is_dead(monotonic()):
                return member
            member.session.abort(ConnectionDoesNotExistError("the server has closed an idle connection"))
            self.state.forget(member)

    def take_member(self):
        """Take an idle member that is alive; None if there is none."""
        return self.take()

    cdef object lend_at_once(self):
        """Return a face of an idle member if there is one and nothing has to be awaited."""
        cdef PoolMember member
        if self.is_set_up or self.checks is not None:
            return None
        if running_loop() is not self.loop:
            self.check_loop()
        member = self.take()
        if member is None:
            return None
        self.state.n_acquired += 1
        return member.new_face(self.pool)

    def face_of(self, PoolMember member not None):
        """Return a borrower's connection on a member that was taken."""
        self.state.n_acquired += 1
        return member.new_face(self.pool)

    def check_loop(self):
        """Raise InterfaceError if the pool, once it is open, is used from another loop than its own."""
        running = running_loop()
        if self.is_open and running is not self.loop and running is not None:
            raise InterfaceError(f"the pool belongs to the event loop {self.loop!r}, the call was made from "
                                 f"{running!r}")

    def check_queue(self):
        """Raise TooManyRequests if nobody else may wait."""
        if self.state.is_full:
            self.n_refused += 1
            raise TooManyRequests(f"{len(self.state.waiters)} callers wait for a connection of the pool already, "
                                  "as many as max_waiting allows")

    cdef int take_back(self, object connection) except -1:
        """Take a connection back at once; its reset leaves with this tick's write."""
        cdef PoolMember member = connection._lease
        if member is None:
            return 0
        if not member.session.is_closed and is_left_in_transaction(member.session):
            transaction = connection._top_transaction
            if transaction is None or not transaction._managed:
                self.pool._complain(connection)
        cut_off(connection)
        return self.give_back_used(member)

    def take_connection_back(self, connection):
        """Take a borrower's connection back; its reset leaves with this tick's write."""
        self.take_back(connection)

    # To one-shot calls

    cdef int start_call(self, object awaited) except -1:
        cdef Call call = awaited
        cdef PoolMember member
        if running_loop() is not self.loop:
            self.check_loop()
        if self.is_set_up:
            self.pool._check_open()
            self.pool._start(self.pool._set_up_for(call))
            return self.start_timer(call)
        if self.state.carriers and self.is_open:
            member = self.state.carrier_for_one_more(monotonic())
            if member is not None and self.may_ride(call, member):
                return self.join(call, member)
        member = self.take()
        if member is None:
            return self.queue(call)
        if self.checks is not None and self.checks.is_due(member):
            self.pool._start(self.checks.lend_to_call(call, member))
            return self.start_timer(call)
        return self.begin(call, member)

    cdef int queue(self, Call call) except -1:
        """A call waits for a session in its turn."""
        self.check_queue()
        call.waits_since = monotonic()
        self.state.waiters.append(call)
        self.upkeep.fill()
        return self.start_timer(call)

    def queue_first(self, Call call not None):
        """A call that has lost the member it was to get is the next to get one."""
        if call.phase == STARTED:
            self.state.waiters.appendleft(call)
            self.upkeep.fill()

    cdef int start_timer(self, Call call) except -1:
        """A call waits for a session, so long as its time allows."""
        if call.timeout != 0:
            if call.timeout < 0:
                self.state.drop_waiter(call)
                raise PoolTimeout(f"the time of {call.name} was over before it began")
            call.deadline = monotonic() + call.timeout
            # The session that takes the call puts its statement here: until then it is the timer.
            call.extra = self.loop.call_later(call.timeout, self.on_timeout, call)
        return 0

    cdef int stop_timer(self, Call call) except -1:
        if call.extra is not None:
            call.extra.cancel()
            call.extra = None
        return 0

    cdef int begin(self, Call call, PoolMember member) except -1:
        """The first call of a flight on a member that was taken."""
        self.start_flight(member)
        self.join(call, member)
        if (self.state.n_lanes and call.phase == STARTED and call.kind <= EXECUTE_STATEMENT
                and type(call.extra) is CachedStatement and (<CachedStatement>call.extra).is_plain):
            self.state.start_carrying(member)
        return 0

    cdef int start_flight(self, PoolMember member) except -1:
        member.n_riders = member.n_ridden = 0
        member.lent_at = member.moved_at = monotonic()
        member.n_changes = member.session.frontend.n_status_changes
        member.is_changed = False
        return 0

    cdef int join(self, Call call, PoolMember member) except -1:
        """One more call goes with those that a member carries."""
        member.n_riders += 1
        member.n_ridden += 1
        self.state.n_acquired += 1
        return self.hand_to(call, member)

    cdef bint may_ride(self, Call call, PoolMember member) except -1:
        """Whether a call may go with others on a session: it and they cannot change the session."""
        cdef Session session = member.session
        if call.kind > EXECUTE_STATEMENT or type(call.sql) is not str or session.holds_writes or member.is_changed:
            return False
        if self.max_queries and session.n_executed >= self.max_queries:
            return False        # It is to be replaced when its calls are done.
        entry = session.statements.entries.get(call.sql)
        if entry is None:
            return is_plain_statement(call.sql, self.session_functions)
        return (<CachedStatement>entry).is_plain

    cdef int hand_to(self, Call call, PoolMember member) except -1:
        """Let a session execute the call; the lender gets it back when the call is done."""
        self.stop_timer(call)
        call.hook = self
        call.owner = member.session
        if call.deadline != 0:
            call.timeout = max(call.deadline - monotonic(), 0.000001)
        try:
            call.owner.start_call(call)
        except Exception as error:
            call.fail(error)
        return 0

    cdef int fill_lane(self, PoolMember member) except -1:
        """Plain one-shots that wait next in the queue go with the one that has just got a member."""
        cdef Call call
        cdef Py_ssize_t n = self.state.share_of_waiters()
        waiters = self.state.waiters
        while n > 0 and waiters and type(waiters[0]) is Call and member.is_carrier:
            call = waiters[0]
            if call.phase == STARTED:
                if not self.may_ride(call, member):
                    break
                waiters.popleft()
                self.state.note_wait(monotonic() - call.waits_since)
                self.join(call, member)
                n -= 1
            else:
                waiters.popleft()
        return 0

    cdef int on_call_done(self, object done) except -1:
        """A call that a session has executed for the pool, or given up, is done."""
        cdef Call call = done
        cdef Session session = <Session?>call.owner
        cdef PoolMember member = session.member
        member.n_riders -= 1
        if session.is_closed:
            if self.is_open and not self.state.is_closing and self.revive(call):
                call.waits_since = monotonic()
                self.state.waiters.appendleft(call)
                self.upkeep.fill()
            return 0
        return self.end_ride(call, member)

    cdef int end_ride(self, Call call, PoolMember member) except -1:
        cdef Session session = member.session
        cdef bint is_plain = type(call.extra) is CachedStatement and (<CachedStatement>call.extra).is_plain
        # Until a reset is answered, the status is that of the borrower before it.
        cdef bint is_open = session.frontend.status != c'I' and not member.resets()
        member.moved_at = monotonic()
        if not is_plain or is_open or session.frontend.n_status_changes != member.n_changes:
            member.is_changed = True
            self.state.stop_carrying(member)
            if is_open and member.n_ridden > 1:
                return self.disown(call, session)
        if member.n_riders:
            return 0
        self.state.stop_carrying(member)
        self.state.note_pace(member, member.moved_at)
        if member.is_changed or self.is_set_up or self.resets_awaited or self.always_resets or not is_unchanged(
                session, member.n_changes):
            return self.give_back_used(member)
        return self.give_back(member)

    def disown(self, Call call not None, Session session not None):
        """A call of several has left a transaction open: what was acknowledged behind it will be rolled back.

        Nobody can say which one it was, so none of them is acknowledged any more."""
        error = ConnectionDoesNotExistError(
            "a statement that shared its connection with this one has left a transaction open: "
            "the outcome of this statement is unknown")
        call.value = None
        if call.failure is None and not call.is_cancelled:
            call.failure = error
        session.abort(error)
        return 0

    def lend_to_call(self, Call call not None, PoolMember member not None):
        """A waiting call gets its member; False if nobody waits for the call any more."""
        if call.phase != STARTED:
            return False
        self.begin(call, member)
        return True

    def move(self, list calls not None, PoolMember member not None):
        """Let another member's session execute the calls that their own could not write."""
        cdef Call call
        self.start_flight(member)
        for call in calls:
            if call.phase == STARTED and has_pool_hook(call):
                member.n_riders += 1
                member.n_ridden += 1
        for call in calls:
            if call.phase == STARTED:
                if call.kind != RUN and call.kind != PREPARE and call.kind != COPY:
                    call.op = None
                call.owner = member.session
                try:
                    call.owner.start_call(call)
                except Exception as error:
                    call.fail(error)

    def on_timeout(self, Call call not None):
        if call.phase == STARTED and call.owner is self:
            self.state.drop_waiter(call)
            self.n_timeouts += 1
            call.extra = None
            call.fail(PoolTimeout(f"no connection was free for {call.name} within {call.timeout:g} s"))

    cdef int cancel_call(self, object call) except -1:
        self.stop_timer(call)
        self.state.drop_waiter(call)
        return 0

    def refuse(self, Call call not None, error):
        """Tell a waiting call that there will be no connection."""
        if call.phase == STARTED and call.owner is self:
            self.stop_timer(call)
        call.fail(error)

    cdef bint revive(self, Call call) except -1:
        """Let a call wait for another session if its own was lost and has executed nothing of it; once."""
        error = call.failure
        if call.is_retried or type(error) is not ConnectionDoesNotExistError or not error.safe_to_retry:
            return False
        if call.op is not None and call.op.is_written and error.sqlstate_of_cause is None:
            return False    # Without the server's last words nobody knows how far it has come.
        call.is_retried = True
        call.phase = STARTED
        call.failure = None
        call.op = None
        call.extra = None
        call.owner = self
        if call.deadline != 0:
            call.extra = self.loop.call_later(max(call.deadline - monotonic(), 0), self.on_timeout, call)
        return True

    # Taking back

    cdef int give_back(self, PoolMember member) except -1:
        """A member whose session is clean, or has its reset on the way, is free.

        A call that fails at once gives its member back from inside this method: one round after the other, because
        there may be any number of them.
        """
        if self.is_returning:
            self.returning.append(member)
            return 0
        self.is_returning = True
        try:
            self.place(member)
            while self.returning:
                self.place(self.returning.popleft())
        finally:
            self.is_returning = False
        return 0

    def give_back_clean(self, PoolMember member not None):
        """A member that needs no reset is free."""
        self.give_back(member)

    cdef int place(self, PoolMember member) except -1:
        cdef double now
        if member.session.is_closed:
            return 0
        now = monotonic()
        if self.state.has_served(member, now) or member.session.frontend.has_other_encoding() or (
                self.max_queries and member.session.n_executed >= self.max_queries):
            self.pool._retire(member)
            return 0
        if self.watch is not None and member.may_have_changed_role() and self.watch.takes(member):
            return 0
        waiter = self.state.place(member, now)
        if waiter is not None:
            self.hand(waiter, member)
        elif self.state.can_expire() and self.upkeep.expiry_timer is None:
            self.upkeep.schedule_expiry()
        return 0

    cdef int hand(self, object waiter, PoolMember member) except -1:
        """Give a lent member to a waiter; if it has gone, to the next."""
        if type(waiter) is Call:
            if (<Call>waiter).phase == STARTED:
                self.state.note_wait(monotonic() - (<Call>waiter).waits_since)
                self.begin(waiter, member)
                return self.fill_lane(member)
        elif not waiter.done():
            waiter.set_result(member)
            return 0
        return self.give_back(member)

    def hand_over(self, waiter, PoolMember member not None):
        """Give a lent member to a waiter; if it has gone, to the next."""
        self.hand(waiter, member)

    cdef int give_back_used(self, PoolMember member) except -1:
        """A member whose session may be changed is free as soon as its reset is on the way."""
        if member.session.is_closed:
            return 0
        if self.resets_awaited:
            self.pool._start(self.pool._resets.run_unawaited(member))
            return 0
        give_up_lease(member.session, member.reset_query())
        return self.give_back(member)

    def give_back_after_use(self, PoolMember member not None):
        """A member whose session may be changed is to be reset, and is free."""
        self.give_back_used(member)


@cython.final
cdef class PoolAcquireContext:
    """What `Pool.acquire` returns: to be awaited, or entered with `async with`.

    It is its own awaitable, so a connection that is free travels without a coroutine.
    """

    def __init__(self, pool, timeout, reading=None):
        """`reading` finds a connection to read from; without it the pool lends one of its own."""
        self.pool = pool
        self.timeout = timeout
        self.lender = pool._lender
        self.reading = reading

    __class_getitem__ = classmethod(GenericAlias)

    def __await__(self):
        if self.given is not None:
            return self             # `__aenter__` has just returned it
        self.done = True
        self.given = self.lender.lend_at_once() if self.reading is None else None
        return self._acquire_later().__await__() if self.given is None else self

    def _acquire_later(self):
        """Return a coroutine that ends with a connection."""
        return self.pool._acquire(self.timeout) if self.reading is None else self.reading.acquire(self.timeout)

    def __iter__(self):
        return self

    def __next__(self):
        raise StopIteration(self.take_given())

    cdef object take_given(self):
        given = self.given
        self.given = None
        return given

    def __aenter__(self):
        if self.connection is not None or self.done:
            raise InterfaceError("a connection is already acquired")
        self.given = self.connection = self.lender.lend_at_once() if self.reading is None else None
        return self if self.given is not None else self._enter_later()

    async def _enter_later(self):
        self.connection = await self._acquire_later()
        return self.connection

    def __aexit__(self, kind, error, traceback):
        connection = self.connection
        self.done = True
        self.connection = None
        if (connection is None or self.lender.resets_awaited or self.reading is not None
                or type(self.pool).release is not self.lender.own_release):
            return self.pool.release(connection)
        self.lender.take_back(connection)
        return nothing


@cython.final
cdef class Nothing:
    """An awaitable that has None at once."""

    def __await__(self):
        return self

    def __iter__(self):
        return self

    def __next__(self):
        raise StopIteration


cdef Nothing nothing = Nothing()


cdef PySendResult send_given(PyObject *self, PyObject *value, PyObject **result) except? PYGEN_ERROR:
    given = (<PoolAcquireContext>self).take_given()
    Py_INCREF(given)
    result[0] = <PyObject *>given
    return PYGEN_RETURN


cdef PySendResult send_nothing(PyObject *self, PyObject *value, PyObject **result) except? PYGEN_ERROR:
    none = None
    Py_INCREF(none)
    result[0] = <PyObject *>none
    return PYGEN_RETURN


if (<SlottedType *>PoolAcquireContext).tp_as_async != NULL:
    (<SlottedType *>PoolAcquireContext).tp_as_async.am_send = send_given
if (<SlottedType *>Nothing).tp_as_async != NULL:
    (<SlottedType *>Nothing).tp_as_async.am_send = send_nothing
