import json

import pytest

from pgproto import oids
from pgproto.codecs.json import json_codec
from pgproto.codecs.registry import CodecRegistry, builtin_codec, builtin_oids


def test_a_builtin_type_and_its_array_are_found_without_asking_the_server():
    registry = CodecRegistry()
    for oid, array in ((23, 1007), (25, 1009), (2950, 2951), (1700, 1231), (3802, 3807), (1184, 1185), (5069, 271)):
        assert registry.codec(array).element is registry.codec(oid)
        assert registry.codec(array).name == registry.codec(oid).name + "[]"
        assert registry.codec(array).kind == "array"


# The server reads more spellings of the first ones than we do; it refuses an empty vector in binary.
TEXT_PREFERRED = {774, 829, 22, 30}


def test_every_builtin_prefers_binary_where_there_is_one_and_text_does_not_say_more():
    for oid in builtin_oids():
        codec = builtin_codec(oid)
        scalar = codec.element if codec.kind == "array" and oid not in TEXT_PREFERRED else codec
        assert codec.oid == oid
        assert codec.has_format(0) is scalar.has_format(0)
        assert codec.has_format(1) is scalar.has_format(1)
        assert codec.preferred == (codec.has_format(1) and scalar.oid not in TEXT_PREFERRED)


def test_every_type_that_is_no_composite_and_no_range_is_built_in():
    made_of_others = {oid for oid, kind in oids.TYPTYPE_OF.items() if kind in "crm"} | {oids.OID_RECORD}
    arrays = {oids.ARRAY_OF[oid] for oid in made_of_others if oid in oids.ARRAY_OF}
    assert set(oids.NAME_OF) - made_of_others - arrays <= set(builtin_oids())


def test_an_unknown_oid_is_none_or_text():
    registry = CodecRegistry()
    assert registry.codec(99999) is None
    codec = registry.codec_or_text(99999)
    assert codec.oid == 99999
    assert "99999" in codec.name
    assert codec.preferred == 0
    assert not codec.has_format(1)
    assert codec.decode_value(codec.encode_value("(1,2)", 0), 0) == "(1,2)"
    assert registry.codec(99999) is None


def test_a_codec_laid_over_a_type_goes_for_its_arrays_and_for_this_session_only():
    registry, other = CodecRegistry(), CodecRegistry()
    registry.set(3802, json_codec(3802, encoder=json.dumps, decoder=json.loads))
    for format in (0, 1):
        document = registry.codec(3802)
        assert document.decode_value(document.encode_value({"a": "b"}, format), format) == {"a": "b"}
        assert document.decode_value(document.encode_value("text", format), format) == "text"
        documents = registry.codec(3807)
        assert documents.decode_value(documents.encode_value([{"a": 1}, None], format), format) == [{"a": 1}, None]
    assert not registry.codec(3802).is_leaf
    assert other.codec(3802) is builtin_codec(3802)
    assert other.codec(3807) is builtin_codec(3807)
    assert registry.reset(3802)
    assert not registry.reset(3802)
    assert registry.codec(3802) is builtin_codec(3802)
    assert registry.codec(3807) is builtin_codec(3807)


def test_clear_takes_all_overlays_away():
    registry = CodecRegistry()
    registry.set(99999, registry.codec_or_text(99999))
    registry.set(114, json_codec(114, decoder=json.loads))
    registry.clear()
    assert registry.codec(99999) is None
    assert registry.codec(114) is builtin_codec(114)


def test_json_functions_may_return_bytes_and_their_errors_stay_their_own():
    codec = json_codec(3802, encoder=lambda value: json.dumps(value).encode(), decoder=json.loads)
    assert codec.encode_value([1]) == b"\x01[1]"
    with pytest.raises(json.JSONDecodeError):
        codec.decode_value(b"\x01{")
    with pytest.raises(TypeError, match="must return str or bytes, it returned int"):
        json_codec(114, encoder=len).encode_value("x")
    with pytest.raises(ValueError, match="got oid 25"):
        json_codec(25)
