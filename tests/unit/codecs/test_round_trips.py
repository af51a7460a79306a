import copy
import datetime
import decimal
import pickle
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgproto.codecs import infinity
from pgproto.codecs.registry import builtin_codec
from pgproto.errors import DecodeError, OutOfRange

UTC = datetime.timezone.utc
OFFSETS = st.integers(-57599, 57599).map(lambda s: datetime.timezone(datetime.timedelta(seconds=s)) if s else UTC)
LENGTHS = st.timedeltas(datetime.timedelta(microseconds=-(2**63)), datetime.timedelta(microseconds=2**63 - 1))
SINGLETONS = [(1082, infinity.DATE_INFINITY, datetime.date.max),
              (1082, infinity.DATE_NEGATIVE_INFINITY, datetime.date.min),
              (1114, infinity.DATETIME_INFINITY, datetime.datetime.max),
              (1114, infinity.DATETIME_NEGATIVE_INFINITY, datetime.datetime.min),
              (1184, infinity.DATETIMETZ_INFINITY, datetime.datetime.max.replace(tzinfo=UTC)),
              (1184, infinity.DATETIMETZ_NEGATIVE_INFINITY, datetime.datetime.min.replace(tzinfo=UTC))]


def both(oid, value):
    codec = builtin_codec(oid)
    results = [codec.decode_value(codec.encode_value(value, format), format) for format in (0, 1)]
    assert results[0] == results[1]
    assert repr(results[0]) == repr(results[1])
    return results[0]


@pytest.mark.parametrize(("oid", "values"), [
    (16, st.booleans()), (21, st.integers(-(2**15), 2**15 - 1)), (23, st.integers(-(2**31), 2**31 - 1)),
    (20, st.integers(-(2**63), 2**63 - 1)), (26, st.integers(0, 2**32 - 1)), (5069, st.integers(0, 2**64 - 1)),
    (700, st.floats(width=32, allow_nan=False)), (701, st.floats(allow_nan=False)),
    (25, st.text(st.characters(exclude_categories=["Cs"]))), (17, st.binary()), (2950, st.uuids()),
    (1082, st.dates()), (1114, st.datetimes()), (1184, st.datetimes(timezones=st.just(UTC))), (1083, st.times()),
    (1266, st.times(timezones=OFFSETS)), (1186, LENGTHS),
    (1007, st.lists(st.none() | st.integers(-(2**31), 2**31 - 1))),
    (1009, st.lists(st.none() | st.text(st.characters(exclude_categories=["Cs"])))),
])
def test_any_value_reads_back_as_itself(oid, values):
    @given(values)
    def check(value):
        read = both(oid, value)
        assert read == value
        assert type(read) is type(value)

    check()


@given(st.decimals(allow_nan=False, allow_infinity=False).filter(lambda d: -16383 <= d.as_tuple().exponent <= 131000))
def test_any_decimal_reads_back_digit_by_digit(value):
    read = both(1700, value)
    assert read == value
    assert format(read, "f").lstrip("-") == format(value, "f").lstrip("-")
    if value.as_tuple().exponent > 0:
        assert read.as_tuple().exponent == 0


@given(st.integers(0, 10**60), st.integers(0, 60))
def test_the_scale_of_a_numeric_is_kept(digits, scale):
    value = decimal.Decimal((0, tuple(map(int, str(digits))), -scale))
    assert both(1700, value).as_tuple() == value.as_tuple()


@pytest.mark.parametrize(("oid", "singleton", "last"), SINGLETONS)
def test_infinity_is_a_singleton_that_equals_the_last_value_and_stays_infinity(oid, singleton, last):
    assert both(oid, singleton) is singleton
    assert singleton == last
    assert hash(singleton) == hash(last)
    assert isinstance(singleton, type(last))
    assert repr(singleton) == str(singleton) == ("-infinity" if last.year == 1 else "infinity")
    assert pickle.loads(pickle.dumps(singleton)) is singleton
    assert copy.copy(singleton) is singleton
    assert copy.deepcopy(singleton) is singleton


@pytest.mark.parametrize(("oid", "singleton", "last"), SINGLETONS)
def test_the_last_value_is_itself_and_not_infinity(oid, singleton, last):
    read = both(oid, last)
    assert read == last
    assert read is not singleton
    assert type(read) is type(last)


def test_arithmetic_with_infinity_gives_ordinary_dates():
    assert type(infinity.DATE_INFINITY - datetime.timedelta(days=1)) is datetime.date
    assert type(infinity.DATETIME_INFINITY - datetime.timedelta(days=1)) is datetime.datetime
    assert type(infinity.DATE_INFINITY.replace(year=5)) is datetime.date
    assert infinity.DATE_INFINITY.replace(year=5) == datetime.date(5, 12, 31)
    assert type(infinity.DATETIME_INFINITY.replace(hour=5)) is datetime.datetime
    assert infinity.DATETIME_INFINITY.date() == datetime.date.max


def test_infinity_stays_infinity_when_only_its_zone_is_replaced():
    assert infinity.DATETIMETZ_INFINITY.replace(tzinfo=None) is infinity.DATETIME_INFINITY
    assert infinity.DATETIME_INFINITY.replace(tzinfo=UTC) is infinity.DATETIMETZ_INFINITY
    assert infinity.DATETIMETZ_NEGATIVE_INFINITY.replace(tzinfo=None) is infinity.DATETIME_NEGATIVE_INFINITY
    assert infinity.DATETIME_NEGATIVE_INFINITY.replace(tzinfo=UTC) is infinity.DATETIMETZ_NEGATIVE_INFINITY


