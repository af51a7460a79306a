"""Which connection goes to whom, what is opened and what is closed: decisions alone, without a loop or a clock.

`PoolState` knows members and waiters (opaque, served first come first served). `lending` and `pool` carry out what the
methods return. Idle members are a stack, so those at its bottom are the ones that age.

Sharing: when plain one-shot calls keep as many members busy as there are lanes, one more may join the calls of such a
member (a carrier) instead of waiting, or instead of taking an idle one while everything has been quick of late. How
many may stand behind each other follows from the pace: the time that one call took of late, without the round trip. So
slow statements are spread over all connections, and quick ones travel together.
"""
from collections import deque

cimport cython
from libc.math cimport INFINITY

# At most so many calls on one member: what is written cannot go elsewhere if the first is slow.
cdef enum:
    RIDERS_MAX = 64
# A call may have so much time of others in front of it, by the pace of late.
cdef double SECONDS_IN_FRONT = 0.01
# Calls that take no longer than this are better off together than on connections of their own.
cdef double QUICK_SECONDS = 0.0003
# Nothing joins a member whose call has not been answered for so long.
cdef double STUCK_SECONDS = 0.05
# How much of a slow flight is still believed after the next one.
cdef double MEMORY = 0.9
# What is believed before the first flight.
cdef double UNKNOWN_PACE = 1.0
# What a lifetime is shortened by at most, so that those who were connected together do not leave together.
cdef double JITTER = 0.1


cdef class Member:
    """A connection, as far as the decisions need it."""

    def __cinit__(self):
        self.leaves_at = INFINITY

    @property
    def is_resetting(self):
        """Whether a reset is owed or not answered yet."""
        return False

    @property
    def round_trip(self):
        """Seconds from here to the server and back, as far as known."""
        return 0.0

    cdef bint resets(self) except -1:
        return self.is_resetting

    cdef double trip(self) except? -1:
        return self.round_trip


