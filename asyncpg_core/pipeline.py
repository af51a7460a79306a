"""A block whose calls share one Sync: they start at once and are written together.

    async with connection.pipeline() as p:
        a = p.fetchval("select 1")
        b = p.execute("insert into t values ($1)", 2)
    print(await a, await b)

Outside a transaction the group is one implicit transaction: if a member fails, none has happened, and the others fail
as PipelineAborted. The group is written when the block ends; awaiting a member inside the block, or calling the
connection itself from there, ends the group and opens a new one.
"""
from __future__ import annotations

import asyncio
from collections.abc import Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Any

from asyncpg_core import groups
from pgproto.errors import InterfaceError
from pgproto.operations.operation import Group

if TYPE_CHECKING:
    from asyncpg_core.call_maker import CallMaker
    from asyncpg_core.connection import Connection


class Pipeline:
    """The block; its methods are Connection's, but they start at once and return the running call."""

    def __init__(self, connection: Connection[Any]) -> None:
        self._connection = connection
        self._session = connection._session
        self._group: Group | None = None
        self._collecting: Group | None = None
        self._task: asyncio.Task[Any] | None = None

    # As a context manager

    async def __aenter__(self) -> Pipeline:
        self._connection._check_open()
        if self._session.pipeline is not None:
            raise InterfaceError("a pipeline is open on this connection already")
        self._session.pipeline = self
        self._session.on_bad_member = groups.end_after_bad_argument
        self._task = asyncio.current_task()
        self._open_group()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        session = self._session
        if error is not None and self._group is not None and not self._group.n_written:
            # Nothing of the group has left: it never happens.
            groups.drop_group(session, self._group, error)
            self._group = self._collecting = None
        else:
            self.flush()
        session.pipeline = None
        session.tick_soon()

    def _open_group(self) -> None:
        self._group = self._collecting = Group()

    # What the session asks

    def holds(self, group: Group) -> bool:
        """Whether the group is still being collected: none of it is written yet."""
        return group is self._collecting

    def step_aside(self) -> None:
        """A call from outside the block has started: what was collected goes first if the block's own task waits."""
        if asyncio.current_task() is self._task:
            self.flush()

    def flush(self) -> None:
        """Write what was collected and its Sync; later calls of the block belong to a new group."""
        group = self._group
        if group is None:
            return
        self._open_group()
        groups.write_group(self._session, group)

    # The calls

    def fetch(self, query: str, *args: Any, timeout: float | None = None, record_class: Any = None) -> Any:
        return self._begin(self._calls().fetch(query, args, timeout, record_class, group=self._group))

    def fetchrow(self, query: str, *args: Any, timeout: float | None = None, record_class: Any = None) -> Any:
        return self._begin(self._calls().fetchrow(query, args, timeout, record_class, group=self._group))

    def fetchval(self, query: str, *args: Any, column: int | str = 0, timeout: float | None = None) -> Any:
        return self._begin(self._calls().fetchval(query, args, column, timeout, group=self._group))

    def execute(self, query: str, *args: Any, timeout: float | None = None) -> Any:
        """One statement, in the extended protocol whether it has arguments or not."""
        return self._begin(self._calls().execute(query, args, timeout, group=self._group))

    def executemany(self, command: str, args: Iterable[Any], *, timeout: float | None = None) -> Any:
        return self._begin(self._calls().executemany(command, args, timeout, group=self._group))

    def fetchmany(
        self, query: str, args: Iterable[Any], *, timeout: float | None = None, record_class: Any = None
    ) -> Any:
        return self._begin(self._calls().fetchmany(query, args, timeout, record_class, group=self._group))

    def _calls(self) -> CallMaker:
        if self._session.pipeline is not self:
            raise InterfaceError("the pipeline block is over")
        return self._session.calls

    def _begin(self, call: Any) -> Any:
        call.begin()
        return call
