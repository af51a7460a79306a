"""Waiting for the thing itself, with a deadline."""
import asyncio
from collections.abc import Callable

SECONDS = 5.0


async def until(condition: Callable[[], object]) -> None:
    """Wait until it is so."""
    deadline = asyncio.get_running_loop().time() + SECONDS
    while not condition():
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.001)


async def until_active(other, connection, word: str) -> None:
    """Wait until the server, asked over `other`, is executing a statement of `connection` that contains the word."""
    deadline = asyncio.get_running_loop().time() + SECONDS
    while not await other.fetchval(
            "select count(*) from pg_stat_activity where pid = $1 and state = 'active' and query like $2",
            connection.get_server_pid(), f"%{word}%"):
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.002)
