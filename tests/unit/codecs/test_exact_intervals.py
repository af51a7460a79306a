"""Intervals part by part: Interval is written by every interval codec, and read by the exact one."""
import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgproto.codecs.intervals import exact_interval_codec
from pgproto.codecs.registry import CodecRegistry, builtin_codec
from pgproto.errors import MalformedBody
from pgproto.types import Interval

EXACT = exact_interval_codec()
PARTS = st.builds(Interval, st.integers(-(2**31), 2**31 - 1), st.integers(-(2**31), 2**31 - 1),
                  st.integers(-(2**63), 2**63 - 1))


@given(PARTS)
def test_any_interval_comes_back_part_by_part(value):
    for format in (0, 1):
        read = EXACT.decode_value(EXACT.encode_value(value, format), format)
        assert read == value
        assert type(read) is Interval
        assert builtin_codec(1186).encode_value(value, format) == EXACT.encode_value(value, format)


@pytest.mark.parametrize(("text", "value"), [
    ("1 year 2 mons -3 days +04:05:06.789", Interval(14, -3, 14706789000)),
    ("-1 years -5 mons", Interval(-17, 0, 0)),
    ("00:00:00", Interval(0, 0, 0)),
    ("2562047788:00:54.775807", Interval(0, 0, 2**63 - 1)),
    ("-2562047788:00:54.775808", Interval(0, 0, -(2**63))),
    ("infinity", Interval(2**31 - 1, 2**31 - 1, 2**63 - 1)),
    ("-infinity", Interval(-(2**31), -(2**31), -(2**63))),
])
def test_the_servers_text_is_read_part_by_part(text, value):
    assert EXACT.decode_value(text.encode(), 0) == value


@pytest.mark.parametrize("text", ["2562047788:00:54.775808", "-2562047788:00:54.775809", "2562047789:00:00",
                                  "9999999999:00:00"])
def test_more_microseconds_than_64_bits_are_malformed(text):
    for codec in (EXACT, builtin_codec(1186)):
        with pytest.raises(MalformedBody, match="64 bits of microseconds"):
            codec.decode_value(text.encode(), 0)


@pytest.mark.parametrize(("value", "says"), [
    (Interval(2**31, 0, 0), "value out of int32 months range"),
    (Interval(0, -(2**31) - 1, 0), "value out of int32 days range"),
    (Interval(0, 0, 2**63), "value out of int64 microseconds range"),
])
def test_a_part_that_the_server_cannot_hold_is_refused_by_name(value, says):
    for format in (0, 1):
        with pytest.raises(OverflowError, match=says):
            EXACT.encode_value(value, format)


def test_a_timedelta_is_written_as_microseconds_by_the_exact_codec_too():
    assert EXACT.decode_value(EXACT.encode_value(datetime.timedelta(days=1))) == Interval(0, 0, 86400000000)


def test_laid_over_interval_it_reads_its_arrays_too():
    registry = CodecRegistry()
    registry.set(1186, EXACT)
    assert registry.codec(1187).decode_value(b'{"1 mon",NULL}', 0) == [Interval(1, 0, 0), None]
