import pytest

from pgproto.codecs.registry import builtin_codec
from tests.unit.codecs.golden import GOLDEN, READ_ONLY


def same(left, right):
    return left == right and type(left) is type(right) and repr(left) == repr(right)


@pytest.mark.parametrize(("oid", "body", "text", "value"), GOLDEN + READ_ONLY)
def test_both_formats_of_a_server_value_are_read_as_the_same_value(oid, body, text, value):
    codec = builtin_codec(oid)
    assert same(codec.decode_value(bytes.fromhex(body)), value)
    assert same(codec.decode_value(text.encode(), 0), value)


@pytest.mark.parametrize(("oid", "body", "text", "value"), GOLDEN)
def test_a_value_is_written_as_the_server_sends_it(oid, body, text, value):
    assert builtin_codec(oid).encode_value(value).hex() == body


@pytest.mark.parametrize(("oid", "body", "text", "value"), GOLDEN)
def test_the_text_that_is_written_reads_back_as_the_value(oid, body, text, value):
    codec = builtin_codec(oid)
    assert same(codec.decode_value(codec.encode_value(value, 0), 0), value)


@pytest.mark.parametrize("oid", [16, 17, 20, 21, 23, 25, 26, 28, 29, 700, 701, 1042, 1043, 1082, 1083, 1114, 1184, 1186,
                                 1266, 1700, 2950])
def test_leaves_are_known_as_leaves(oid):
    assert builtin_codec(oid).is_leaf


def test_arrays_are_no_leaves():
    assert not builtin_codec(1007).is_leaf


def test_void_is_none_whatever_it_carries():
    void = builtin_codec(2278)
    assert void.decode_value(b"") is None
    assert void.decode_value(b"junk", 0) is None
    assert void.encode_value(5) == b""


@pytest.mark.parametrize("text", ["nan", "NaN", "-nan"])
def test_nan_is_read_and_written(text):
    for oid in (700, 701, 1700):
        codec = builtin_codec(oid)
        read = codec.decode_value(codec.encode_value(float(text)))
        assert read != read
        assert str(codec.decode_value(b"NaN", 0)).lower() == "nan"