@pytest.mark.parametrize(("oid", "body", "text", "shown"), [
    (1082, "fff4dbf8", "0001-12-31 BC", "date 0001-12-31 BC"),
    (1082, "002c95d4", "10000-01-01", "date 10000-01-01"),
    (1082, "7ffffffe", "5881610-07-10", "date 5881610-07-10"),
    (1114, "ff1fe2ffc59c5fff", "0001-12-31 23:59:59.999999 BC", "timestamp 0001-12-31 23:59:59.999999 BC"),
    (1114, "0380e70b913b8000", "10000-01-01 00:00:00", "timestamp 10000-01-01 00:00:00"),
    (1184, "0380e70b913b8000", "10000-01-01 00:00:00+00", r"timestamptz 10000-01-01 00:00:00\+00"),
    (1114, "8000000000000001", "290309-12-22 00:00:00 BC", "timestamp 290[0-9]{3}-.* BC"),
    (1083, "000000141dd76000", "24:00:00", "time 24:00:00"),
    (1266, "000000141dd7600000000000", "24:00:00+00", "timetz 24:00:00"),
    (1186, "0000000000000000000000007fffffff", "178956970 years 7 mons", "interval"),
    (1186, "7fffffffffffffff7fffffff7fffffff", "infinity", "interval infinity"),
    (1186, "80000000000000008000000080000000", "-infinity", "interval -infinity"),
])
def test_what_python_cannot_hold_is_out_of_range_naming_the_value(oid, body, text, shown):
    for format, sent in ((1, bytes.fromhex(body)), (0, text.encode())):
        with pytest.raises(OutOfRange, match=shown) as caught:
            builtin_codec(oid).decode_value(sent, format)
        assert isinstance(caught.value, (DecodeError, OverflowError, ValueError))


def test_a_timedelta_is_sent_as_microseconds_only():
    body = builtin_codec(1186).encode_value(datetime.timedelta(days=40, hours=1))
    assert body == (961 * 3600 * 10**6).to_bytes(8, "big") + bytes(8)


ONE = datetime.timedelta(microseconds=1)
ENDS = [datetime.timedelta(microseconds=2**63 - 1), datetime.timedelta(microseconds=-(2**63))]


@pytest.mark.parametrize("value", [*ENDS, ENDS[0] - ONE, ENDS[1] + ONE, ONE - 106751991 * datetime.timedelta(1),
                                   -106751991 * datetime.timedelta(1), -106751991 * datetime.timedelta(1) - ONE])
def test_a_timedelta_at_the_end_of_64_bits_of_microseconds_is_sent(value):
    codec = builtin_codec(1186)
    for format in (0, 1):
        assert codec.decode_value(codec.encode_value(value, format), format) == value


@pytest.mark.parametrize("value", [ENDS[0] + ONE, ENDS[1] - ONE])
def test_a_timedelta_beyond_the_end_of_64_bits_of_microseconds_is_refused(value):
    for format in (0, 1):
        with pytest.raises(OverflowError, match="106751991 days"):
            builtin_codec(1186).encode_value(value, format)


def test_a_timestamptz_takes_any_zone_and_reads_as_utc():
    zone = datetime.timezone(datetime.timedelta(hours=5, minutes=30, microseconds=7))
    value = datetime.datetime(2024, 1, 1, 10, tzinfo=zone)
    read = both(1184, value)
    assert read == value
    assert read.tzinfo is UTC


def test_a_naive_datetime_and_a_date_are_local_time_for_timestamptz():
    naive = datetime.datetime(2024, 7, 1, 10, 20)
    assert both(1184, naive) == naive.astimezone(UTC)
    assert both(1184, datetime.date(2024, 7, 1)) == datetime.datetime(2024, 7, 1).astimezone(UTC)


def test_a_date_is_midnight_for_timestamp_and_a_datetime_is_its_day_for_date():
    assert both(1114, datetime.date(2024, 7, 1)) == datetime.datetime(2024, 7, 1)
    assert both(1082, datetime.datetime(2024, 7, 1, 23)) == datetime.date(2024, 7, 1)


def test_objects_that_look_like_dates_and_times_are_written():
    class Ordinal:
        def toordinal(self):
            return 730120

    class Clock:
        hour, minute, second, microsecond = 1, 2, 3, 4

    class Length:
        days, seconds, microseconds = -1, 86399, 1

    assert both(1082, Ordinal()) == datetime.date(2000, 1, 1)
    assert both(1083, Clock()) == datetime.time(1, 2, 3, 4)
    assert both(1186, Length()) == datetime.timedelta(-1, 86399, 1)
    Clock.hour = 24
    with pytest.raises(ValueError, match="0 to 23 was expected for hour"):
        both(1083, Clock())


def test_a_uuid_is_an_ordinary_uuid():
    value = uuid.uuid4()
    read = both(2950, value)
    assert type(read) is uuid.UUID
    assert read == value
    assert hash(read) == hash(value)
    assert str(read) == str(value)
    assert read.is_safe is uuid.SafeUUID.unknown
    assert read.version == 4
    assert pickle.loads(pickle.dumps(read)) == value == copy.deepcopy(read)
    with pytest.raises(TypeError):
        read.int = 5


class Word(str):
    """As StrEnum's members are, or the identifiers of an SQL toolkit."""


@pytest.mark.parametrize("oid", [25, 1043, 114, 3802, 1700, 4072])
def test_a_subclass_of_str_is_written_as_its_text(oid):
    codec = builtin_codec(oid)
    for format in (0, 1):
        if codec.has_format(format):
            assert codec.encode_value(Word("1"), format) == codec.encode_value("1", format)
