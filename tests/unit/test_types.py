"""The value classes: what they are made of, how they compare, show, hash and travel."""
import copy
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

import asyncpg_core
from asyncpg_core import types
from asyncpg_core.types import BitString, Box, Circle, Line, LineSegment, Path, Point, Polygon, Range

VALUES = [
    Range(), Range(1, 5), Range(upper="x", upper_inc=True), Range(empty=True), BitString("10110"), BitString(),
    Point(1, 2), Box((3, 4), (1, 2)), LineSegment((1, 2), (3, 4)), Line(1.0, 2.0, 3.0), Circle(Point(1, 2), 3.0),
    Path((1, 2), (3, 4)), Path((1, 2), is_closed=True), Polygon((1, 2), (3, 4)),
    types.Type(23, "int4", "scalar", "pg_catalog"), types.ServerVersion(15, 0, 18, "final", 0),
]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_a_value_is_equal_to_its_copies_and_hashes_like_them(value):
    twins = [copy.copy(value), copy.deepcopy(value)]
    twins += [pickle.loads(pickle.dumps(value, protocol)) for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1)]
    for twin in twins:
        assert twin == value
        assert type(twin) is type(value)
        assert hash(twin) == hash(value)
        assert repr(twin) == repr(value)


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_a_value_takes_no_attributes(value):
    with pytest.raises(AttributeError):
        value.colour = "red"
    assert not hasattr(value, "__dict__")


def test_the_names_are_those_of_the_package_too():
    for name in types.__all__:
        assert getattr(asyncpg_core, name) is getattr(types, name)


# Range

@pytest.mark.parametrize(("value", "text"), [
    (Range(), "<Range (, )>"),
    (Range(1), "<Range [1, )>"),
    (Range(1, 5), "<Range [1, 5)>"),
    (Range(1, 5, lower_inc=False, upper_inc=True), "<Range (1, 5]>"),
    (Range(upper=5, upper_inc=True), "<Range (, 5]>"),
    (Range("a", "b"), "<Range ['a', 'b')>"),
    (Range(1, 5, empty=True), "<Range empty>"),
])
def test_a_range_shows_its_bounds(value, text):
    assert repr(value) == str(value) == text


def facts(value):
    return (value.lower, value.upper, value.lower_inc, value.upper_inc, value.lower_inf, value.upper_inf, value.isempty)


@pytest.mark.parametrize(("value", "expected"), [
    (Range(), (None, None, False, False, True, True, False)),
    (Range(lower_inc=True, upper_inc=True), (None, None, False, False, True, True, False)),
    (Range(1, 5), (1, 5, True, False, False, False, False)),
    (Range(1, 5, lower_inc=0, upper_inc=1), (1, 5, False, True, False, False, False)),
    (Range(1, 5, empty=True), (None, None, False, False, False, False, True)),
    (Range(5, 1), (5, 1, True, False, False, False, False)),
])
def test_an_infinite_bound_is_never_included_and_an_empty_range_has_none(value, expected):
    assert facts(value) == expected
    assert bool(value) is not value.isempty


def test_ranges_are_equal_by_their_parts_and_to_nothing_else():
    assert Range(1, 5) == Range(1.0, 5.0)
    assert Range(1, 5) != Range(1, 4, upper_inc=True)
    assert Range(empty=True) == Range(1, 2, empty=True)
    assert Range(1, 5) != (1, 5)
    with pytest.raises(TypeError):
        _ = Range(1, 2) < Range(2, 3)


