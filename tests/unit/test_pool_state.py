"""The pool's decisions without a loop: who gets which member, what is opened and what is closed."""
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from asyncpg_core import pool_state
from asyncpg_core.pool_state import PoolState


class Member(pool_state.Member):
    is_resetting = False
    round_trip = 0.0

    def __init__(self, name="", idle_since=0.0, generation=0, is_resetting=False):
        self.name = name
        self.idle_since = idle_since
        self.generation = generation
        self.is_resetting = is_resetting


def connect(state, now=0.0, **facts):
    assert state.may_connect()
    member = Member(**facts)
    return member, state.connected(member, now)


def filled(n, min_size=0, max_size=10, **settings):
    state = PoolState(min_size, max_size, **settings)
    return state, [connect(state, now=float(i), name=str(i))[0] for i in range(n)]


def test_the_member_used_last_is_lent_first():
    state, (a, b, c) = filled(3)
    assert [state.take_idle() for _ in range(4)] == [c, b, a, None]
    for member in (b, c, a):
        assert state.give_back(member, 5.0) is None
    assert state.take_idle() is a


def test_a_member_whose_reset_is_answered_is_preferred():
    state, (a, b, c) = filled(3)
    c.is_resetting = b.is_resetting = True
    assert [state.take_idle() for _ in range(3)] == [a, c, b]


def test_if_all_are_resetting_the_one_used_last_is_lent():
    state, members = filled(3)
    for member in members:
        member.is_resetting = True
    assert state.take_idle() is members[2]


def test_waiters_are_served_in_their_order_by_released_and_by_new_members():
    state, (a,) = filled(1, max_size=2)
    state.take_idle()
    state.waiters.extend(["first", "second", "third"])
    assert state.give_back(a, 1.0) == "first"
    b, waiter = connect(state)
    assert waiter == "second" and state.lent == {a, b}
    assert state.give_back(b, 1.0) == "third"
    assert state.give_back(a, 1.0) is None and state.idle == [a]


def test_there_is_no_room_beyond_max_size():
    state, (_a, _b) = filled(2, max_size=3)
    assert state.may_connect() and state.size == 3
    assert not state.may_connect()
    state.connect_failed()
    assert state.size == 2 and state.may_connect()


def test_what_is_being_closed_takes_room_until_it_is_gone():
    state, (_a, b) = filled(2, min_size=2, max_size=2)
    state.take_idle()
    state.retire(b)
    assert state.size == 2 and state.shortage() == 0 and not state.may_connect()
    assert state.forget(b) and state.size == 1 and state.shortage() == 1


def test_a_lost_member_is_forgotten_once_wherever_it_was():
    state, (a, b, c) = filled(3)
    state.take_idle()
    state.take_idle()
    state.retire(c)
    assert [state.forget(member) for member in (a, b, c, a)] == [True, True, True, False]
    assert state.size == 0


def test_the_shortage_counts_waiters_without_those_already_served_by_a_connect():
    state = PoolState(0, 4)
    assert state.shortage() == 0
    state.waiters.extend(range(3))
    assert state.shortage() == 3
    state.may_connect()
    assert state.shortage() == 2
    state.waiters.extend(range(10))
    assert state.shortage() == 3


def test_the_shortage_restores_the_floor():
    state, (a, b, _c) = filled(3, min_size=3, max_size=5)
    assert state.shortage() == 0
    state.forget(a)
    state.forget(b)
    assert state.shortage() == 2
    state.may_connect()
    assert state.shortage() == 1


def test_idle_members_expire_from_the_oldest_down_to_the_floor():
    state, (a, b, c, d) = filled(4, min_size=1, max_idle_seconds=10.0)
    assert state.expire(9.9) == [] and state.next_expiry() == 10.0
    assert state.expire(11.0) == [a, b] and state.next_expiry() == 12.0
    assert state.size == 4 and state.n_staying == 2
    assert state.expire(100.0) == [c]
    assert state.idle == [d] and state.next_expiry() is None and state.expire(1000.0) == []


def test_lent_members_count_for_the_floor_when_idle_ones_expire():
    state, (a, b, _c) = filled(3, min_size=2, max_idle_seconds=1.0)
    state.take_idle()
    assert state.expire(100.0) == [a] and state.idle == [b]


def test_a_lifetime_of_zero_never_expires():
    state, _ = filled(3, max_idle_seconds=0.0)
    assert state.expire(1e9) == [] and state.next_expiry() is None


def test_members_of_an_earlier_generation_are_outdated():
    state, (a, b) = filled(2)
    state.take_idle()
    assert state.outdate() == [a] and state.idle == [] and state.leaving == {a}
    assert state.is_outdated(b)
    c, _ = connect(state, generation=state.generation)
    assert not state.is_outdated(c)


