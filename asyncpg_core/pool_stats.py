"""`Pool.stats()`: what a pool is doing, and what it has done since it was opened."""
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asyncpg_core.pool import Pool


@dataclass(frozen=True, slots=True)
class PoolStats:
    """A snapshot. Sizes are of now; what begins with `n_`, and the seconds, are sums since the pool was opened."""

    min_size: int
    max_size: int
    size: int               # connections, those that are being opened or closed included: never above max_size
    idle: int
    lent: int
    connecting: int
    closing: int
    waiting: int            # borrowers and one-shot calls that have no connection yet
    shared: int             # connections that carry plain one-shot calls, which others may join
    shared_calls: int       # calls on them that are not done
    shared_depth: int       # the most on one of them
    n_acquired: int         # times a borrower or a one-shot call has got a connection
    n_waited: int           # those among them who had to wait
    wait_seconds: float     # what these have waited together
    wait_seconds_max: float
    n_timeouts: int         # who was told that no connection was free in time
    n_refused: int          # who was not let wait because max_waiting was reached
    n_opened: int
    n_closed: int
    n_lost: int             # those among them that the pool did not close itself
    n_connect_failed: int
    n_check_failed: int
    n_reset_failed: int
    n_evicted: int          # closed because their server was no longer of the kind that was asked for
    replicas: PoolStats | None


def stats_of(pool: Pool[Any]) -> PoolStats:
    """Return the snapshot of a pool; it asks nobody."""
    state, lender = pool._state, pool._lender
    depths = [member.n_riders for member in state.carriers]
    return PoolStats(
        min_size=state.min_size, max_size=state.max_size, size=state.size, idle=len(state.idle), lent=len(state.lent),
        connecting=state.n_connecting, closing=len(state.leaving), waiting=len(state.waiters), shared=len(depths),
        shared_calls=sum(depths), shared_depth=max(depths, default=0), n_acquired=state.n_acquired,
        n_waited=state.n_waited, wait_seconds=state.wait_seconds, wait_seconds_max=state.wait_seconds_max,
        n_timeouts=lender.n_timeouts, n_refused=lender.n_refused, n_opened=state.n_opened, n_closed=state.n_closed,
        n_lost=state.n_lost, n_connect_failed=pool._upkeep.n_failed,
        n_check_failed=0 if lender.checks is None else lender.checks.n_failed, n_reset_failed=pool._resets.n_errors,
        n_evicted=0 if lender.watch is None else lender.watch.n_evicted,
        replicas=None if pool._replicas is None else stats_of(pool._replicas.pool))
