"""Python values that nobody should pass: they lie about their length, raise when looked at, change while they are read.
"""
from __future__ import annotations

import array
import datetime
import decimal
import math
import random
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pgproto.types import Array, BitString, Point, Range


class Surprise(Exception):
    """What a hostile object raises."""


class Stop(BaseException):
    """As KeyboardInterrupt: must come out as it is."""


class Liar:
    """A container that gives other than it says."""

    def __init__(self, length: int, items: list[Any]) -> None:
        self.length, self.items = length, items

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[Any]:
        return iter(self.items)

    def __getitem__(self, i: int) -> Any:
        return self.items[i]


class LyingTuple(tuple):  # type: ignore[type-arg]
    def __len__(self) -> int:
        return 2**62

    def __iter__(self) -> Iterator[Any]:
        raise Surprise("iter")


class LyingList(list):  # type: ignore[type-arg]
    def __len__(self) -> int:
        return 2**62

    def __getitem__(self, i: Any) -> Any:
        raise Surprise("getitem")


class Raising:
    """Raises whatever is asked of it."""

    error: type[BaseException] = Surprise

    def refuse(self, *_: object) -> Any:
        raise self.error("no")

    __len__ = __iter__ = __index__ = __float__ = __str__ = __repr__ = __getitem__ = refuse
    __hash__ = __eq__ = __lt__ = __bool__ = refuse  # type: ignore[assignment]


class Stopping(Raising):
    error = Stop


class BadIndex:
    def __index__(self) -> Any:
        return "one"

    def __float__(self) -> Any:
        return "one"

    def __str__(self) -> Any:
        return 1


class BadMapping(Mapping[str, Any]):
    def __getitem__(self, key: str) -> Any:
        raise Surprise("getitem")

    def __iter__(self) -> Iterator[str]:
        return iter(("a", "b"))

    def __len__(self) -> int:
        return -1


class BadZone(datetime.tzinfo):
    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def utcoffset(self, _: object) -> Any:
        if self.answer is Surprise:
            raise Surprise("utcoffset")
        return self.answer

    def __reduce__(self) -> Any:
        return BadZone, (self.answer,)


class Endless:
    """Says that it has one item, and never ends."""

    def __len__(self) -> int:
        return 1

    def __iter__(self) -> Iterator[int]:
        while True:
            yield 1

    def __getitem__(self, i: int) -> int:
        return 1


class Changing:
    """Changes the container it is in whenever it is read."""

    def __init__(self, container: Any, change: Callable[[Any], object]) -> None:
        self.container, self.change = container, change

    def changed(self) -> int:
        try:
            self.change(self.container)
        except BufferError:
            pass    # a bytearray that is being read does not let itself be changed: as it should be
        return 1

    def __index__(self) -> int:
        return self.changed()

    __int__ = __float__ = __index__

    def __str__(self) -> str:
        return str(self.changed())

    def __len__(self) -> int:
        return self.changed()

    def __iter__(self) -> Iterator[int]:
        return iter([self.changed()])


CHANGES: tuple[Callable[[Any], object], ...] = (
    lambda items: items.clear(), lambda items: items.extend(items[:1] * 50), lambda items: items.pop(),
    lambda items: items.__setitem__(slice(None), []), lambda items: items.append(None))


def changing(rng: random.Random) -> Any:
    held: list[Any] = [1, 2, 3]
    held.insert(rng.randrange(3), Changing(held, rng.choice(CHANGES)))
    return held if rng.random() < 0.7 else [held, [1, 2, 3, 4]]


def resizing_buffer(rng: random.Random) -> Any:
    data = bytearray(rng.randbytes(40))
    return [data, Changing(data, rng.choice((lambda d: d.clear(), lambda d: d.extend(bytes(10_000)))))]


def itself(rng: random.Random) -> Any:
    held: Any = rng.choice(([], {}))
    if isinstance(held, dict):
        held["a"] = held
    else:
        held.append(held)
    return held


def released(rng: random.Random) -> memoryview:
    view = memoryview(bytearray(b"gone"))
    view.release()
    return view


def deep(rng: random.Random) -> Any:
    held: Any = 1
    for _ in range(rng.choice((6, 7, 8, 2000))):
        held = [held]
    return held


def at(zone: datetime.tzinfo) -> datetime.datetime:
    return datetime.datetime(2020, 1, 1, tzinfo=zone)


UTC = datetime.timezone.utc
FAR_EAST = datetime.timezone(datetime.timedelta(hours=23))
NUMBERS = (True, 0, -1, 2**15, 2**31, -2**31 - 1, 2**63, 2**64, 10**400, -10**5000, 1.5, math.nan, math.inf, -0.0,
           1e308, 1e-320)
DECIMALS = tuple(map(decimal.Decimal, ("NaN", "sNaN", "-Infinity", "1e131072", "1e-16384", "1e99999", "9" * 200)))
TEXTS = ("", "text", "\0", "a\0b", "\ud800", "x" * 3000, "{1,2}", "[1,2)", "(1,x)", "1", "é\N{SNOWMAN}")
BUFFERS = (b"", b"\0\xff", bytearray(b"x"), memoryview(b"abc")[::2], memoryview(b"ab" * 9), array.array("i", [1, 2]))
TIMES = (datetime.date.min, datetime.date.max, datetime.datetime.min, datetime.datetime.max, at(BadZone(None)),
         datetime.datetime.max.replace(tzinfo=UTC), datetime.datetime.min.replace(tzinfo=FAR_EAST), at(BadZone("x")),
         at(BadZone(Surprise)), at(BadZone(datetime.timedelta(days=2))), datetime.time(1, 2),
         datetime.time(1, tzinfo=UTC), datetime.time(1, tzinfo=BadZone(Surprise)), datetime.timedelta.max,
         datetime.timedelta.min)
CONTAINERS = ([], [[]], [[], [1]], [[1], [1, 2]], [1, [2]], [[1], 2], (), (1,), (1, 2), (1, "x"), (1, 2, 3), {},
              {"a": 1}, {"a": 1, "b": "x"}, {"a": 1, "z": 1}, {1: 2}, {1, 2}, frozenset(), range(3))
OF_OURS = (Range(1, 2), Range("a", 1), Range(empty=True), [Range(1, 2), Range(None, None)], BitString("101"),
           Point(1, 2), [Point(1, 2)], Array([1, 2], [5]), uuid.UUID(int=2**128 - 1))
LIARS = (object(), type, print, Exception("x"), ..., Liar(3, [1, 2]), Liar(0, [1]), Liar(2**40, [1]),
         Liar(2**62, [1, "x"]), LyingTuple((1, 2)), LyingList([1, 2]), Raising(), Stopping(), BadIndex(), BadMapping(),
         Endless(), [Endless()], [Raising()], [LyingTuple((1,))], [BadIndex()], {"a": Raising()}, (Raising(), 1))
STATIC: tuple[Any, ...] = (*NUMBERS, *DECIMALS, *TEXTS, *BUFFERS, *TIMES, *CONTAINERS, *OF_OURS, *LIARS)
MADE: tuple[Callable[[random.Random], Any], ...] = (
    changing, changing, resizing_buffer, itself, released, deep, lambda rng: (i for i in (1, 2)))


def hostile(rng: random.Random) -> Any:
    """A value, most often one that no type takes."""
    return rng.choice(MADE)(rng) if rng.random() < 0.3 else rng.choice(STATIC)
