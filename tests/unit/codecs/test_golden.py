import pytest

from pgproto.codecs.registry import builtin_codec
from tests.unit.codecs.golden import GOLDEN, READ_ONLY, TEXT_ONLY, TEXT_ONLY_READ, WITHOUT_VALUES


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


@pytest.mark.parametrize(("oid", "text"), TEXT_ONLY + TEXT_ONLY_READ)
def test_a_type_without_a_binary_form_is_read_as_its_text(oid, text):
    codec = builtin_codec(oid)
    assert codec.decode_value(text.encode(), 0) == text
    assert not codec.has_format(1)
    assert codec.preferred == 0


@pytest.mark.parametrize(("oid", "text"), TEXT_ONLY)
def test_a_type_without_a_binary_form_is_written_as_its_text(oid, text):
    assert builtin_codec(oid).encode_value(text, 0) == text.encode()


@pytest.mark.parametrize("oid", [oid for oid, _ in TEXT_ONLY_READ] + [5017] + WITHOUT_VALUES)
def test_what_the_server_does_not_read_cannot_be_written(oid):
    for format in (0, 1):
        with pytest.raises(ValueError, match="cannot be written"):
            builtin_codec(oid).encode_value("x", format)


@pytest.mark.parametrize("text", ["08-00-2B-01-02-03", "0800.2b01.0203", "08002b:010203", "08 00 2b 01 02 03"])
def test_the_binary_form_of_a_macaddr_is_made_of_any_spelling(text):
    assert builtin_codec(829).encode_value(text).hex() == "08002b010203"
    assert builtin_codec(774).encode_value(text).hex() == "08002bfffe010203"


@pytest.mark.parametrize("oid", [16, 17, 18, 20, 21, 23, 24, 25, 26, 27, 28, 29, 600, 601, 603, 628, 700, 701, 718, 774,
                                 790, 829, 1033, 1042, 1043, 1082, 1083, 1114, 1184, 1186, 1266, 1560, 1562, 1700, 1790,
                                 2205, 2950, 2970, 3220, 3614, 4072, 5038])
def test_leaves_are_known_as_leaves(oid):
    assert builtin_codec(oid).is_leaf


@pytest.mark.parametrize("oid", [22, 30, 602, 604, 650, 869, 1007])
def test_what_can_hold_a_container_is_no_leaf(oid):
    """Lists, paths, whose slots can be set, and interfaces and networks, which have a __dict__."""
    assert not builtin_codec(oid).is_leaf


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
