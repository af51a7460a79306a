"""Naive datetimes for a timestamptz are taken in the machine's own time zone, in every year that Python has."""
import datetime
import os
import time

import pytest

from pgproto.codecs.registry import builtin_codec
from pgproto.oids import OID_TIMESTAMPTZ

EPOCH = datetime.datetime(2000, 1, 1)
CODEC = builtin_codec(OID_TIMESTAMPTZ)


def moment_of(value):
    return int.from_bytes(CODEC.encode_value(value), "big", signed=True)


def microseconds(value):
    return (value - EPOCH) // datetime.timedelta(microseconds=1)


@pytest.fixture(params=["UTC", "EST5", "XYZ-9"])
def zone(request, monkeypatch):
    if not hasattr(time, "tzset"):
        pytest.skip("missing feature: time.tzset")
    before = os.environ.get("TZ")
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield {"UTC": 0, "EST5": 5, "XYZ-9": -9}[request.param]
    monkeypatch.setenv("TZ", before) if before is not None else monkeypatch.delenv("TZ")
    time.tzset()


@pytest.mark.parametrize("value", [
    datetime.datetime(1, 1, 1), datetime.datetime(1, 12, 31, 23), datetime.datetime(2, 1, 1),
    datetime.datetime(2024, 2, 29),
    datetime.datetime(9998, 12, 31), datetime.datetime(9999, 12, 31, 23, 59, 59, 999999), datetime.date(1, 1, 1),
    datetime.date(9999, 12, 31)], ids=str)
def test_a_naive_value_is_that_much_away_from_utc(zone, value):
    naive = value if isinstance(value, datetime.datetime) else datetime.datetime(value.year, value.month, value.day)
    assert moment_of(value) == microseconds(naive) + zone * 3_600_000_000
