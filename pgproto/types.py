"""The values that stand for PostgreSQL types which Python has no type for: ranges, bit strings, geometric shapes.

All are immutable, compare and hash by value, and can be pickled and copied. Points, boxes, segments, lines and circles
are tuples of their parts; a path or polygon is a sequence of points.
"""
from __future__ import annotations

import builtins
import sys
from collections.abc import Iterable, Iterator, Sequence
from operator import index
from typing import Any, Generic, NamedTuple, SupportsFloat, SupportsIndex, TypeVar, cast, overload

if sys.version_info >= (3, 11):
    from typing import Self
else:
    from typing import Any as Self

__all__ = ["Array", "BitString", "Box", "Circle", "Interval", "Line", "LineSegment", "Path", "Point", "Polygon",
           "Range"]

Bound = TypeVar("Bound", covariant=True)
Coordinate = SupportsFloat | SupportsIndex | str
Pair = Sequence[float]


class Range(Generic[Bound]):
    """A range of anything ordered, or an empty one. A bound of None is infinity, which is never included.

    It is kept as it is given: [1, 4] and [1, 5) are not equal, though the server takes them for the same int4range.
    """

    __slots__ = ("_empty", "_lower", "_lower_inc", "_upper", "_upper_inc")

    _lower: Bound | None
    _upper: Bound | None
    _lower_inc: bool
    _upper_inc: bool
    _empty: bool

    def __init__(self, lower: Bound | None = None, upper: Bound | None = None, *, lower_inc: bool = True,
                 upper_inc: bool = False, empty: bool = False) -> None:
        self._empty = bool(empty)
        self._lower = None if empty else lower
        self._upper = None if empty else upper
        self._lower_inc = self._lower is not None and bool(lower_inc)
        self._upper_inc = self._upper is not None and bool(upper_inc)

    @property
    def lower(self) -> Bound | None:
        return self._lower

    @property
    def upper(self) -> Bound | None:
        return self._upper

    @property
    def lower_inc(self) -> bool:
        """Whether the lower bound belongs to the range."""
        return self._lower_inc

    @property
    def upper_inc(self) -> bool:
        """Whether the upper bound belongs to the range."""
        return self._upper_inc

    @property
    def lower_inf(self) -> bool:
        """Whether the range has no lower bound."""
        return self._lower is None and not self._empty

    @property
    def upper_inf(self) -> bool:
        """Whether the range has no upper bound."""
        return self._upper is None and not self._empty

    @property
    def isempty(self) -> bool:
        return self._empty

    def issubset(self, other: Range[Any]) -> bool:
        """Whether every value in this range is in `other`."""
        if self._empty:
            return True
        return not other._empty and _starts_within(self, other) and _ends_within(self, other)

    def issuperset(self, other: Range[Any]) -> bool:
        """Whether every value in `other` is in this range."""
        return other.issubset(self)

    def __bool__(self) -> bool:
        return not self._empty

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Range):
            return NotImplemented
        return self._parts() == other._parts()

    def __hash__(self) -> int:
        return hash(self._parts())

    def _parts(self) -> tuple[Bound | None, Bound | None, bool, bool, bool]:
        return self._lower, self._upper, self._lower_inc, self._upper_inc, self._empty

    def __repr__(self) -> str:
        if self._empty:
            return "<Range empty>"
        lower = "" if self._lower is None else repr(self._lower)
        upper = "" if self._upper is None else repr(self._upper)
        return f"<Range {'[' if self._lower_inc else '('}{lower}, {upper}{']' if self._upper_inc else ')'}>"


def _starts_within(inner: Range[Any], outer: Range[Any]) -> bool:
    if outer.lower is None:
        return True
    if inner.lower is None:
        return False
    if inner.lower > outer.lower:
        return True
    return bool(inner.lower == outer.lower) and (outer.lower_inc or not inner.lower_inc)


def _ends_within(inner: Range[Any], outer: Range[Any]) -> bool:
    if outer.upper is None:
        return True
    if inner.upper is None:
        return False
    if inner.upper < outer.upper:
        return True
    return bool(inner.upper == outer.upper) and (outer.upper_inc or not inner.upper_inc)


Item = TypeVar("Item")


class Array(list[Item]):
    """The list of an array whose elements are not counted from 1.

    `lower_bounds` has the number of the first element in each dimension. It is written as it was read; what it is equal
    to, and what slices and sums of it are, is a list's business, which knows no bounds.
    """

    __slots__ = ("lower_bounds",)

    lower_bounds: tuple[int, ...]

    def __init__(self, items: Iterable[Item] = (), lower_bounds: Iterable[int] = (1,)) -> None:
        super().__init__(items)
        self.lower_bounds = tuple(map(index, lower_bounds))

    def __repr__(self) -> str:
        return f"Array({super().__repr__()}, lower_bounds={self.lower_bounds})"


