"""Decimal, UUID, datetime, int, float and str are built where they lie; nobody can tell them from Python's own."""
import copy
import decimal
import gc
import pickle
import platform
import random
import struct
import sys
import sysconfig
import uuid
from datetime import datetime, timedelta, timezone
from decimal import Decimal

import pytest

from pgproto.codecs import binary_numbers, numeric, timestamps, utf8
from pgproto.codecs import uuid as uuid_codec
from pgproto.codecs.registry import builtin_codec
from pgproto.oids import OID_NUMERIC, OID_UUID

numeric_codec = builtin_codec(OID_NUMERIC)
uuids = builtin_codec(OID_UUID)
LAYOUT_IS_KNOWN = (platform.python_implementation() == "CPython" and sys.version_info < (3, 15)
                   and sys.maxsize > 2**32 and not sysconfig.get_config_var("Py_GIL_DISABLED"))
OBJECTS_ARE_KNOWN = (platform.python_implementation() == "CPython" and sys.version_info < (3, 13)
                     and sys.maxsize > 2**32 and not hasattr(sys, "gettotalrefcount"))
DATETIMES_ARE_KNOWN = platform.python_implementation() == "CPython" and not hasattr(sys, "gettotalrefcount")
INTS = [0, 1, -1, 5, -5, -6, 255, 256, 257, -256, -257, 1000, -1000, 2**30 - 1, 2**30, -(2**30) + 1, -(2**30),
        2**31 - 1, -(2**31)]
TEXTS = ["", "a", "ab", "abc", "four", "seven77", "eight888", "nine99999", "sixteen 16 long", "seventeen 17 long",
         "x" * 100, "y" * 4096, "z" * 4097, "é", "aé", "eight88é", "\U0001f600" * 9, "nine9999\x7f", "a\x00b"]


MODULES = [(binary_numbers, OBJECTS_ARE_KNOWN), (timestamps, DATETIMES_ARE_KNOWN), (utf8, OBJECTS_ARE_KNOWN)]


@pytest.fixture(params=["in place", "long way"])
def way(request):
    wanted = request.param == "in place"
    assert numeric.use_layout(wanted) == (wanted and LAYOUT_IS_KNOWN)
    uuid_codec.fill_slots_in_place(wanted)
    for module, is_known in MODULES:
        assert module.use_layout(wanted) == (wanted and is_known)
    yield request.param
    timestamps.use_layout(True)
    binary_numbers.use_layout(True)
    utf8.use_layout(True)
    numeric.use_layout(True)
    uuid_codec.fill_slots_in_place(True)


def body_of(digits, weight, scale, sign=0):
    return struct.pack(f">HhHH{len(digits)}H", len(digits), weight, sign, scale, *digits)


def numbers(n, seed):
    chance = random.Random(seed)
    for _ in range(n):
        n_digits = chance.randrange(1, 44)
        digits = tuple(chance.choice((0, 0, chance.randrange(10), 9)) for _ in range(n_digits))
        yield Decimal((chance.randrange(2), digits, -chance.randrange(0, 40)))


def test_the_layout_is_used_where_it_is_known():
    assert numeric.use_layout(True) == LAYOUT_IS_KNOWN


def test_uuid_slots_are_filled_in_place():
    assert uuid_codec.fill_slots_in_place(True) == (platform.python_implementation() == "CPython")


def test_both_ways_of_a_number_agree():
    n_in_place = 0
    for number in numbers(4000, seed=20):
        in_place, by_text = numeric.decode_both_ways(numeric_codec.encode_value(number))
        assert by_text == number
        if in_place is None:
            continue
        n_in_place += 1
        assert in_place.as_tuple() == by_text.as_tuple()
        assert (str(in_place), hash(in_place), repr(in_place)) == (str(by_text), hash(by_text), repr(by_text))
        assert type(in_place) is Decimal and in_place.adjusted() == by_text.adjusted()
    assert n_in_place > 2000 or not LAYOUT_IS_KNOWN


