import collections
import dataclasses
import gc
import os
import struct
import threading
import types
import weakref

import pytest

from pgproto.codecs.arrays import array_codec
from pgproto.codecs.catalogue import TypeFacts
from pgproto.codecs.composites import composite_codec, record_codec
from pgproto.codecs.custom import custom_codec
from pgproto.codecs.json import json_codec
from pgproto.codecs.registry import CodecRegistry, builtin_codec
from pgproto.codecs.text_fallback import text_codec
from pgproto.errors import MalformedBody, OutdatedSchemaCacheError, ProtocolError, UnsupportedClientFeatureError
from pgproto.record import Record

INT4, TEXT = builtin_codec(23), builtin_codec(25)
PAIR = composite_codec(90000, "pair", ("a", "b"), (INT4, TEXT))
PAIRS = array_codec(90001, PAIR, "public")
NEST = composite_codec(90002, "nest", ("p", "ps"), (PAIR, PAIRS))
# Like an extension's type: only its text is known, so the whole composite goes as text.
ODD = composite_codec(90003, "odd", ("n", "label", "pair"), (INT4, text_codec(90004, "label", "public"), PAIR))
EMPTY = composite_codec(90005, "empty", (), ())


def part(oid, body):
    return struct.pack("!Ii", oid, -1 if body is None else len(body)) + (body or b"")


def both(codec, value):
    results = [codec.decode_value(codec.encode_value(value, format), format) for format in (0, 1)]
    assert results[0] == results[1]
    return results[1]


def test_a_composite_is_a_record_with_the_names_of_its_attributes():
    body = struct.pack("!i", 2) + part(23, struct.pack("!i", 7)) + part(25, b"x")
    value = PAIR.decode_value(body)
    assert type(value) is Record
    assert dict(value) == {"a": 7, "b": "x"}
    assert PAIR.encode_value((7, "x")) == body
    assert PAIR.kind == "composite"
    assert PAIR.preferred == 1


@dataclasses.dataclass
class Pair:
    a: int
    b: str


class Lying(tuple):
    def __len__(self):
        return 2**62

    def __iter__(self):
        raise RuntimeError("not asked for")


@pytest.mark.parametrize(("given", "read"), [
    (Lying((1, "x")), (1, "x")),
    ((1, "x"), (1, "x")), ([1, "x"], (1, "x")), ({"b": "x", "a": 1}, (1, "x")), ({"a": 1}, (1, None)),
    ({}, (None, None)),
    ((None, None), (None, None)), (Pair(1, "x"), (1, "x")), (collections.deque([1, ""]), (1, "")),
    (types.MappingProxyType({"a": 1, "b": "x"}), (1, "x")), (collections.namedtuple("P", "b a")(1, "x"), (1, "x")),
])
def test_sequences_mappings_and_dataclasses_are_composites(given, read):
    assert tuple(both(PAIR, given)) == read


def test_a_record_is_written_as_it_was_read():
    value = both(NEST, ((1, "x"), [(2, "y"), None]))
    assert both(NEST, value) == value
    assert value["ps"][0]["b"] == "y"


@pytest.mark.parametrize(("given", "kind", "text"), [
    (5, TypeError, "a sequence or mapping was expected, got int"), ("ab", TypeError, "got str"),
    (b"ab", TypeError, "got bytes"), ((1, "x", 2), ValueError, "pair has 2 attributes, 3 values were given"),
    ({"c": 1}, ValueError, "'c' is not a valid element of composite type pair"),
    (("x", "y"), TypeError, r"invalid value of attribute 'a' \(int4\)"),
    ((2**31, "y"), OverflowError, r"invalid value of attribute 'a' \(int4\): value out of int32 range"),
])
def test_what_is_no_composite_is_refused_by_name(given, kind, text):
    for format in (0, 1):
        with pytest.raises(kind, match=text):
            PAIR.encode_value(given, format)


