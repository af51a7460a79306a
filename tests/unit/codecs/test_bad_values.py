"""What a caller gives wrongly is TypeError, ValueError or OverflowError with a clear text; never another value."""
import datetime
import fractions
import uuid
from decimal import Decimal

import pytest

from pgproto.codecs.registry import builtin_codec
from pgproto.codecs.text_fallback import text_codec
from pgproto.errors import MalformedBody, OutOfRange

UTC = datetime.timezone.utc


@pytest.mark.parametrize(("oid", "value", "kind", "text"), [
    (16, 1, TypeError, "a boolean is required .got type int"),
    (16, "true", TypeError, "a boolean is required"),
    (21, 32768, OverflowError, "value out of int16 range"),
    (21, -32769, OverflowError, "value out of int16 range"),
    (23, 2**31, OverflowError, "value out of int32 range"),
    (23, 2**100, OverflowError, "value out of int32 range"),
    (20, 2**63, OverflowError, "value out of int64 range"),
    (26, -1, OverflowError, "value out of uint32 range"),
    (26, 2**32, OverflowError, "value out of uint32 range"),
    (5069, -1, OverflowError, "value out of uint64 range"),
    (5069, 2**64, OverflowError, "value out of uint64 range"),
    (23, "1", TypeError, "an integer is required, got str"),
    (23, None, TypeError, "integer"),
    (23, 1.5, ValueError, "a whole number was expected, got 1.5"),
    (23, Decimal("1.5"), ValueError, "a whole number was expected"),
    (23, Decimal("1E+999999"), OverflowError, "value out of int32 range"),     # whose int() takes minutes
    (20, Decimal("-1E+131072"), OverflowError, "value out of int64 range"),
    (5069, Decimal("1E+999999"), OverflowError, "value out of uint64 range"),
    (23, fractions.Fraction(1, 2), ValueError, "a whole number was expected"),
    (23, float("nan"), ValueError, "NaN"),
    (23, float("inf"), OverflowError, "infinity"),
    (700, 1e300, OverflowError, "value out of float32 range"),
    (700, -1e39, OverflowError, "value out of float32 range"),
    (701, "1.0", TypeError, "real number"),
    (701, 10**400, OverflowError, "too large"),
    (25, 5, TypeError, "expected str, got int"),
    (25, b"x", TypeError, "expected str, got bytes"),
    (25, "\ud800", ValueError, "surrogates"),
    (17, "x", TypeError, "bytes-like"),
    (17, 5, TypeError, "bytes-like"),
    (17, memoryview(b"abcd")[::2], ValueError, "contiguous"),
    (18, b"ab", ValueError, "one byte was expected"),
    (114, 5, TypeError, "expected str, dict or list, got int"),
    (3802, {1, 2}, TypeError, "expected str, dict or list, got set"),
    (114, {"a": object()}, TypeError, "not JSON serializable"),
    (1700, "abc", ValueError, "a number was expected, got 'abc'"),
    (1700, [], TypeError, "a number was expected, got list"),
    (1700, "1e131072", ValueError, "131072 digits before the point"),
    (1700, "1e-16384", ValueError, "16383 digits after the point"),
    (1700, "1e999999999999999999", ValueError, "digits before the point"),
    (1700, "1e-999999999999999999", ValueError, "digits after the point"),
    (1700, fractions.Fraction(1, 3), TypeError, "a number was expected, got Fraction"),
    (2950, "zz", ValueError, "invalid UUID 'zz'"),
    (2950, "g" * 32, ValueError, "invalid UUID"),
    (2950, "0" * 33, ValueError, "invalid UUID"),
    (2950, "{00112233-4455-6677-8899-aabbccddeeff}", ValueError, "invalid UUID"),
    (2950, 5, TypeError, "a UUID or its text was expected, got int"),
    (1082, "2024-01-01", TypeError, "a date was expected, got str"),
    (1114, "2024-01-01", TypeError, "expected a datetime.date or datetime.datetime, got .str."),
    (1114, datetime.datetime.now(UTC), ValueError, "make the column timestamptz"),
    (1184, 5, TypeError, "expected a datetime.date or datetime.datetime, got .int."),
    (1083, 5, TypeError, "a time was expected, got int"),
    (1266, datetime.time(1), ValueError, "an aware time was expected"),
    (1266, datetime.time(1, tzinfo=datetime.timezone(datetime.timedelta(hours=16))), OverflowError, "15:59:59"),
    (1266, datetime.time(1, tzinfo=datetime.timezone(datetime.timedelta(microseconds=1))), ValueError, "whole seconds"),
    (1186, 5, TypeError, "a timedelta was expected, got int"),
    (1186, datetime.timedelta.max, OverflowError, "106751991 days"),
    (1186, datetime.timedelta.min, OverflowError, "106751991 days"),
])
def test_a_value_that_the_type_cannot_hold_is_refused_in_both_formats(oid, value, kind, text):
    for format in (0, 1):
        with pytest.raises(kind, match=text):
            builtin_codec(oid).encode_value(value, format)


@pytest.mark.parametrize(("value", "number"), [(True, 1), (5.0, 5), (Decimal("5"), 5), (Decimal("5E+1"), 50),
                                               (fractions.Fraction(4, 2), 2)])
def test_whole_numbers_of_other_types_are_integers(value, number):
    for oid in (20, 21, 23, 26, 5069):
        assert builtin_codec(oid).decode_value(builtin_codec(oid).encode_value(value)) == number


def test_whatever_has_an_index_is_an_integer():
    class Port:
        def __index__(self):
            return 5432

    assert builtin_codec(23).encode_value(Port()) == (5432).to_bytes(4, "big")
    assert builtin_codec(1700).decode_value(builtin_codec(1700).encode_value(Port())) == 5432


