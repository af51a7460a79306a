"""How often each host is tried and what comes of it: scripted servers, asyncpg and ours one after the other."""
import itertools

import pytest

import asyncpg_core
from tests.support.startup_server import (
    AUTHENTICATION_OK,
    SSL_REQUEST,
    WELCOME,
    StartupServer,
    error,
    read_startup,
)

asyncpg = pytest.importorskip("asyncpg", reason="missing feature: asyncpg")

# What a server says to Startup, and to SSLRequest; "S, end" agrees and hangs up in the handshake.
SAID = {
    "in": WELCOME, "28000": error("28000", "x"), "28P01": error("28P01", "x"), "53300": error("53300", "x"),
    "57P03": error("57P03", "x"), "end": b"", "ok, 28000": AUTHENTICATION_OK + error("28000", "x"),
    "ok, 57P03": AUTHENTICATION_OK + error("57P03", "x"), "ok, end": AUTHENTICATION_OK,
}
TO_TLS = {"N": b"N", "E": b"E", "end": b"", "X": b"X", "S, end": b"S"}
CASES = [
    *(("disable", first, "in", "N") for first in SAID),
    *(("allow", first, "in", to_tls) for first, to_tls in itertools.product(SAID, TO_TLS)),
    *(("prefer", first, "in", to_tls) for first, to_tls in itertools.product(SAID, ("N", "E", "end", "X"))),
    *(("prefer", "in", second, "S, end") for second in SAID),
    *(("require", "in", "in", to_tls) for to_tls in TO_TLS),
]


def server(said, to_tls):
    async def script(reader, writer):
        if await read_startup(reader) == SSL_REQUEST:
            writer.write(TO_TLS[to_tls])
            await writer.drain()
            if to_tls != "N":
                return
            await read_startup(reader)
        writer.write(SAID[said])
        await writer.drain()
        if said == "in":
            await reader.read(-1)
    return script


async def outcome(driver, mode, first, second, to_tls):
    """Connections to the first host and to the one behind it, and the SQLSTATE or the kind of the end."""
    async with StartupServer(server(first, to_tls), server(second, to_tls)) as one, StartupServer(
            server("in", "N")) as behind:
        try:
            connection = await driver.connect(host=["127.0.0.1"] * 2, port=[one.port, behind.port], user="u",
                                              database="d", ssl=mode, timeout=5)
        except driver.PostgresError as refusal:
            end = refusal.sqlstate
        except OSError:
            end = "OSError"
        else:
            connection.terminate()
            end = "in"
        return one.n_connections, behind.n_connections, end


def expected_of(mode, first, second, to_tls, asyncpgs):
    """What ours makes of it: asyncpg's outcome but for two rules."""
    on_last_try = second if (mode, to_tls) == ("prefer", "S, end") else first
    if asyncpgs[2] == "08003" and on_last_try.endswith("end"):
        # A host whose connection ends at the start is as good as one that cannot be reached: the next one is tried.
        return asyncpgs[0], 1, "in" if mode != "require" else "OSError"
    if mode == "allow" and first in ("28000", "28P01", "53300"):
        # TLS could not even be tried, so what the server said without it stands.
        return asyncpgs[0], 0, first
    return asyncpgs


@pytest.mark.parametrize("mode", ["disable", "allow", "prefer", "require"])
async def test_hosts_are_tried_as_often_as_asyncpg_tries_them(mode):
    differing = []
    for case in CASES:
        if case[0] == mode:
            asyncpgs, ours = await outcome(asyncpg, *case), await outcome(asyncpg_core, *case)
            if ours != expected_of(*case, asyncpgs):
                differing.append((case, asyncpgs, ours))
    assert differing == []