def test_the_path_of_a_bad_attribute_grows_from_the_inside_out():
    for format in (0, 1):
        with pytest.raises(TypeError) as caught:
            array_codec(90009, NEST).encode_value([None, ((1, "x"), [(2, "y"), (3, 4)])], format)
        assert caught.value.path == "[1].ps[1].b"
        with pytest.raises(TypeError) as caught:
            ODD.encode_value({"pair": {"b": 1}}, 0)
        assert caught.value.path == ".pair.b"


def test_a_short_sequence_is_left_for_the_server_to_refuse():
    assert PAIR.encode_value((1,))[:4] == struct.pack("!i", 1)


@pytest.mark.parametrize("value", ["", "a", 'a"b', "a\\b", "a,b", "(a)", " a ", "NULL", None, "ä\n"])
def test_text_attributes_survive_their_quotes(value):
    assert ODD.preferred == 0
    assert not ODD.has_format(1)
    row = (1, value, (2, value))
    assert ODD.decode_value(ODD.encode_value(row, 0), 0) == row
    assert array_codec(90010, ODD).decode_value(array_codec(90010, ODD).encode_value([row, None], 0), 0) == [row, None]


@pytest.mark.parametrize(("text", "read"), [
    ("(1,x)", (1, "x")), ("(,)", (None, None)), ('(1,"")', (1, "")), ('(1,"a ""b"" \\\\ c")', (1, 'a "b" \\ c')),
    ('(1,a"b,c"d)', (1, "ab,cd")), ("(1,a\\,b)", (1, "a,b")), ("(1, x )", (1, " x ")),
])
def test_the_servers_quoting_of_attributes_is_understood(text, read):
    assert tuple(PAIR.decode_value(text.encode(), 0)) == read


def test_a_composite_without_attributes_is_an_empty_record():
    assert tuple(both(EMPTY, ())) == ()
    assert EMPTY.encode_value((), 0) == b"()"


@pytest.mark.parametrize("text", ["", "1,x", "(1,x", "(1,x)y", '(1,"x)', "(1,x\\", "x(1,x)"])
def test_malformed_composite_text_is_refused(text):
    with pytest.raises(MalformedBody):
        PAIR.decode_value(text.encode(), 0)


@pytest.mark.parametrize(("body", "format", "position"), [
    (b"(1)", 0, None), (b"(1,x,y)", 0, None), (b"()", 0, None),
    (struct.pack("!i", 1) + part(23, None), 1, None), (struct.pack("!i", -1), 1, None),
    (struct.pack("!i", 2) + part(23, None) + part(23, None), 1, 1),
])
def test_another_layout_than_the_described_one_is_an_outdated_description(body, format, position):
    if body == b"()":
        body = b"(,,)"
    with pytest.raises(OutdatedSchemaCacheError) as caught:
        PAIR.decode_value(body, format)
    assert (caught.value.schema_name, caught.value.data_type_name) == ("public", "pair")
    assert caught.value.position == position


def test_a_body_that_is_cut_or_has_a_rest_is_refused():
    whole = NEST.encode_value(((1, "x"), [(2, "y"), None]))
    for n in range(len(whole)):
        with pytest.raises(ValueError, match=r"."):
            NEST.decode_value(whole[:n])
    with pytest.raises(MalformedBody):
        NEST.decode_value(whole + b"\0")


def test_an_attribute_that_cannot_be_read_is_named():
    body = struct.pack("!i", 2) + part(23, b"123") + part(25, b"x")
    with pytest.raises(MalformedBody, match=r"invalid value of attribute 'a' \(int4\)"):
        PAIR.decode_value(body)
    with pytest.raises(MalformedBody, match="attribute 'b'"):
        PAIR.decode_value(struct.pack("!i", 2) + part(23, None) + part(25, b"\xff"))


# A class of the user's

def test_a_callable_makes_the_value_from_the_attributes_by_name_and_is_written_by_them():
    codec = composite_codec(90000, "pair", ("a", "b"), (INT4, TEXT), decoder=Pair)
    assert both(codec, Pair(1, "x")) == Pair(1, "x")
    assert both(codec, (1, "x")) == Pair(1, "x")
    assert both(composite_codec(90000, "pair", ("a", "b"), (INT4, TEXT), decoder=dict), {"a": 1}) == {"a": 1, "b": None}
    with pytest.raises(TypeError, match="pair has the attribute 'a', SimpleNamespace has none"):
        codec.encode_value(types.SimpleNamespace(b=1))