def test_a_waiter_that_gives_up_is_dropped_once():
    state = PoolState(0, 1)
    state.waiters.extend("ab")
    assert state.drop_waiter("a") and not state.drop_waiter("a")
    assert list(state.waiters) == ["b"]


def test_closing_hands_out_the_idle_ones_and_the_waiters_and_opens_nothing_more():
    state, (a, b) = filled(2, min_size=2, max_size=3)
    state.take_idle()
    state.waiters.extend("xy")
    assert state.close() == ([a], ["x", "y"])
    assert state.is_closing and not state.may_connect() and state.shortage() == 0
    assert state.lent == {b} and state.leaving == {a}
    assert state.close() == ([], [])


def test_a_member_leaves_after_its_lifetime_which_chance_shortens_by_a_tenth_at_most():
    state, (a, b, c) = filled(3, min_size=3, max_idle_seconds=0.0, max_lifetime=100.0)
    for member, chance in ((a, 0.0), (b, 0.5), (c, 1.0)):
        state.start_life(member, 10.0, chance)
    assert [member.leaves_at for member in (a, b, c)] == [110.0, 105.0, 100.0]
    assert state.next_expiry(10.0) == 100.0 and state.expire(99.9) == []
    assert state.expire(105.0) == [b, c] and state.leaving == {b, c} and state.shortage() == 2
    assert state.next_expiry(105.0) == 110.0 and state.expire(111.0) == [a] and state.next_expiry(111.0) is None


def test_a_lent_member_that_has_lived_long_enough_leaves_when_it_comes_back():
    state, (a,) = filled(1, max_lifetime=10.0)
    state.start_life(a, 0.0, 0.0)
    state.take_idle()
    assert state.expire(20.0) == [] and state.next_expiry(20.0) is None
    assert not state.is_to_leave(a, 9.9) and state.is_to_leave(a, 10.0)


def test_without_a_lifetime_a_member_stays():
    state, (a,) = filled(1)
    state.start_life(a, 0.0, 1.0)
    assert not state.is_to_leave(a, 1e12) and state.next_expiry(1e12) is not None


def test_nobody_joins_the_calls_of_a_member_that_is_to_leave():
    state, (a,) = filled(1, max_size=1, n_lanes=1, max_lifetime=10.0)
    state.start_life(a, 0.0, 0.0)
    state.take_idle()
    state.start_carrying(a)
    a.n_riders, a.moved_at, state.pace = 1, 9.99, 0.0001
    assert state.carrier(9.99) is a and state.carrier(10.0) is None


def test_a_pool_that_shrinks_closes_idle_members_now_and_lent_ones_when_they_come_back():
    state, (a, b, c, d) = filled(4, min_size=4, max_size=4)
    for _ in range(3):
        state.take_idle()
    assert state.resize(1, 2) == [a] and state.n_staying == 3 and not state.may_connect()
    assert state.is_to_leave(d, 0.0)
    state.retire(d)
    assert not state.is_to_leave(c, 0.0) and not state.is_to_leave(b, 0.0)
    assert state.give_back(c, 1.0) is None and state.shortage() == 0
    for member in (a, d):
        state.forget(member)
    assert (state.size, state.min_size, state.max_size) == (2, 1, 2)


def test_a_pool_that_grows_has_room_for_those_who_wait():
    state, (_a,) = filled(1, max_size=1)
    state.take_idle()
    state.waiters.extend("xy")
    assert state.shortage() == 0
    assert state.resize(0, 3) == [] and state.shortage() == 2


def test_a_pool_that_shrinks_has_fewer_lanes_and_gets_them_back():
    state = PoolState(0, 8, n_lanes=4)
    state.resize(0, 2)
    assert state.n_lanes == 2
    state.resize(0, 8)
    assert state.n_lanes == 4


def test_a_queue_is_full_when_as_many_wait_as_may():
    state = PoolState(0, 1, max_waiting=2)
    for waiter in "ab":
        assert not state.is_full
        state.waiters.append(waiter)
    assert state.is_full
    state.drop_waiter("a")
    assert not state.is_full
    unbounded = PoolState(0, 1)
    unbounded.waiters.extend(range(1000))
    assert not unbounded.is_full


def test_what_was_opened_closed_and_lost_is_counted():
    state, (a, b, _c) = filled(3)
    state.take_idle()
    state.take_idle()
    state.retire(b)
    assert (state.n_opened, state.n_closed, state.n_lost) == (3, 0, 0)
    assert state.forget(b) and (state.n_closed, state.n_lost) == (1, 0)
    assert state.forget(a) and (state.n_closed, state.n_lost) == (2, 1)
    state.note_waiting(0.5)
    state.note_waiting(0.25)
    assert (state.n_waited, state.wait_seconds, state.wait_seconds_max) == (2, 0.75, 0.5)


