"""One case: made from a seed, run within bounds of time and memory, judged.

Every failure says how to repeat it. What a case may raise is nothing: a target catches the errors that are promised and
hands them to `typed`, which looks at their causes too, since the core makes an error of its own of what it did not
expect.
"""
from __future__ import annotations

import random
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass

from pgproto.errors import (
    InterfaceError,
    InternalClientError,
    MalformedBody,
    OutdatedSchemaCacheError,
    PostgresError,
    PostgresWarning,
    ProtocolError,
)

# What may be allocated for what was received, and how long 64 KiB may take. The promise is 50 ms; tests have ten times
# that, because other programs want the processor too.
ALLOCATED_PER_BYTE = 64
ALLOCATED_AT_LEAST = 64 * 1024
SECONDS_PER_64_KIB = 0.05
TOLERANCE = 10
# tracemalloc makes a case five times slower, so one of a few is measured; which one, the seed says.
MEASURED_EACH = 8

# An error of the server's may have the SQLSTATE of a warning, and is then an exception of that class.
PROMISED = (PostgresError, PostgresWarning, InterfaceError, ProtocolError, OutdatedSchemaCacheError)
# What lies behind a promised error: a codec's or a parser's own words.
BEHIND = (*PROMISED, MalformedBody, ValueError, OverflowError, TypeError)
# The core's words for an exception that it did not expect.
UNEXPECTED = "could not be dealt with"


class Broken(Exception):
    """A property does not hold."""


@dataclass(frozen=True, slots=True)
class Case:
    """`run` is measured; it gets nothing and its result goes to `check`. `n_bytes` is what the other side has sent."""

    n_bytes: int
    run: Callable[[], object]
    check: Callable[[object], None] | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """`make` returns the case of a seed's random numbers; `short` is how many belong to `make test`."""

    name: str
    make: Callable[[random.Random], Case]
    short: int


def insist(fact: object, text: str) -> None:
    """Raise Broken unless it is so."""
    if not fact:
        raise Broken(text)


def typed(error: BaseException, promised: tuple[type[BaseException], ...] = PROMISED) -> BaseException:
    """Return an error that is one of those we promise, with nothing behind it that we had not expected."""
    if not isinstance(error, promised) or type(error) is InternalClientError or UNEXPECTED in str(error):
        raise Broken(f"an error that nobody was promised: {error!r}") from error
    cause = error.__cause__
    while cause is not None:
        if not isinstance(cause, (*BEHIND, *promised)) or isinstance(cause, (RecursionError, UnicodeEncodeError)):
            raise Broken(f"behind {type(error).__name__} is an error that was not expected: {cause!r}") from error
        cause = cause.__cause__
    return error


def chunks(rng: random.Random, stream: bytes) -> list[bytes]:
    """Cut a stream as a network may: whole, in single bytes, in pieces of a size, or at random."""
    way = rng.randrange(5)
    if way == 0 or not stream:
        return [stream]
    if way < 4:
        # Long streams in pieces that are a little longer: what counts is where they are cut, not how often.
        size = (1, rng.randrange(2, 12), rng.randrange(12, 400))[way - 1] + len(stream) // 4096
        return [stream[at:at + size] for at in range(0, len(stream), size)]
    cuts = sorted(rng.randrange(len(stream) + 1) for _ in range(rng.randrange(1, 6)))
    return [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]


def case_of(target: Target, seed: int) -> Case:
    return target.make(random.Random(f"{target.name}:{seed}"))


def run_case(target: Target, seed: int) -> None:
    """Run one case; Broken, or whatever came out of it, if it fails."""
    case = case_of(target, seed)
    is_measured = seed % MEASURED_EACH == 0
    if is_measured:
        tracemalloc.start()
    began = time.thread_time()
    try:
        outcome = case.run()
        seconds = time.thread_time() - began
        allocated = tracemalloc.get_traced_memory()[1] if is_measured else 0
    finally:
        if is_measured:
            tracemalloc.stop()
    allowed = ALLOCATED_PER_BYTE * case.n_bytes + ALLOCATED_AT_LEAST
    insist(allocated <= allowed, f"{allocated} bytes were allocated for {case.n_bytes} received, {allowed} are allowed")
    limit = TOLERANCE * SECONDS_PER_64_KIB * (1 + case.n_bytes // 65536) * (5 if is_measured else 1)
    insist(seconds <= limit, f"{seconds:.3f} s of processor time for {case.n_bytes} bytes, {limit:.3f} are allowed")
    if case.check is not None:
        case.check(outcome)


def repeat_command(name: str, seed: int) -> str:
    return f"python -m tests.fuzz --target {name} --seed {seed} --sessions 1"
