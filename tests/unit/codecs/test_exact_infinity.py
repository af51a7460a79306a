"""Infinity as a sentinel that is no date: read on request, written by every codec of dates and times."""
import copy
import datetime
import pickle

import pytest

from pgproto.codecs.dates import exact_date_codec
from pgproto.codecs.infinity import DATE_INFINITY, INFINITY, NEGATIVE_INFINITY
from pgproto.codecs.intervals import exact_interval_codec
from pgproto.codecs.registry import CodecRegistry, builtin_codec
from pgproto.codecs.timestamps import exact_timestamp_codec, exact_timestamptz_codec
from pgproto.errors import MalformedBody, OutOfRange
from pgproto.types import Interval

UTC = datetime.timezone.utc
MOMENT = datetime.datetime(2024, 2, 29, 12, 30, 15, 7)
CODECS = {
    "date": (exact_date_codec(), MOMENT.date()),
    "timestamp": (exact_timestamp_codec(), MOMENT),
    "timestamptz": (exact_timestamptz_codec(), MOMENT.replace(tzinfo=UTC)),
    "interval": (exact_interval_codec(parts=False, infinity=True), datetime.timedelta(days=3, microseconds=-1)),
    "interval by parts": (exact_interval_codec(infinity=True), Interval(14, -3, 5)),
}
each = pytest.mark.parametrize(("codec", "finite"), CODECS.values(), ids=CODECS)


@each
def test_infinity_and_what_is_finite_come_back_in_both_formats(codec, finite):
    for value in (INFINITY, NEGATIVE_INFINITY, finite):
        for format in (0, 1):
            read = codec.decode_value(codec.encode_value(value, format), format)
            assert read == value and type(read) is type(value)
    assert codec.decode_value(codec.encode_value(INFINITY)) is INFINITY
    assert codec.encode_value(NEGATIVE_INFINITY, 0) == b"-infinity"


@each
def test_its_arrays_hold_infinity_too(codec, finite):
    registry = CodecRegistry()
    registry.set(codec.oid, codec)
    array = registry.codec({1082: 1182, 1114: 1115, 1184: 1185, 1186: 1187}[codec.oid])
    for format in (0, 1):
        values = [INFINITY, None, finite, NEGATIVE_INFINITY]
        assert array.decode_value(array.encode_value(values, format), format) == values
    assert array.is_leaf is builtin_codec(array.oid).is_leaf


@each
def test_a_body_of_another_size_is_malformed(codec, finite):
    body = codec.encode_value(INFINITY)
    for bad in (b"", body[:-1], body + b"x"):
        with pytest.raises(MalformedBody):
            codec.decode_value(bad)
    with pytest.raises(MalformedBody):
        codec.decode_value(b"infinit", 0)


@pytest.mark.parametrize("oid", [1082, 1114, 1184])
def test_every_codec_of_dates_writes_the_sentinels(oid):
    codec = builtin_codec(oid)
    for format in (0, 1):
        read = codec.decode_value(codec.encode_value(INFINITY, format), format)
        assert (str(read), codec.encode_value(read, format)) == ("infinity", codec.encode_value(INFINITY, format))
    assert builtin_codec(1082).decode_value(builtin_codec(1082).encode_value(INFINITY)) is DATE_INFINITY


@pytest.mark.parametrize("codec", [builtin_codec(1186), exact_interval_codec()])
def test_an_interval_of_a_server_that_has_no_infinite_ones_refuses_them(codec):
    for format in (0, 1):
        with pytest.raises(TypeError, match="infinity='exact' was asked for, by PostgreSQL 17"):
            codec.encode_value(INFINITY, format)


def test_what_no_sentinel_stands_for_is_still_out_of_range():
    with pytest.raises(OutOfRange):
        exact_date_codec().decode_value((2**31 - 2).to_bytes(4, "big"))
    with pytest.raises(OutOfRange):
        exact_timestamp_codec().decode_value((2**63 - 2).to_bytes(8, "big"))


def test_infinity_lies_beyond_everything_and_equals_nothing_else():
    for value in (datetime.date.max, datetime.datetime.max, datetime.datetime.max.replace(tzinfo=UTC), DATE_INFINITY,
                  datetime.timedelta.max):
        assert INFINITY > value > NEGATIVE_INFINITY and NEGATIVE_INFINITY < value < INFINITY
        assert INFINITY >= value >= NEGATIVE_INFINITY and NEGATIVE_INFINITY <= value <= INFINITY
        assert not any((value > INFINITY, value >= INFINITY, value < NEGATIVE_INFINITY, value <= NEGATIVE_INFINITY))
        assert value not in (INFINITY, NEGATIVE_INFINITY)
    both = [INFINITY, NEGATIVE_INFINITY]
    assert [(a > b, a >= b, a < b, a <= b, a == b) for a in both for b in both] == [
        (False, True, False, True, True), (True, True, False, False, False), (False, False, True, True, False),
        (False, True, False, True, True)]
    assert sorted([INFINITY, datetime.date.max, NEGATIVE_INFINITY]) == [NEGATIVE_INFINITY, datetime.date.max, INFINITY]
    assert (-INFINITY, -NEGATIVE_INFINITY) == (NEGATIVE_INFINITY, INFINITY)
    assert not isinstance(INFINITY, datetime.date)
    with pytest.raises(TypeError):
        assert INFINITY > 5


@pytest.mark.parametrize("value", [INFINITY, NEGATIVE_INFINITY])
def test_there_is_one_of_each_sentinel(value):
    assert copy.copy(value) is copy.deepcopy(value) is pickle.loads(pickle.dumps(value)) is value
    assert len({value, pickle.loads(pickle.dumps(value))}) == 1
    assert str(value) == repr(value) == ("infinity" if value is INFINITY else "-infinity")
