"""Which connection goes to whom, what is opened and what is closed: decisions alone, without a loop or a clock.

`PoolState` knows members (opaque objects with `idle_since`, `generation`, `is_resetting`) and waiters (opaque, served
first come first served). `pool.py` carries out what the methods return. Idle members are a stack, so those at its
bottom are the ones that age.
"""
from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Protocol


class Member(Protocol):
    """What the state reads of a connection."""

    idle_since: float
    generation: int

    @property
    def is_resetting(self) -> bool: ...


@dataclass(slots=True)
class PoolState:
    """Sizes, members and waiters of a pool."""

    min_size: int
    max_size: int
    max_idle_seconds: float = 300.0
    idle: list[Member] = field(default_factory=list)
    lent: set[Member] = field(default_factory=set)
    # Being closed: the server may still count them, so they count against max_size, but not for the floor.
    leaving: set[Member] = field(default_factory=set)
    waiters: deque[object] = field(default_factory=deque)
    n_connecting: int = 0
    generation: int = 0
    is_closing: bool = False

    @property
    def size(self) -> int:
        """Members, those that are being connected or closed included."""
        return len(self.idle) + len(self.lent) + len(self.leaving) + self.n_connecting

    @property
    def n_staying(self) -> int:
        """Members without those that are being closed."""
        return len(self.idle) + len(self.lent) + self.n_connecting

    def take_idle(self) -> Member | None:
        """Lend an idle member: the one used last whose reset is answered, if there is one."""
        idle = self.idle
        if not idle:
            return None
        at = len(idle) - 1
        if idle[at].is_resetting:
            for i in range(at - 1, -1, -1):
                if not idle[i].is_resetting:
                    at = i
                    break
        member = idle.pop(at)
        self.lent.add(member)
        return member

    def may_connect(self) -> bool:
        """Whether there is room for one more; counts it as being connected if there is."""
        if self.is_closing or self.size >= self.max_size:
            return False
        self.n_connecting += 1
        return True

    def connected(self, member: Member, now: float) -> object | None:
        """A member that was being connected is ready: return the waiter it goes to, or None if it is idle now."""
        self.n_connecting -= 1
        return self._place(member, now)

    def connect_failed(self) -> None:
        self.n_connecting -= 1

    def give_back(self, member: Member, now: float) -> object | None:
        """A lent member is free: return the waiter it goes to, or None if it is idle now."""
        self.lent.discard(member)
        return self._place(member, now)

    def _place(self, member: Member, now: float) -> object | None:
        if self.waiters:
            self.lent.add(member)
            return self.waiters.popleft()
        member.idle_since = now
        self.idle.append(member)
        return None

    def is_outdated(self, member: Member) -> bool:
        """Whether the pool was told to replace the members of its time."""
        return member.generation != self.generation

    def retire(self, member: Member) -> None:
        """A lent member is to be closed; it is forgotten when that has happened."""
        self.lent.discard(member)
        self.leaving.add(member)

    def forget(self, member: Member) -> bool:
        """A member is gone; return whether it was known."""
        for members in (self.lent, self.leaving):
            if member in members:
                members.discard(member)
                return True
        if member in self.idle:
            self.idle.remove(member)
            return True
        return False

    def shortage(self) -> int:
        """How many connections are to be opened now, for waiters and for the floor."""
        if self.is_closing:
            return 0
        for_waiters = len(self.waiters) - self.n_connecting
        for_floor = self.min_size - self.n_staying
        return max(0, min(max(for_waiters, for_floor), self.max_size - self.size))

    def expire(self, now: float) -> list[Member]:
        """Take out and return the members that were idle too long; the floor stays."""
        expired: list[Member] = []
        if self.max_idle_seconds <= 0:
            return expired
        while self.idle and self.n_staying > self.min_size and self.idle[0].idle_since + self.max_idle_seconds <= now:
            expired.append(self.idle.pop(0))
        self.leaving.update(expired)
        return expired

    def next_expiry(self) -> float | None:
        """When `expire` is to be called next, None if there is nothing to expire."""
        if self.max_idle_seconds <= 0 or not self.idle or self.n_staying <= self.min_size:
            return None
        return self.idle[0].idle_since + self.max_idle_seconds

    def outdate(self) -> list[Member]:
        """Every member of this time is to be replaced: take out and return the idle ones."""
        self.generation += 1
        idle, self.idle = self.idle, []
        self.leaving.update(idle)
        return idle

    def drop_waiter(self, waiter: object) -> bool:
        """A waiter has given up; return whether it was still waiting."""
        try:
            self.waiters.remove(waiter)
        except ValueError:
            return False
        return True

    def close(self) -> tuple[list[Member], list[object]]:
        """Begin to close: return the idle members and the waiters, which are to be refused."""
        self.is_closing = True
        idle, self.idle = self.idle, []
        self.leaving.update(idle)
        waiters = list(self.waiters)
        self.waiters.clear()
        return idle, waiters