def test_a_number_built_in_place_computes_like_any_other():
    if not LAYOUT_IS_KNOWN:
        return
    with decimal.localcontext() as context:
        context.prec = 90
        for number in numbers(500, seed=21):
            value, by_text = numeric.decode_both_ways(numeric_codec.encode_value(number))
            if value is None:
                continue
            for other in (Decimal(3), Decimal("-0.125"), Decimal(10) ** 40):
                assert value * other == by_text * other and value + other == by_text + other
                assert (value < other) == (by_text < other)
            assert value.quantize(Decimal("0.01"), decimal.ROUND_DOWN) == by_text.quantize(
                Decimal("0.01"), decimal.ROUND_DOWN)
            assert copy.deepcopy(value) == pickle.loads(pickle.dumps(value)) == by_text
            assert sys.getsizeof(value) >= 104 and not gc.is_tracked(value)


@pytest.mark.parametrize("digits, weight, scale, expected", [
    ([], 0, 0, "0"), ([], 0, 5, "0.00000"), ([10], 1, 0, "100000"), ([1], 0, 0, "1"), ([1, 5000], 0, 1, "1.5"),
    ([1, 5000], 0, 4, "1.5000"), ([1, 5000], 0, 6, "1.500000"), ([1], -1, 4, "0.0001"), ([1000], -1, 1, "0.1"),
    ([9999, 9999, 9999, 9999], 3, 0, "9999999999999999"), ([9999] * 9, 8, 0, "9" * 36),
    ([9999] * 5, 4, 0, "9" * 20), ([1, 0, 0, 0, 0], 4, 0, "1" + "0" * 16), ([1000, 0, 0, 0, 0], 4, 0, "1" + "0" * 19),
    ([999, 9999, 9999, 9999, 9999], 4, 0, "9" * 19), ([1], 8, 0, "1" + "0" * 32), ([1], 30, 0, "1" + "0" * 120),
    ([1], -30, 120, "0." + "0" * 119 + "1"), ([12, 3400], 0, 2, "12.34"), ([12, 3456], 0, 2, "12.3456"),
    ([9999] * 10, 9, 0, "9" * 40), ([12, 3450], 0, 3, "12.345"), ([1, 2, 3, 4, 5600], 3, 2, "1000200030004.56"),
])
def test_a_number_is_read_as_its_text_says(way, digits, weight, scale, expected):
    value = numeric_codec.decode_value(body_of(digits, weight, scale))
    assert str(value) == format(Decimal(expected), "f") or value.as_tuple() == Decimal(expected).as_tuple()
    minus = numeric_codec.decode_value(body_of(digits, weight, scale, 0x4000))
    assert minus.as_tuple() == Decimal("-" + expected).as_tuple()


@pytest.mark.parametrize("digits", [[10000], [1, 65535], [1, 2, 3, 4, 10000], [32768] + [1] * 8, [10000] * 30])
def test_a_digit_that_is_none_is_refused(way, digits):
    with pytest.raises(ValueError, match="base 10000"):
        numeric_codec.decode_value(body_of(digits, len(digits) - 1, 0))


def test_numbers_are_made_and_dropped_without_a_leak(way):
    body = body_of([1234, 5678, 9000], 1, 4)
    kept = [numeric_codec.decode_value(body) for _ in range(1000)]
    assert all(value == Decimal("12345678.9000") for value in kept)
    del kept
    before = sys.getallocatedblocks()
    for _ in range(5000):
        numeric_codec.decode_value(body)
    assert sys.getallocatedblocks() - before < 200


def test_a_uuid_of_any_size_is_that_of_python(way):
    chance = random.Random(22)
    for _ in range(3000):
        number = chance.getrandbits(chance.randrange(0, 129))
        value = uuids.decode_value(number.to_bytes(16, "big"))
        expected = uuid.UUID(int=number)
        assert type(value) is uuid.UUID and value == expected and hash(value) == hash(expected)
        assert (str(value), value.int, value.is_safe) == (str(expected), number, uuid.SafeUUID.unknown)
        assert not gc.is_tracked(value)