class Interval(NamedTuple):
    """An interval as the server keeps it: a month has no fixed number of days, a day none of hours."""

    months: int
    days: int
    microseconds: int


_BITS = {"0": "0", "1": "1", 0: "0", 1: "1"}


class BitString:
    """A value of `bit` or `varbit`, made of a text of 0 and 1 in which spaces do not count.

    It is kept in `bytes`, the first bit in the highest place of the first byte.
    """

    __slots__ = ("_bitlength", "_bytes")

    _bytes: builtins.bytes
    _bitlength: int

    def __init__(self, bitstring: Iterable[str] | Iterable[int] | BitString | None = None) -> None:
        bits: list[str] = []
        given = () if bitstring is None else iter(cast("Iterable[str | int]", bitstring))
        for bit in given:
            if bit == " ":
                continue
            if bit not in _BITS or isinstance(bitstring, (bytes, bytearray)):
                raise ValueError(f"invalid bit value at position {len(bits)}: 0 or 1 was expected, got {bit!r}")
            bits.append(_BITS[bit])
        length = len(bits)
        number = int("".join(bits) or "0", 2) << -length % 8
        self._bitlength = length
        self._bytes = number.to_bytes((length + 7) // 8, "big")

    @classmethod
    def frombytes(cls, bytes_: builtins.bytes | bytearray | memoryview | None = None,
                  bitlength: int | None = None) -> BitString:
        """Return the first `bitlength` bits of some bytes, by default all; that many zeros if there are no bytes."""
        length = bitlength if bitlength is not None else 8 * len(bytes_ or b"")
        if length < 0:
            raise ValueError(f"invalid bit length specified: {length}")
        kept = builtins.bytes((length + 7) // 8) if bytes_ is None else builtins.bytes(memoryview(bytes_))
        if len(kept) != (length + 7) // 8:
            raise ValueError(f"invalid bit length specified: {length} for {len(kept)} bytes")
        value = cls.__new__(cls)
        value._bytes = kept
        value._bitlength = length
        return value

    @classmethod
    def from_int(cls, x: int, length: int, bitorder: str = "big", *, signed: bool = False) -> BitString:
        """Return the `length` bits of an int, negative ones in two's complement where `signed`.

        The first bit is the highest with bitorder "big", the lowest with "little".
        """
        _check_order(bitorder)
        if length < 0:
            raise ValueError("length argument must be non-negative")
        if x < 0 and not signed:
            raise OverflowError("can't convert negative int to unsigned")
        if (x if x >= 0 else ~x).bit_length() > length - (signed and x != 0):
            raise OverflowError(f"int too big to convert: {x} does not fit into {length} bits")
        text = f"{x & ((1 << length) - 1):0{length}b}" if length else ""
        return cls(text if bitorder == "big" else text[::-1])

    def to_int(self, bitorder: str = "big", *, signed: bool = False) -> int:
        """Return the bits as an int, the other way round of `from_int`."""
        _check_order(bitorder)
        length = self._bitlength
        number = int.from_bytes(self._bytes, "big") >> -length % 8
        if bitorder == "little" and length:
            number = int(f"{number:0{length}b}"[::-1], 2)
        if signed and length and number >> (length - 1):
            number -= 1 << length
        return number

    @property
    def bytes(self) -> builtins.bytes:
        """The bits in bytes, those that fill the last byte included."""
        return self._bytes

    def as_string(self) -> str:
        """Return the bits as text, in groups of four."""
        text = f"{self.to_int():0{self._bitlength}b}" if self._bitlength else ""
        return " ".join(text[i : i + 4] for i in range(0, len(text), 4))

    def __repr__(self) -> str:
        return f"<BitString {self.as_string()}>"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, BitString):
            return NotImplemented
        return self._bitlength == other._bitlength and self._bytes == other._bytes

    def __hash__(self) -> int:
        return hash((self._bytes, self._bitlength))

    def __len__(self) -> int:
        return self._bitlength

    def __getitem__(self, i: SupportsIndex | slice) -> int:
        if isinstance(i, slice):
            raise NotImplementedError("BitString does not support slices")
        at = index(i)
        if at < 0:
            at += self._bitlength
        if not 0 <= at < self._bitlength:
            raise IndexError("index out of range")
        return self._bytes[at // 8] >> (7 - at % 8) & 1


def _check_order(bitorder: str) -> None:
    if bitorder not in ("big", "little"):
        raise ValueError("bitorder must be either 'big' or 'little'")


# What the tuples below have in common. tuple's own __getnewargs__ would give one argument, the whole tuple.
def _new_arguments(shape: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(shape)


def _named(shape: tuple[Any, ...]) -> str:
    return f"{type(shape).__module__}.{type(shape).__name__}({tuple.__repr__(shape)})"


class Point(tuple[float, float]):
    """A point of the plane: (x, y)."""

    __slots__ = ()

    def __new__(cls, x: Coordinate, y: Coordinate) -> Point:
        return tuple.__new__(cls, (float(x), float(y)))

    __repr__ = _named
    __getnewargs__ = _new_arguments

    @property
    def x(self) -> float:
        return self[0]

    @property
    def y(self) -> float:
        return self[1]


class Box(tuple[Point, Point]):
    """A rectangle along the axes: (high, low), its upper right and its lower left corner."""

    __slots__ = ()

    def __new__(cls, high: Pair, low: Pair) -> Box:
        return tuple.__new__(cls, (Point(*high), Point(*low)))

    __repr__ = _named
    __getnewargs__ = _new_arguments

    @property
    def high(self) -> Point:
        return self[0]

    @property
    def low(self) -> Point:
        return self[1]


class LineSegment(tuple[Point, Point]):
    """The line between two points: (p1, p2)."""

    __slots__ = ()

    def __new__(cls, p1: Pair, p2: Pair) -> LineSegment:
        return tuple.__new__(cls, (Point(*p1), Point(*p2)))

    __repr__ = _named
    __getnewargs__ = _new_arguments

    @property
    def p1(self) -> Point:
        return self[0]

    @property
    def p2(self) -> Point:
        return self[1]


class Line(tuple[float, float, float]):
    """An infinite line: the (A, B, C) of Ax + By + C = 0."""

    __slots__ = ()

    def __new__(cls, A: float, B: float, C: float) -> Line:
        return tuple.__new__(cls, (A, B, C))

    __getnewargs__ = _new_arguments

    @property
    def A(self) -> float:
        return self[0]

    @property
    def B(self) -> float:
        return self[1]

    @property
    def C(self) -> float:
        return self[2]


class Circle(tuple[Point, float]):
    """A circle: (center, radius)."""

    __slots__ = ()

    def __new__(cls, center: Point, radius: float) -> Circle:
        return tuple.__new__(cls, (center, radius))

    __getnewargs__ = _new_arguments

    @property
    def center(self) -> Point:
        return self[0]

    @property
    def radius(self) -> float:
        return self[1]


class Path:
    """A line through points, open or closed."""

    __slots__ = ("_is_closed", "_points")

    _is_closed: bool
    _points: tuple[Point, ...]

    def __init__(self, *points: Pair, is_closed: bool = False) -> None:
        self._points = tuple(Point(*point) for point in points)
        self._is_closed = bool(is_closed)

    @classmethod
    def of_points(cls, points: tuple[Point, ...], is_closed: bool = True) -> Self:
        """Return the path through points that are Points already."""
        path = cls.__new__(cls)
        path._points = points
        path._is_closed = is_closed
        return path

    @property
    def points(self) -> tuple[Point, ...]:
        return self._points

    @property
    def is_closed(self) -> bool:
        """Whether the last point is joined to the first."""
        return self._is_closed

    def __repr__(self) -> str:
        points = ", ".join(tuple.__repr__(point) for point in self._points)
        return f"<{type(self).__name__}{'' if self._is_closed else ' open'} ({points})>"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Path):
            return NotImplemented
        return self._points == other._points and self._is_closed == other._is_closed

    def __hash__(self) -> int:
        return hash((self._points, self._is_closed))

    def __len__(self) -> int:
        return len(self._points)

    def __iter__(self) -> Iterator[Point]:
        return iter(self._points)

    def __contains__(self, point: object) -> bool:
        return point in self._points

    @overload
    def __getitem__(self, i: SupportsIndex) -> Point: ...
    @overload
    def __getitem__(self, i: slice) -> tuple[Point, ...]: ...
    def __getitem__(self, i: SupportsIndex | slice) -> Point | tuple[Point, ...]:
        return self._points[i]


class Polygon(Path):
    """A closed path whose inside counts."""

    __slots__ = ()

    def __init__(self, *points: Pair) -> None:
        super().__init__(*points, is_closed=True)