@pytest.mark.parametrize(("inner", "outer", "is_within"), [
    (Range(1, 5), Range(0, 10), True),
    (Range(1, 5), Range(1, 5), True),
    (Range(1, 5), Range(1, 5, lower_inc=False), False),
    (Range(1, 5, lower_inc=False), Range(1, 5), True),
    (Range(1, 5, upper_inc=True), Range(1, 5), False),
    (Range(1, 5), Range(1, 5, upper_inc=True), True),
    (Range(1, 5), Range(), True),
    (Range(), Range(1, 5), False),
    (Range(1), Range(0, 10), False),
    (Range(upper=5), Range(1, 6), False),
    (Range(upper=5), Range(upper=6), True),
    (Range(0, 5), Range(1, 6), False),
    (Range(2, 7), Range(1, 6), False),
    (Range(empty=True), Range(1, 6), True),
    (Range(1, 6), Range(empty=True), False),
    (Range(empty=True), Range(empty=True), True),
])
def test_a_range_is_within_another_if_all_of_it_is(inner, outer, is_within):
    assert inner.issubset(outer) is is_within
    assert outer.issuperset(inner) is is_within


# BitString

@pytest.mark.parametrize(("given", "shown", "body"), [
    (None, "", b""), ("", "", b""), ("101", "101", b"\xa0"), ("1010 1100 1", "1010 1100 1", b"\xac\x80"),
    (" 1 0 ", "10", b"\x80"), ([1, 0], "10", b"\x80"), (BitString("101"), "101", b"\xa0"),
])
def test_a_bit_string_is_made_of_zeros_and_ones(given, shown, body):
    bits = BitString(given)
    assert repr(bits) == str(bits) == f"<BitString {shown}>"
    assert (bits.as_string(), bits.bytes) == (shown, body)
    assert len(bits) == len(shown.replace(" ", ""))


@pytest.mark.parametrize(("given", "position"), [("12", 1), (b"101", 0), ("1 0x", 2), ("1\t0", 1)])
def test_anything_else_in_a_bit_string_is_refused_with_its_position(given, position):
    with pytest.raises(ValueError, match=f"invalid bit value at position {position}"):
        BitString(given)


def test_bits_are_read_by_position_from_either_end():
    bits = BitString("10100")
    assert list(bits) == [1, 0, 1, 0, 0]
    assert [bits[i] for i in (-5, -3, -1)] == [1, 1, 0]
    for outside in (5, -6):
        with pytest.raises(IndexError):
            bits[outside]
    with pytest.raises(NotImplementedError, match="does not support slices"):
        bits[0:2]
    with pytest.raises(TypeError):
        bits["a"]


def test_bit_strings_are_equal_bit_by_bit():
    assert BitString("101") == BitString("1 01")
    assert BitString("101") != BitString("1010")
    assert BitString("101") != "101"
    assert not BitString("")
    assert BitString("0")


@pytest.mark.parametrize(("body", "length", "shown"), [
    (b"\xa5", None, "1010 0101"), (b"\xa5", 5, "1010 0"), (bytearray(b"\xa5"), 8, "1010 0101"),
    (memoryview(b"\xa5"), 7, "1010 010"), (None, 5, "0000 0"), (None, None, ""), (b"", None, ""),
])
def test_bytes_are_bits(body, length, shown):
    assert BitString.frombytes(body, length).as_string() == shown


@pytest.mark.parametrize(("body", "length"), [(b"\xa5", 0), (b"\xa5", 9), (b"\xa5", -1), (b"\xa5\xff", 5)])
def test_a_length_that_does_not_go_with_its_bytes_is_refused(body, length):
    with pytest.raises(ValueError, match="invalid bit length specified"):
        BitString.frombytes(body, length)


@pytest.mark.parametrize(("number", "length", "order", "signed", "shown"), [
    (5, 4, "big", False, "0101"), (5, 4, "little", False, "1010"), (5, 12, "little", False, "1010 0000 0000"),
    (-3, 4, "big", True, "1101"), (-3, 12, "little", True, "1011 1111 1111"), (-8, 4, "big", True, "1000"),
    (7, 4, "big", True, "0111"), (0, 0, "big", False, ""), (0, 1, "big", True, "0"), (-1, 1, "big", True, "1"),
])
def test_an_int_is_bits_and_back(number, length, order, signed, shown):
    bits = BitString.from_int(number, length, order, signed=signed)
    assert bits.as_string() == shown
    assert bits.to_int(order, signed=signed) == number