def test_a_users_error_is_not_wrapped_and_ours_beside_it_is():
    def fail(a, b):
        raise ValueError("mine")

    codec = array_codec(1, composite_codec(90000, "pair", ("a", "b"), (INT4, TEXT), decoder=fail))
    with pytest.raises(ValueError, match="^mine$"):
        codec.decode_value(codec.encode_value([(1, "x")]))
    mixed = composite_codec(1, "mixed", ("mine", "n"), (custom_codec(TEXT, "text", str, str), INT4))
    with pytest.raises(MalformedBody, match="attribute 'n'"):
        mixed.decode_value(struct.pack("!i", 2) + part(25, b"x") + part(23, b"x"))


def test_a_cycle_through_a_composite_is_collected():
    holder = []

    def keep(value):
        holder.append(value)
        return holder

    codec = composite_codec(1, "c", ("a",), (custom_codec(TEXT, "text", str, keep),))
    value = codec.decode_value(struct.pack("!i", 1) + part(25, b"x"))
    holder.append(value)
    assert gc.is_tracked(value)


# record

REGISTRY = CodecRegistry()
RECORD, RECORDS = REGISTRY.codec(2249), REGISTRY.codec(2287)


def record(*parts):
    return struct.pack("!i", len(parts)) + b"".join(parts)


def test_a_record_names_the_types_of_its_elements_itself():
    inner = record(part(25, b"x"), part(23, None))
    body = record(part(23, struct.pack("!i", 1)), part(2249, inner), part(1007, builtin_codec(1007).encode_value([1])),
                  part(3904, b"\x01"))
    assert RECORD.decode_value(body)[:3] == (1, ("x", None), [1])
    assert RECORD.decode_value(record()) == ()
    assert RECORDS.decode_value(struct.pack("!iiIiii", 1, 0, 2249, 1, 1, len(body)) + body)[0][0] == 1
    assert RECORD.kind == "scalar"


def test_the_text_of_a_record_is_a_tuple_of_str():
    assert RECORD.decode_value(b'(1,,"a ""b""")', 0) == ("1", None, 'a "b"')
    assert RECORD.decode_value(b"()", 0) == ()


def test_a_record_cannot_be_sent():
    for format in (0, 1):
        with pytest.raises(UnsupportedClientFeatureError):
            RECORD.encode_value((1, 2), format)


def test_an_element_of_an_unknown_type_is_named():
    with pytest.raises(MalformedBody, match="element 1 is of type oid 99999"):
        RECORD.decode_value(record(part(99999, b"x")))


@pytest.mark.parametrize("n", [-1, 1, 65536, 2**31 - 1])
def test_a_record_that_claims_more_than_its_bytes_is_malformed(n):
    with pytest.raises(MalformedBody):
        RECORD.decode_value(struct.pack("!i", n))


def test_records_nested_without_end_are_refused_and_the_next_is_read():
    body = record()
    for _ in range(600):
        body = record(part(2249, body))
    with pytest.raises(MalformedBody, match="nested deeper than 512"):
        RECORD.decode_value(body)
    assert RECORD.decode_value(record(part(2249, record()))) == ((),)
    mixed = record()
    for _ in range(600):
        mixed = record(part(2287, struct.pack("!iiIiii", 1, 0, 2249, 1, 1, len(mixed)) + mixed))
    with pytest.raises(MalformedBody, match="nested deeper than 512"):
        RECORD.decode_value(mixed)


def test_what_finds_the_codecs_of_a_record_is_its_own():
    assert record_codec(2249, {23: INT4}.get).decode_value(record(part(23, struct.pack("!i", 5)))) == (5,)