def test_a_uuid_can_be_copied_pickled_and_weakly_referred_to(way):
    import weakref
    value = uuids.decode_value(bytes(range(16)))
    assert copy.copy(value) == copy.deepcopy(value) == pickle.loads(pickle.dumps(value)) == uuid.UUID(
        bytes=bytes(range(16)))
    assert weakref.ref(value)() is value
    with pytest.raises(TypeError):
        value.int = 1


def test_uuids_are_made_and_dropped_without_a_leak(way):
    body = bytes(range(240, 256))
    uuids.decode_value(body)
    before = sys.getallocatedblocks()
    for _ in range(5000):
        uuids.decode_value(body)
    assert sys.getallocatedblocks() - before < 200


@pytest.mark.parametrize(("module", "is_known"), MODULES)
def test_objects_are_made_in_place_where_their_layout_is_known(module, is_known):
    assert module.use_layout(True) == is_known


def element(number):
    return (4).to_bytes(4, "big") + number.to_bytes(4, "big", signed=True)


def test_an_int_is_that_of_python(way):
    codec = builtin_codec(23)
    for number in INTS:
        bodies = (codec.decode_value(number.to_bytes(4, "big", signed=True)),
                  binary_numbers.elements(element(number), 1)[0][0])
        for value in bodies:
            assert (type(value), value, hash(value), repr(value)) == (int, number, hash(number), repr(number))
            assert (value + 1, value * value, -value, value >> 3) == (number + 1, number**2, -number, number >> 3)
            assert sys.getsizeof(value) == sys.getsizeof(number)
            assert copy.deepcopy(value) == pickle.loads(pickle.dumps(value)) == number
            assert {number: True}[value]
            assert value is number or not -5 <= number <= 256


LONGS = [*INTS, 2**31, 2**32 + 5, 2**60 - 1, 1 - 2**60, 2**60, -(2**60), 2**63 - 1, -(2**63), 7 * 2**30 + 5]


def test_a_long_is_that_of_python(way):
    codec = builtin_codec(20)
    for number in LONGS:
        value = codec.decode_value(number.to_bytes(8, "big", signed=True))
        assert (type(value), value, hash(value), repr(value)) == (int, number, hash(number), repr(number))
        assert (value + 1, value * value, -value, value >> 33) == (number + 1, number**2, -number, number >> 33)
        assert sys.getsizeof(value) == sys.getsizeof(number)
        assert copy.deepcopy(value) == pickle.loads(pickle.dumps(value)) == number and {number: True}[value]
        assert value is number or not -5 <= number <= 256


def test_a_float_is_that_of_python(way):
    codec = builtin_codec(701)
    for number in (0.0, -0.0, 1.5, 0.1, -1e300, 5e-324, float("inf"), float("-inf"), float("nan")):
        value = codec.decode_value(struct.pack(">d", number))
        assert (type(value), repr(value), hash(value) == hash(number)) == (float, repr(number), number == number)
        assert pickle.loads(pickle.dumps(value)).hex() == number.hex() and (value + 1).hex() == (number + 1).hex()


MOMENTS = [datetime(1, 1, 1), datetime(1999, 12, 31, 23, 59, 59, 999999), datetime(2000, 1, 1),
           datetime(2026, 2, 28, 12, 34, 56, 70007), datetime(9999, 12, 31, 23, 59, 59, 999999)]


@pytest.mark.parametrize(("oid", "zone"), [(1114, None), (1184, timezone.utc)])
def test_a_datetime_is_that_of_python(way, oid, zone):
    codec = builtin_codec(oid)
    for naive in MOMENTS:
        known = naive.replace(tzinfo=zone)
        value = codec.decode_value(((naive - datetime(2000, 1, 1)) // timedelta(microseconds=1)).to_bytes(8, "big",
                                                                                                       signed=True))
        assert type(value) is datetime and value.tzinfo is zone and value.fold == 0
        assert (value, hash(value), repr(value), value.isoformat()) == (known, hash(known), repr(known),
                                                                       known.isoformat())
        assert pickle.loads(pickle.dumps(value)) == copy.deepcopy(value) == known and value - known == timedelta()
        assert value.replace(fold=1).fold == 1 and {known: True}[value]