class PoolMachine(RuleBasedStateMachine):
    """Random lives of a pool; the model is a list of waiters and a dict of where each member is."""

    def __init__(self):
        super().__init__()
        self.state = PoolState(2, 5, 10.0, max_lifetime=40.0)
        self.now = 0.0
        self.where = {}
        self.waiting = []
        self.n_connecting = 0
        self.n_waiters = 0

    def members(self, *places):
        return [member for member, place in self.where.items() if place in places]

    def placed(self, member, waiter):
        """A member became free: the oldest waiter has it, or it is idle because there was none."""
        if self.waiting:
            assert waiter == self.waiting.pop(0)
            self.where[member] = "lent"
        else:
            assert waiter is None
            self.where[member] = "idle"

    @rule(resetting=st.booleans())
    def ask(self, resetting):
        member = self.state.take_idle()
        if member is None:
            self.n_waiters += 1
            self.waiting.append(self.n_waiters)
            self.state.waiters.append(self.n_waiters)
        else:
            assert self.where[member] == "idle"
            assert not member.is_resetting or all(m.is_resetting for m in self.members("idle"))
            self.where[member] = "lent"
            member.is_resetting = resetting

    @rule()
    def fill(self):
        for _ in range(self.state.shortage()):
            assert self.state.may_connect()
            self.n_connecting += 1
        assert self.state.is_closing or self.state.size >= self.state.max_size or (
            self.n_connecting >= len(self.waiting) and self.state.n_staying >= self.state.min_size)

    @precondition(lambda self: self.n_connecting)
    @rule(works=st.booleans())
    def end_connect(self, works):
        self.n_connecting -= 1
        if works and not self.state.is_closing:
            member = Member(generation=self.state.generation)
            self.state.start_life(member, self.now, 0.5)
            assert member.leaves_at == self.now + 38.0
            self.placed(member, self.state.connected(member, self.now))
        else:
            self.state.connect_failed()

    @precondition(lambda self: self.members("lent"))
    @rule(choice=st.integers(0))
    def give_back(self, choice):
        lent = self.members("lent")
        member = lent[choice % len(lent)]
        if self.state.is_to_leave(member, self.now):
            assert (self.state.is_closing or self.state.is_outdated(member) or member.leaves_at <= self.now
                    or self.state.n_staying > self.state.max_size)
            self.state.retire(member)
            self.where[member] = "leaving"
        else:
            self.placed(member, self.state.give_back(member, self.now))

    @precondition(lambda self: self.where)
    @rule(choice=st.integers(0))
    def lose(self, choice):
        member = list(self.where)[choice % len(self.where)]
        del self.where[member]
        assert self.state.forget(member) and not self.state.forget(member)

    @precondition(lambda self: self.waiting)
    @rule(choice=st.integers(0))
    def give_up(self, choice):
        assert self.state.drop_waiter(self.waiting.pop(choice % len(self.waiting)))

    @rule(seconds=st.sampled_from([0.5, 6.0, 11.0]))
    def expire(self, seconds):
        self.now += seconds
        for member in self.state.expire(self.now):
            assert member.idle_since + 10.0 <= self.now or member.leaves_at <= self.now
            self.where[member] = "leaving"
        due = self.state.next_expiry(self.now)
        assert due is None or due > self.now

    @rule(sizes=st.sampled_from([(0, 1), (2, 5), (1, 3), (5, 5)]))
    def resize(self, sizes):
        for member in self.state.resize(*sizes):
            assert self.where[member] == "idle"
            self.where[member] = "leaving"
        assert self.state.n_staying <= sizes[1] or not self.state.idle

    @rule()
    def outdate(self):
        assert set(self.state.outdate()) == set(self.members("idle"))
        for member in self.members("idle"):
            self.where[member] = "leaving"

    @precondition(lambda self: self.n_waiters > 20)
    @rule()
    def close(self):
        idle, waiters = self.state.close()
        assert set(idle) == set(self.members("idle")) and waiters == self.waiting
        for member in idle:
            self.where[member] = "leaving"
        self.waiting = []

    @invariant()
    def sizes_hold(self):
        assert self.state.size == len(self.where) + self.n_connecting <= 5      # the most that there ever was room for

    @invariant()
    def everybody_is_in_one_place(self):
        places = {"idle": list(self.state.idle), "lent": list(self.state.lent), "leaving": list(self.state.leaving)}
        assert sum(map(len, places.values())) == len(self.where)
        for place, members in places.items():
            assert set(members) == set(self.members(place))

    @invariant()
    def nobody_waits_while_a_member_is_idle(self):
        assert list(self.state.waiters) == self.waiting
        assert not (self.waiting and self.state.idle)

    @invariant()
    def the_stack_is_ordered_by_age(self):
        ages = [member.idle_since for member in self.state.idle]
        assert ages == sorted(ages)


class TestPoolMachine(PoolMachine.TestCase):
    settings = settings(max_examples=150, stateful_step_count=60, deadline=None)