@pytest.mark.parametrize(("number", "length", "signed"), [
    (5, 2, False), (5, 0, False), (-3, 4, False), (8, 4, True), (-9, 4, True), (-1, 0, True),
])
def test_an_int_that_does_not_fit_is_refused(number, length, signed):
    with pytest.raises(OverflowError):
        BitString.from_int(number, length, signed=signed)


def test_a_bad_order_or_length_is_refused():
    with pytest.raises(ValueError, match="bitorder must be either 'big' or 'little'"):
        BitString.from_int(5, 4, "middle")
    with pytest.raises(ValueError, match="bitorder"):
        BitString("1").to_int("middle")
    with pytest.raises(ValueError, match="non-negative"):
        BitString.from_int(5, -1)


@given(st.text("01", max_size=200))
def test_any_bits_come_back(text):
    bits = BitString(text)
    assert bits.as_string().replace(" ", "") == text
    assert BitString.frombytes(bits.bytes, len(text)) == bits
    for order in ("big", "little"):
        for signed in (False, True):
            assert BitString.from_int(bits.to_int(order, signed=signed), len(text), order, signed=signed) == bits


# Shapes

def test_shapes_are_tuples_of_their_parts():
    assert Point("1", 2) == (1.0, 2.0)
    assert (Point(1, 2).x, Point(1, 2).y) == (1.0, 2.0)
    box = Box((3, 4), (1, 2))
    assert (box, box.high, box.low) == (((3, 4), (1, 2)), Point(3, 4), Point(1, 2))
    segment = LineSegment((1, 2), (3, 4))
    assert (segment.p1, segment.p2) == segment == ((1, 2), (3, 4))
    line = Line(1, 2, 3)
    assert (line.A, line.B, line.C) == line == (1, 2, 3)
    circle = Circle((1, 2), 3)
    assert (circle.center, circle.radius) == circle == ((1, 2), 3)


def test_shapes_show_themselves():
    assert repr(Point(1, 2)).endswith("types.Point((1.0, 2.0))")
    assert repr(Box((3, 4), (1, 2))).endswith(f"types.Box(({Point(3, 4)!r}, {Point(1, 2)!r}))")
    assert repr(Line(1, 2, 3)) == "(1, 2, 3)"
    assert repr(Path((1, 2), (3, 4))) == "<Path open ((1.0, 2.0), (3.0, 4.0))>"
    assert repr(Polygon((1, 2))) == "<Polygon ((1.0, 2.0))>"


def test_a_path_is_a_sequence_of_points():
    path = Path((1, 2), [3, 4])
    assert path.points == tuple(path) == (Point(1, 2), Point(3, 4))
    assert (len(path), path[0], path[-1], path[:1]) == (2, Point(1, 2), Point(3, 4), (Point(1, 2),))
    assert (3, 4) in path
    assert type(path[1]) is Point
    assert not path.is_closed
    assert Polygon((1, 2)).is_closed
    with pytest.raises(AttributeError):
        path.points = ()


def test_paths_are_equal_if_their_points_and_ends_are():
    assert Path((1, 2)) == Path((1, 2))
    assert Path((1, 2)) != Path((1, 2), is_closed=True)
    assert Path((1, 2), is_closed=True) == Polygon((1, 2))
    assert Path((1, 2)) != ((1, 2),)


@pytest.mark.parametrize("wrong", [
    lambda: Point(1), lambda: Point((1, 2)), lambda: Box((1, 2)), lambda: Box(1, 2), lambda: Path(1, 2),
    lambda: Path((1, 2, 3)), lambda: Path([(1, 2), (3, 4)]), lambda: Line(1, 2), lambda: Circle((1, 2)),
    lambda: Polygon((1, 2), is_closed=False),
])
def test_parts_that_make_no_shape_are_refused(wrong):
    with pytest.raises(TypeError):
        wrong()