@pytest.mark.parametrize(("value", "written"), [
    (5, "5"), (-(10**40), "-1" + "0" * 40), (-(2**200), str(-(2**200))), ("1.50", "1.50"), (" 1_0.5 ", "10.5"),
    (0.1, "0.1000000000000000055511151231257827021181583404541015625"), (Decimal("1E+5"), "100000"),
    (Decimal("-0"), "0"), (Decimal("0E+9"), "0"), (Decimal("0E-4"), "0.0000"), (True, "1"), ((1, (1, 5), -1), "-1.5"),
    (2**63, "9223372036854775808"), (-(2**63), "-9223372036854775808"), (2**63 - 1, "9223372036854775807"),
])
def test_numbers_are_exact_as_numeric(value, written):
    codec = builtin_codec(1700)
    assert str(codec.decode_value(codec.encode_value(value))) == written


def test_an_int_of_more_digits_than_python_prints_is_exact_as_numeric():
    codec = builtin_codec(1700)
    assert codec.decode_value(codec.encode_value(10**5000 + 1)) == 10**5000 + 1


@pytest.mark.parametrize("value", [Decimal("sNaN"), Decimal("-NaN"), Decimal("NaN123"), float("nan"), "nan"])
def test_every_nan_is_the_one_nan(value):
    codec = builtin_codec(1700)
    assert codec.encode_value(value).hex() == "00000000c0000000"
    assert codec.encode_value(value, 0) == b"NaN"


def test_buffers_are_bytea():
    for value in (bytearray(b"ab"), memoryview(b"ab"), memoryview(b"ab").cast("h")):
        assert builtin_codec(17).encode_value(value) == b"ab"
        assert builtin_codec(17).encode_value(value, 0) == b"\\x6162"


def test_a_buffer_can_change_its_size_again_once_it_is_written():
    value = bytearray(b"ab")
    builtin_codec(17).encode_value(value)
    value.append(3)
    assert value == b"ab\3"


def test_containers_are_json():
    assert builtin_codec(114).encode_value({"a": [1, None]}) == b'{"a": [1, null]}'
    assert builtin_codec(3802).encode_value([1]) == b"\x01[1]"
    assert builtin_codec(3802).encode_value("[1]") == b"\x01[1]"


def test_a_json_that_contains_itself_is_refused():
    value = []
    value.append(value)
    with pytest.raises(ValueError, match="Circular"):
        builtin_codec(114).encode_value(value)


def test_uuids_of_other_makers_are_written():
    wanted = uuid.UUID(int=2**128 - 2)

    class Other:
        bytes = wanted.bytes

    for value in (wanted, str(wanted), wanted.hex, Other()):
        assert builtin_codec(2950).encode_value(value) == wanted.bytes
    Other.bytes = b"short"
    with pytest.raises(ValueError, match="16 bytes"):
        builtin_codec(2950).encode_value(Other())


def test_a_value_that_claims_an_ordinal_or_a_part_out_of_range_is_refused():
    class Day:
        def __init__(self, ordinal):
            self.ordinal = ordinal

        def toordinal(self):
            return self.ordinal

    date = builtin_codec(1082)
    for ordinal in (1, 3652059):
        assert date.decode_value(date.encode_value(Day(ordinal))) == datetime.date.fromordinal(ordinal)
    for ordinal in (0, 3652060):
        with pytest.raises(OverflowError, match=f"got ordinal {ordinal}"):
            date.encode_value(Day(ordinal))

    class Delta:
        days, seconds, microseconds = 10**9, 0, 0

    for format in (0, 1):
        with pytest.raises(OverflowError, match="days of 1000000000 is outside what a timedelta can hold"):
            builtin_codec(1186).encode_value(Delta(), format)


def test_an_empty_char_is_the_zero_byte():
    assert builtin_codec(18).encode_value(b"") == b"\0"


@pytest.mark.parametrize("sign", ["", "-", "+"])
def test_an_infinite_numeric_keeps_its_sign(sign):
    codec = builtin_codec(1700)
    assert codec.decode_value(codec.encode_value(f"{sign}Infinity")) == Decimal(f"{sign}Infinity")
    assert codec.decode_value(codec.encode_value(Decimal(f"{sign}Infinity"), 0), 0) == Decimal(f"{sign}Infinity")


def test_a_codec_names_itself_and_refuses_a_format_it_does_not_have():
    assert repr(builtin_codec(23)) == "<Codec pg_catalog.int4 oid=23>"
    for codec, format in ((text_codec(99999, "thing"), 1), (builtin_codec(23), 2), (builtin_codec(23), -1)):
        with pytest.raises(ValueError, match=f"{codec.name} cannot be written in format {format}"):
            codec.encode_value("x", format)
        with pytest.raises(ValueError, match=f"{codec.name} cannot be read in format {format}"):
            codec.decode_value(b"x", format)


@pytest.mark.parametrize(("oid", "text", "kind", "expected"), [
    (1186, b"2562047788:00:55", MalformedBody, "64 bits of microseconds"),
    (1114, b"400000-01-01 00:00:00", OutOfRange, "400000-01-01 00:00:00.* outside what Python's datetime can hold"),
    (1114, b"301268-01-01 00:00:00", OutOfRange, "301268-01-01 00:00:00.* outside what Python's datetime can hold"),
    (1184, b"9999-12-31 23:59:59-15:59", OutOfRange, "10000-01-01 .* outside what Python's datetime can hold"),
])
def test_a_text_beyond_what_can_be_read_is_refused(oid, text, kind, expected):
    with pytest.raises(kind, match=expected):
        builtin_codec(oid).decode_value(text, 0)