def test_composites_of_leaves_stay_out_of_the_collector_and_others_do_not():
    assert PAIR.is_leaf and not NEST.is_leaf
    assert not gc.is_tracked(PAIR.decode_value(PAIR.encode_value((1, "one"))))
    assert gc.is_tracked(NEST.decode_value(NEST.encode_value(((1, "one"), [(2, "two")]))))
    with_objects = composite_codec(90006, "made", ("a",), (INT4,), decoder=lambda a: [a])
    assert not with_objects.is_leaf
    mixed = composite_codec(90007, "mixed", ("a", "j"), (INT4, json_codec(114, decoder=lambda text: [text])))
    value = mixed.decode_value(mixed.encode_value((1, {"k": 1})))
    assert not mixed.is_leaf and gc.is_tracked(value)
    watched = weakref.ref(kept := type("Kept", (list,), {})())
    value["j"].extend((kept, value))
    kept = value = None
    gc.collect()
    assert watched() is None


@pytest.mark.parametrize("body, text", [
    (b"\0\0\0\2\0\0\0\x17\0\0\0\x04\0\0\0\1\0\0\0\x19\0\0", "4 bytes of a length were expected, 2 are left"),
    (b"\0\0\0\2\0\0\0\x17\0\0\0\x05\0\0\0\1", "5 bytes were announced, 4 are left"),
    (b"\0\0\0\2\0\0\0\x17\xff\xff\xff\xfe\0\0\0\1", "-2 bytes were announced, 4 are left"),
])
def test_a_length_that_cannot_be_is_refused(body, text):
    with pytest.raises(MalformedBody, match=text):
        PAIR.decode_value(body)


# The least stack that is promised to do; under the sanitizers every local variable stands in a field of its own.
SMALL_STACK = 512 * 1024 * (8 if "libasan" in os.environ.get("LD_PRELOAD", "") else 1)


def in_small_thread(call):
    """Return what a call returns in a thread with little stack."""
    outcome = []

    def run():
        try:
            outcome.append(call())
        except Exception as error:
            outcome.append(error)

    before = threading.stack_size(SMALL_STACK)
    try:
        thread = threading.Thread(target=run)
        thread.start()
    finally:
        threading.stack_size(before)
    thread.join()
    return outcome[0]


def nested_record(depth):
    """The body of a record in a record in a record .., from the outside in."""
    lengths = [4 + 12 * (depth - i) for i in range(depth + 1)]
    return b"".join([struct.pack("!iIi", 1, 2249, lengths[i + 1]) for i in range(depth)]) + struct.pack("!i", 0)


@pytest.mark.parametrize("depth", [513, 200_000])
def test_records_nested_very_deep_are_refused_on_a_small_stack(depth):
    refused = in_small_thread(lambda: RECORD.decode_value(nested_record(depth)))
    assert type(refused) is MalformedBody and "nested deeper than 512" in str(refused)
    found = in_small_thread(lambda: RECORD.decode_value(nested_record(500)))
    for _ in range(500):
        (found,) = found
    assert found == ()


def test_composite_types_nested_very_deep_work_or_are_refused_on_a_small_stack():
    def registry(depth):
        made = CodecRegistry()
        made.types.learn([TypeFacts(90_000 + i, f"t{i}", "public", "c", 0, ",", True, ("a",), (90_001 + i,))
                          for i in range(depth)] + [TypeFacts(90_000 + depth, "d", "public", "d", 23, ",", True)])
        return made

    def body(depth):
        lengths = [4 + 12 * (depth - i) for i in range(depth + 1)]
        return b"".join([struct.pack("!iIi", 1, 90_001 + i, lengths[i + 1]) for i in range(depth)]) + b"\0\0\0\7"

    found = in_small_thread(lambda: registry(400).codec(90_000).decode_value(body(400)))
    for _ in range(400):
        (found,) = found
    assert found == 7
    for call in (lambda: registry(400).codec(90_000).decode_value(body(400)[:-1]),
                 lambda: registry(400).codec(90_000).decode_value(body(399))):
        assert isinstance(in_small_thread(call), (MalformedBody, OutdatedSchemaCacheError))
    assert isinstance(in_small_thread(lambda: registry(5000).codec(90_000)), ProtocolError)