@pytest.mark.parametrize("oid", [20, 701, 1114, 1184])
def test_what_is_made_in_place_is_dropped_without_a_leak(way, oid):
    codec, body = builtin_codec(oid), (2**40).to_bytes(8, "big")
    kept = [codec.decode_value(body) for _ in range(200)]
    before, zones = sys.getallocatedblocks(), sys.getrefcount(timezone.utc)
    for _ in range(20):
        kept = [codec.decode_value(body) for _ in range(200)]
    assert abs(sys.getallocatedblocks() - before) < 200
    assert abs(sys.getrefcount(timezone.utc) - zones) <= 1 and len(set(kept)) == 1


def test_int4_elements_are_read_in_one_go_up_to_one_that_is_none(way):
    body = b"".join(map(element, INTS))
    null, short = b"\xff\xff\xff\xff", b"\0\0\0\2\0\1"
    for rest in (b"", null, short, null + body, element(7)[:7], element(7)[:3]):
        assert binary_numbers.elements(body + rest, len(INTS) + 1 if rest else len(INTS)) == (INTS, rest)
    assert binary_numbers.elements(body, 3) == (INTS[:3], body[24:])
    assert binary_numbers.elements(body, 0) == ([], body)


def array_of(*parts):
    head = b"\0\0\0\1\0\0\0\1\0\0\0\x17" + len(parts).to_bytes(4, "big") + b"\0\0\0\1"
    return head + b"".join(parts)


def test_nulls_and_bad_elements_among_int4s_keep_their_places(way):
    codec, null, bad = builtin_codec(1007), b"\xff\xff\xff\xff", b"\0\0\0\2\0\1"
    assert codec.decode_value(array_of(element(1000), null, element(-7), null)) == [1000, None, -7, None]
    with pytest.raises(ValueError, match="invalid array element at index 2: 4 bytes were expected, 2 are left"):
        codec.decode_value(array_of(element(1000), null, bad))
    with pytest.raises(ValueError, match="invalid array element at index 1: a length of -2"):
        codec.decode_value(array_of(element(1000), b"\xff\xff\xff\xfe"))
    with pytest.raises(ValueError, match="invalid array element at index 1: 5 bytes were expected, 4 are left"):
        codec.decode_value(array_of(element(1000), b"\0\0\0\5\0\0\0\1"))


def test_a_str_is_that_of_python(way):
    codec = builtin_codec(25)
    for text in TEXTS:
        value = codec.decode_value(text.encode())
        assert type(value) is str and value == text and hash(value) == hash(text) and repr(value) == repr(text)
        assert value.isascii() == text.isascii() and value.encode() == text.encode()
        assert (value + "é", value[1:], value * 2, value.upper()) == (text + "é", text[1:], text * 2, text.upper())
        assert copy.deepcopy(value) == pickle.loads(pickle.dumps(value)) == text
        assert {text: True}[value] and sys.intern(codec.decode_value(text.encode())) == text
        assert sys.getsizeof(codec.decode_value(text.encode())) == sys.getsizeof(text.encode().decode())
        value += "grown in place" * 100     # a str that nobody else holds is resized where it lies
        assert value == text + "grown in place" * 100


def test_ints_and_strs_are_made_and_dropped_without_a_leak(way):
    ints, texts = array_of(*[element(number) for number in INTS] * 50), b"a text of some length"
    for _ in range(2):
        before = sys.getallocatedblocks()
        kept = [(builtin_codec(1007).decode_value(ints), builtin_codec(25).decode_value(texts)) for _ in range(50)]
        del kept
        assert sys.getallocatedblocks() - before < 200
