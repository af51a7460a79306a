"""Which calls of a pool go together on one connection: the decisions, against a clock."""
import pytest

from asyncpg_core.pool_arguments import check_reset, lanes_of
from asyncpg_core.pool_state import PoolState
from tests.unit.test_pool_state import Member

QUICK, SLOW = 0.0001, 0.02


def busy(n_members, n_lanes=4, max_size=None, pace=QUICK):
    """A pool whose members all carry one call, and where calls took `pace` seconds of late."""
    state = PoolState(0, max_size or n_members, n_lanes=n_lanes)
    members = []
    for _ in range(n_members):
        assert state.may_connect()
        state.connected(Member(), 0.0)
    for _ in range(n_members):
        member = state.take_idle()
        member.n_riders = member.n_ridden = 1
        state.start_carrying(member)
        members.append(member)
    state.pace = pace
    return state, members


def test_one_more_call_joins_the_member_with_the_fewest():
    state, (a, b, c) = busy(3)
    a.n_riders, b.n_riders, c.n_riders = 3, 1, 2
    assert state.carrier(0.0) is b


def test_without_lanes_nothing_is_shared():
    state, _ = busy(3, n_lanes=0)
    assert state.carriers == [] and state.carrier(0.0) is None


def test_nothing_joins_while_anybody_waits_for_a_connection_of_his_own():
    state, _ = busy(3)
    state.waiters.append("borrower")
    assert state.carrier(0.0) is None


def test_an_idle_member_is_taken_while_there_are_fewer_carriers_than_lanes():
    state, (a, *_) = busy(4)
    state.forget(a)
    assert state.may_connect()
    state.connected(Member(), 0.0)
    assert state.idle and state.carrier(0.0) is None


def test_quick_calls_go_together_although_members_are_idle():
    state, members = busy(5)
    state.forget(members[0])
    assert state.may_connect()
    state.connected(Member(), 0.0)
    assert state.idle and state.carrier(0.0) in members[1:]
    state.pace = 0.001
    assert state.carrier(0.0) is None, "calls that take longer are better off on connections of their own"


def test_a_pool_that_may_grow_grows_to_its_lanes_first():
    state, _ = busy(2, max_size=10)
    assert state.carrier(0.0) is None
    state, members = busy(4, max_size=10)
    assert state.carrier(0.0) in members


@pytest.mark.parametrize(("pace", "limit"), [(QUICK, 64), (0.001, 10), (0.005, 2), (SLOW, 0), (1.0, 0)])
def test_how_many_go_together_follows_from_the_pace_of_late(pace, limit):
    state, (a,) = busy(1, n_lanes=1, pace=pace)
    assert state.riders_limit() == limit
    a.n_riders = limit
    assert state.carrier(0.0) is None
    if limit > 1:
        a.n_riders = limit - 1
        assert state.carrier(0.0) is a


def test_before_the_first_flight_nothing_is_shared():
    assert PoolState(0, 4, n_lanes=4).riders_limit() == 0


def test_nothing_joins_a_member_that_has_not_answered_for_long_or_is_outdated():
    state, (a, b) = busy(2)
    a.moved_at = b.moved_at = 10.0
    assert state.carrier(10.04) is not None and state.carrier(10.06) is None
    b.moved_at = 10.05
    assert state.carrier(10.06) is b
    state.outdate()
    assert state.carrier(10.06) is None


def test_a_slow_flight_is_remembered_and_forgotten_slowly():
    state, (a,) = busy(1, n_lanes=1, pace=QUICK)
    a.lent_at, a.n_ridden = 0.0, 1
    state.note_flight(a, SLOW)
    assert state.pace == SLOW and state.riders_limit() == 0
    n = 0
    while state.pace > 0.001:
        state.note_flight(a, QUICK)
        n += 1
    assert 20 < n < 40


def test_a_flight_of_many_calls_says_how_long_one_took():
    state, (a,) = busy(1, n_lanes=1, pace=1.0)
    a.lent_at, a.n_ridden = 5.0, 20
    state.note_flight(a, 5.002)
    assert state.pace == pytest.approx(0.0001)


def test_the_round_trip_is_not_counted():
    state, (a,) = busy(1, n_lanes=1, pace=1.0)
    a.lent_at, a.n_ridden, a.round_trip = 0.0, 1, 0.05
    state.note_flight(a, 0.0502)
    assert state.pace == pytest.approx(0.0002)
    state.note_flight(a, 0.04)
    assert state.pace >= 0, "an answer that came sooner than that took no time"


def test_those_who_wait_are_spread_over_the_lanes():
    state, _ = busy(4)
    state.waiters.extend(range(90))
    assert state.share_of_waiters() == 23
    state.waiters.extend(range(1000))
    assert state.share_of_waiters() == 63
    state.pace = SLOW
    assert state.share_of_waiters() <= 0


def test_who_is_gone_carries_nothing():
    state, (a, b) = busy(2)
    state.forget(a)
    assert state.carriers == [b] and state.carrier(0.0) is None, "the pool may grow to its lanes again"
    state.n_lanes = 1
    assert state.carrier(0.0) is b


@pytest.mark.parametrize(("share", "lanes"), [(True, 4), (False, 0), (2, 2), (1, 1)])
def test_share_says_how_many_connections(share, lanes):
    assert lanes_of(share) == lanes


@pytest.mark.parametrize("share", [0, -1, "yes", 1.5, None])
def test_share_that_makes_no_sense_is_refused_by_name(share):
    with pytest.raises(ValueError, match="share must be"):
        lanes_of(share)


def test_reset_is_a_function_or_always():
    assert check_reset(None) is None and check_reset("always") == "always" and check_reset(print) is print
    with pytest.raises(ValueError, match="reset must be"):
        check_reset("never")