@cython.final
cdef class PoolState:
    """Sizes, members and waiters of a pool."""

    def __init__(self, Py_ssize_t min_size, Py_ssize_t max_size, double max_idle_seconds=300.0, *,
                 Py_ssize_t n_lanes=0, double max_lifetime=0.0, Py_ssize_t max_waiting=0):
        self.min_size = min_size
        self.max_size = max_size
        self.max_idle_seconds = max_idle_seconds
        self.max_lifetime = max_lifetime
        self.max_waiting = max_waiting
        self.idle = []
        self.lent = set()
        # Being closed: the server may still count them, so they count against max_size, but not for the floor.
        self.leaving = set()
        self.waiters = deque()
        # Members that plain one-shot calls share, or may share; there are lanes for none without sharing.
        self.lanes_wanted = n_lanes
        self.n_lanes = min(n_lanes, max_size)
        self.carriers = []
        self.pace = UNKNOWN_PACE

    @property
    def size(self):
        """Members, those that are being connected or closed included."""
        return len(self.idle) + len(self.lent) + len(self.leaving) + self.n_connecting

    @property
    def n_staying(self):
        """Members without those that are being closed."""
        return len(self.idle) + len(self.lent) + self.n_connecting

    def take_idle(self):
        """Lend an idle member: the one used last whose reset is answered, if there is one."""
        return self.take_idle_member()

    cdef Member take_idle_member(self):
        cdef list idle = self.idle
        cdef Py_ssize_t i, at = len(idle) - 1
        cdef Member member
        if at < 0:
            return None
        if (<Member>idle[at]).resets():
            for i in range(at - 1, -1, -1):
                if not (<Member>idle[i]).resets():
                    at = i
                    break
        member = idle.pop(at)
        self.lent.add(member)
        return member

    def may_connect(self):
        """Whether there is room for one more; counts it as being connected if there is."""
        if self.is_closing or self.size >= self.max_size:
            return False
        self.n_connecting += 1
        return True

    def connected(self, Member member not None, double now):
        """A member that was being connected is ready: return the waiter it goes to, or None if it is idle now."""
        self.n_connecting -= 1
        self.n_opened += 1
        return self.place(member, now)

    def connect_failed(self):
        self.n_connecting -= 1

    def give_back(self, Member member not None, double now):
        """A lent member is free: return the waiter it goes to, or None if it is idle now."""
        return self.place(member, now)

    cdef object place(self, Member member, double now):
        if self.waiters:
            self.lent.add(member)
            return self.waiters.popleft()
        self.lent.discard(member)
        member.idle_since = now
        self.idle.append(member)
        return None

    def start_life(self, Member member not None, double now, double chance):
        """Say when a new member has lived long enough: max_lifetime, shortened by as much as `chance` (0 to 1) says."""
        if self.max_lifetime > 0:
            member.leaves_at = now + self.max_lifetime * (1 - JITTER * chance)

    def is_outdated(self, Member member not None):
        """Whether the pool was told to replace the members of its time."""
        return member.generation != self.generation

    def is_to_leave(self, Member member not None, double now):
        """Whether a member that is given back is closed instead of lent again."""
        return self.has_served(member, now)

    cdef bint has_served(self, Member member, double now) except -1:
        if self.is_closing or member.generation != self.generation or member.leaves_at <= now:
            return True
        if self.is_shrinking:
            self.is_shrinking = self.n_staying > self.max_size
            return self.is_shrinking
        return False

    def retire(self, Member member not None):
        """A lent member is to be closed; it is forgotten when that has happened."""
        self.lent.discard(member)
        self.leaving.add(member)

    def forget(self, Member member not None):
        """A member is gone; return whether it was known."""
        self.stop_carrying(member)
        for members in (self.lent, self.leaving):
            if member in members:
                members.discard(member)
                self.n_closed += 1
                self.n_lost += members is self.lent
                return True
        if member in self.idle:
            self.idle.remove(member)
            self.n_closed += 1
            self.n_lost += 1
            return True
        return False

    def shortage(self):
        """How many connections are to be opened now, for waiters and for the floor."""
        if self.is_closing:
            return 0
        for_waiters = len(self.waiters) - self.n_connecting
        for_floor = self.min_size - self.n_staying
        return max(0, min(max(for_waiters, for_floor), self.max_size - self.size))

    def expire(self, double now):
        """Take out and return the idle members that have lived long enough, and those idle too long above the floor."""
        cdef Member member
        cdef list expired = []
        if self.max_lifetime > 0:
            expired = [member for member in self.idle if member.leaves_at <= now]
            for member in expired:
                self.idle.remove(member)
        if self.max_idle_seconds > 0:
            while (self.idle and self.n_staying > self.min_size
                   and (<Member>self.idle[0]).idle_since + self.max_idle_seconds <= now):
                expired.append(self.idle.pop(0))
        self.leaving.update(expired)
        return expired

    def next_expiry(self, double now=0.0):
        """When `expire` is to be called next, None if there is nothing to expire.

        The end of a life counts for lent members too, unless it has passed: then they leave when they come back.
        """
        cdef Member member
        cdef double at = INFINITY
        if self.max_idle_seconds > 0 and self.idle and self.n_staying > self.min_size:
            at = (<Member>self.idle[0]).idle_since + self.max_idle_seconds
        if self.max_lifetime > 0:
            for member in (*self.idle, *self.lent):
                if now < member.leaves_at < at:
                    at = member.leaves_at
        return None if at == INFINITY else at

    cdef bint can_expire(self) except -1:
        """Whether `next_expiry` may have something to say: asked after every call while no timer runs."""
        return self.max_lifetime > 0 or (
            self.max_idle_seconds > 0 and len(self.idle) + len(self.lent) + self.n_connecting > self.min_size)

    def resize(self, Py_ssize_t min_size, Py_ssize_t max_size):
        """Set other sizes: take out and return the idle members that are too many; lent ones leave when they return."""
        cdef list surplus = []
        self.min_size = min_size
        self.max_size = max_size
        self.n_lanes = min(self.lanes_wanted, max_size)
        while self.idle and self.n_staying > max_size:
            surplus.append(self.idle.pop(0))
        self.leaving.update(surplus)
        self.is_shrinking = self.n_staying > max_size
        return surplus

    def outdate(self):
        """Every member of this time is to be replaced: take out and return the idle ones."""
        self.generation += 1
        idle, self.idle = self.idle, []
        self.leaving.update(idle)
        return idle

    @property
    def is_full(self):
        """Whether so many wait already that nobody else may."""
        return 0 < self.max_waiting <= len(self.waiters)

    def note_waiting(self, double seconds):
        """Somebody has got a member after `seconds`."""
        self.note_wait(seconds)

    cdef int note_wait(self, double seconds) except -1:
        self.n_waited += 1
        self.wait_seconds += seconds
        if seconds > self.wait_seconds_max:
            self.wait_seconds_max = seconds
        return 0

    def drop_waiter(self, waiter):
        """A waiter has given up; return whether it was still waiting."""
        try:
            self.waiters.remove(waiter)
        except ValueError:
            return False
        return True

    def close(self):
        """Begin to close: return the idle members and the waiters, which are to be refused."""
        self.is_closing = True
        idle, self.idle = self.idle, []
        self.leaving.update(idle)
        waiters = list(self.waiters)
        self.waiters.clear()
        return idle, waiters

    # Sharing

    cpdef int start_carrying(self, Member member) except -1:
        """Plain one-shot calls alone have the member: more of them may join."""
        if self.n_lanes and not member.is_carrier:
            self.carriers.append(member)
            member.is_carrier = True
        return 0

    cdef int stop_carrying(self, Member member) except -1:
        """Nobody joins the member's calls any more."""
        if member.is_carrier:
            self.carriers.remove(member)
            member.is_carrier = False
        return 0

    def riders_limit(self):
        """How many calls may be on one member, by the pace of late."""
        return self.most_riders()

    cdef Py_ssize_t most_riders(self):
        return RIDERS_MAX if self.pace * RIDERS_MAX <= SECONDS_IN_FRONT else <Py_ssize_t>(SECONDS_IN_FRONT / self.pace)

    def carrier(self, double now):
        """Return the member whose calls one more plain one-shot is to join; None if it takes an idle one, or waits."""
        return self.carrier_for_one_more(now)

    cdef Member carrier_for_one_more(self, double now):
        cdef Member member, best = None
        cdef Py_ssize_t n, n_best
        if self.waiters or self.is_closing:
            return None         # First come, first served: who waits for a connection of his own would wait for ever.
        if self.idle:
            if len(self.carriers) < self.n_lanes or self.pace > QUICK_SECONDS:
                return None
        elif len(self.carriers) < self.n_lanes and self.size < self.max_size:
            return None
        n_best = self.most_riders()
        for member in self.carriers:
            n = member.n_riders
            if (n < n_best and now - member.moved_at <= STUCK_SECONDS and member.generation == self.generation
                    and member.leaves_at > now):
                best = member
                n_best = n
        return best

    def share_of_waiters(self):
        """How many of those who wait may go with a member that has become free, if they are plain one-shots."""
        cdef Py_ssize_t n = len(self.waiters)
        return min(self.most_riders() - 1, (n + self.n_lanes - 1) // self.n_lanes) if self.n_lanes else 0

    def note_flight(self, Member member not None, double now):
        """All calls that a member was lent to are done: that is how long one takes."""
        self.note_pace(member, now)

    cdef int note_pace(self, Member member, double now) except -1:
        cdef double seconds
        if member.n_ridden == 0 or self.n_lanes == 0:
            return 0
        seconds = (now - member.lent_at - member.trip()) / member.n_ridden
        if self.pace == UNKNOWN_PACE or seconds > self.pace * MEMORY:
            self.pace = max(seconds, 0.0)
        else:
            self.pace *= MEMORY
        return 0
