"""Codecs put together from what the catalogue says, with bytes alone."""
import enum
import gc
import json
import random
import tracemalloc
import weakref
from decimal import Decimal

import pytest

from pgproto.codecs.catalogue import TypeCache, TypeFacts, read_facts
from pgproto.codecs.custom import custom_codec
from pgproto.codecs.json import json_codec
from pgproto.codecs.registry import CodecRegistry, builtin_codec
from pgproto.codecs.user_types import Alias, UserFunctions
from pgproto.errors import InterfaceError, OutdatedSchemaCacheError, ProtocolError
from pgproto.types import Range

MOOD, MOODS, PAIR, PAIRS, POSITIVE, NEST, FRANGE, FMULTI, LABEL, LABELS, ODD, PAIRDOM = range(90000, 90012)
FACTS = [
    TypeFacts(MOOD, "mood", "public", "e", 0, ",", True), TypeFacts(MOODS, "_mood", "public", "a", MOOD, ",", True),
    TypeFacts(PAIR, "pair", "app", "c", 0, ",", False, ("a", "doc"), (23, 3802)),
    TypeFacts(PAIRS, "_pair", "app", "a", PAIR, ",", False),
    TypeFacts(POSITIVE, "positive", "public", "d", 23, ",", True),
    TypeFacts(NEST, "nest", "public", "c", 0, ",", True, ("m", "pairs", "n", "f"), (MOOD, PAIRS, POSITIVE, FRANGE)),
    TypeFacts(FRANGE, "frange", "public", "r", 701, ",", True),
    TypeFacts(FMULTI, "fmultirange", "public", "m", FRANGE, ",", True),
    TypeFacts(LABEL, "label", "public", "b", 0, ";", True),
    TypeFacts(LABELS, "_label", "public", "a", LABEL, ",", True),
    TypeFacts(ODD, "odd", "public", "c", 0, ",", True, ("nest", "label", "n"), (NEST, LABEL, 1700)),
    TypeFacts(PAIRDOM, "pairdom", "public", "d", PAIR, ",", True),
]
NESTED = ("sad", [(1, '{"a": 1}'), None], 5, Range(1.5, None))


class Mood(enum.Enum):
    sad = "sad"


@pytest.fixture
def cache():
    cache = TypeCache()
    cache.learn(FACTS)
    return cache


def both(codec, value):
    results = [codec.decode_value(codec.encode_value(value, format), format) for format in (0, 1)]
    assert results[0] == results[1]
    return results[1]


def test_rows_of_the_catalogue_become_facts():
    row = TypeFacts(1, "a", "s", "c", 0, ",", True, ("x",), (23,))._asdict()
    assert read_facts([row, row | {"names": None, "oids": None}])[1] == TypeFacts(1, "a", "s", "c", 0, ",", True)
    assert FACTS[1].parts == (MOOD,)
    assert FACTS[5].parts == (MOOD, PAIRS, POSITIVE, FRANGE)


def test_types_nested_in_types_are_read_and_written_in_both_formats(cache):
    registry = CodecRegistry(cache)
    assert both(registry.codec(NEST), NESTED) == NESTED
    assert registry.codec(NEST).decode_value(registry.codec(NEST).encode_value(NESTED))["pairs"][0]["doc"] == '{"a": 1}'
    assert both(registry.codec(MOODS), ["sad", None]) == ["sad", None]
    assert both(registry.codec(FMULTI), [(1, 2)]) == [Range(1.0, 2.0, upper_inc=True)]
    assert both(registry.codec(PAIRDOM), (1, None)) == (1, None)
    described = {oid: registry.codec(oid) for oid in (MOOD, MOODS, PAIR, POSITIVE, FRANGE, FMULTI, PAIRDOM)}
    assert {oid: (codec.name, codec.kind, codec.schema) for oid, codec in described.items()} == {
        MOOD: ("mood", "scalar", "public"), MOODS: ("mood[]", "array", "public"), PAIR: ("pair", "composite", "app"),
        POSITIVE: ("int4", "scalar", "pg_catalog"), FRANGE: ("frange", "range", "public"),
        FMULTI: ("fmultirange", "multirange", "public"), PAIRDOM: ("pair", "composite", "app")}
    assert described[POSITIVE].oid == POSITIVE


def test_one_attribute_without_a_binary_form_makes_the_whole_text(cache):
    registry = CodecRegistry(cache)
    odd = registry.codec(ODD)
    assert odd.preferred == 0
    assert not odd.has_format(1)
    value = (NESTED, 'a";{', Decimal("1.50"))
    assert odd.decode_value(odd.encode_value(value, 0), 0) == value
    labels = registry.codec(LABELS)
    assert labels.encode_value(["a", "b"], 0) == b'{"a";"b"}'
    assert labels.preferred == 0


def test_only_what_the_catalogue_could_tell_is_unknown():
    registry = CodecRegistry()
    # The last ones: pg_node_tree is built in, the rows of pg_class are described by the catalogue.
    assert registry.unknown([23, 2951, 3904, 3905, 4451, 6150, 2249, 2287, 194, 99999, 83]) == [99999, 83]
    registry.types.learn([TypeFacts(99999, "x", "public", "b", 0, ",", True)])
    assert registry.unknown([99999]) == []


def test_sessions_of_a_pool_share_codecs_until_one_lays_its_own_over_them(cache):
    one, two, three = (CodecRegistry(cache) for _ in range(3))
    assert one.codec(NEST) is two.codec(NEST)
    three.set(3802, json_codec(3802, encoder=json.dumps, decoder=json.loads))
    assert three.codec(NEST) is not one.codec(NEST)
    value = ("sad", [(1, {"a": 1})], 5, None)
    assert both(three.codec(NEST), value) == value
    assert one.codec(NEST) is two.codec(NEST)
    assert both(one.codec(NEST), NESTED) == NESTED
    assert three.reset(3802)
    assert three.codec(NEST) is one.codec(NEST)


def test_a_users_codec_reaches_elements_attributes_bounds_and_domains(cache):
    registry = CodecRegistry(cache)
    registry.set(23, custom_codec(builtin_codec(23), "text", lambda value: str(value + 1), lambda text: int(text) - 1))
    registry.set(701, custom_codec(builtin_codec(701), "text", str, Decimal))
    assert registry.codec(POSITIVE).encode_value(1, 0) == b"2"
    assert registry.codec(1007).decode_value(b"{2}", 0) == [1]
    assert registry.codec(3904).decode_value(b"[2,5)", 0) == Range(1, 4)
    assert registry.codec(4451).decode_value(b"{[2,5)}", 0) == [Range(1, 4)]
    nest = registry.codec(NEST)
    assert nest.preferred == 0
    value = ("sad", [(1, "{}")], 5, Range(Decimal("1.5"), None))
    assert nest.encode_value(value, 0) == b'("sad","{\\"(\\\\\\"2\\\\\\",\\\\\\"{}\\\\\\")\\"}","6","[\\"1.5\\",)")'
    assert nest.decode_value(nest.encode_value(value, 0), 0) == value


def test_text_and_binary_codecs_of_a_user_meet_in_one_composite(cache):
    registry = CodecRegistry(cache)
    registry.set(701, custom_codec(builtin_codec(701), "binary", lambda value: builtin_codec(701).encode_value(value),
                                   lambda body: ("binary", body)))
    registry.set(23, custom_codec(builtin_codec(23), "text", str, lambda text: ("text", text)))
    nest = registry.codec(NEST)
    assert (nest.preferred, nest.has_format(0), nest.has_format(1)) == (0, True, False)
    body = nest.encode_value(NESTED, 0)
    read = nest.decode_value(body, 0)
    assert read["n"] == ("text", "5")
    assert read["f"].lower == ("binary", builtin_codec(701).encode_value(1.5))
    assert read["pairs"][0]["a"] == ("text", "1")


def test_formats_that_cannot_meet_are_refused_when_they_are_used(cache):
    registry = CodecRegistry(cache)
    registry.map("public", "label", UserFunctions("binary", bytes, bytes))
    registry.set(1700, custom_codec(builtin_codec(1700), "text", str, Decimal))
    odd = registry.codec(ODD)
    # numeric is taken across to binary by its built-in codec.
    assert (odd.has_format(0), odd.has_format(1)) == (False, True)
    assert odd.decode_value(odd.encode_value((None, b"x", Decimal(5)))) == (None, b"x", Decimal(5))


def test_a_mapping_by_name_follows_the_type_to_a_new_oid(cache):
    registry = CodecRegistry(cache)
    registry.map(None, "mood", Mood)
    registry.map("app", "pair", dict)
    assert registry.codec(MOODS).decode_value(b"{sad}", 0) == [Mood.sad]
    assert both(registry.codec(NEST), (Mood.sad, [{"a": 1, "doc": None}], None, None)) == (
        Mood.sad, [{"a": 1, "doc": None}], None, None)
    cache.learn([TypeFacts(95000, "mood", "public", "e", 0, ",", True)])
    assert registry.codec(95000).decode_value(b"sad") is Mood.sad
    assert registry.unmap(None, "mood")
    assert not registry.unmap(None, "mood")
    assert registry.codec(95000).decode_value(b"sad") == "sad"


def test_a_name_without_a_schema_means_the_visible_type_only(cache):
    registry = CodecRegistry(cache, {(None, "pair"): dict})
    assert registry.codec(PAIR).decoder is None
    assert CodecRegistry(cache, {("app", "pair"): dict}).codec(PAIR).decoder is dict


def test_an_alias_reads_as_the_other_type_and_keeps_its_name(cache):
    registry = CodecRegistry(cache, {(None, "label"): Alias(None), (None, "positive"): Alias(builtin_codec(25))})
    label = registry.codec(LABEL)
    assert (label.name, label.oid) == ("label", LABEL)
    assert label.decode_value(label.encode_value({"a": None})) == {"a": None}
    assert registry.codec(LABELS).decode_value(registry.codec(LABELS).encode_value([{"a": "1"}])) == [{"a": "1"}]
    assert registry.codec(POSITIVE).decode_value(b"x") == "x"


@pytest.mark.parametrize(("name", "mapping"), [("pair", Mood), ("frange", str), ("mood", 5), ("_mood", list)])
def test_a_mapping_that_does_not_fit_its_type_is_refused(cache, name, mapping):
    registry = CodecRegistry(cache, {(None, name): mapping, ("app", name): mapping})
    oid = next(fact.oid for fact in FACTS if fact.name == name)
    with pytest.raises(InterfaceError, match=f"{name} (is no enum|cannot be mapped)"):
        registry.codec(oid)


def test_another_callable_makes_a_scalar_of_its_text(cache):
    registry = CodecRegistry(cache, {(None, "label"): lambda text: ("label", text)})
    assert registry.codec(LABEL).decode_value(b"x", 0) == ("label", "x")
    assert registry.codec(LABEL).encode_value(5, 0) == b"5"


def test_a_changed_type_makes_everything_forgotten_and_dependents_told(cache):
    class Dependent:
        cleared = 0

        def clear(self):
            self.cleared += 1

    dependent = Dependent()
    cache.dependents.add(dependent)
    registry = CodecRegistry(cache)
    before = registry.codec(PAIR)
    cache.learn([FACTS[2]])
    assert (registry.codec(PAIR) is before, dependent.cleared) == (True, 0)
    cache.learn([TypeFacts(PAIR, "pair", "app", "c", 0, ",", False, ("a",), (23,))])
    assert dependent.cleared == 1
    assert registry.codec(PAIR).shape.names == ("a",)
    assert registry.codec(NEST) is None
    assert cache.named("pair", "app").oids == (23,)
    assert cache.named("nest", "public") is None
    with pytest.raises(OutdatedSchemaCacheError):
        registry.codec(PAIR).decode_value(before.encode_value((1, "{}")))


def test_types_that_contain_themselves_are_refused():
    registry = CodecRegistry()
    registry.types.learn([TypeFacts(99999, "loop", "public", "c", 0, ",", True, ("a",), (99999,)),
                          TypeFacts(99998, "d", "public", "d", 99998, ",", True)])
    for oid in (99999, 99998):
        with pytest.raises(ProtocolError, match="nested deeper than 512"):
            registry.codec(oid)


ROW = {"oid": PAIR, "name": "pair", "schema": "app", "typtype": "c", "inner": 0, "delimiter": ",", "is_visible": True,
       "names": ["a", "b"], "oids": [23, 25]}


@pytest.mark.parametrize("wrong", [
    {"names": ["a"]}, {"names": ["a", None]}, {"names": [["a"], ["b"]]}, {"names": None}, {"oids": [23, None]},
    {"oids": [23]}, {"oids": None}, {"oids": ["23", "25"]}, {"names": 5}, {"name": None}, {"schema": None},
    {"typtype": None}, {"inner": None}, {"inner": "0"}, {"delimiter": None}, {"delimiter": ""}, {"delimiter": ", "},
    {"delimiter": "\N{SNOWMAN}"}, {"oid": None}])
def test_what_a_catalogue_says_is_refused_if_no_codec_can_be_made_of_it(wrong):
    assert read_facts([ROW])[0].names == ("a", "b")
    with pytest.raises(ProtocolError, match="catalogue"):
        read_facts([ROW | wrong])
    with pytest.raises(ProtocolError, match="other columns than it was asked for"):
        read_facts([{name: value for name, value in ROW.items() if name not in wrong}])


def test_a_domain_over_record_finds_the_types_of_its_elements():
    registry = CodecRegistry()
    registry.types.learn([TypeFacts(99997, "d", "public", "d", 2249, ",", True)])
    assert registry.codec(99997).decode_value(b"\0\0\0\1\0\0\0\x17\0\0\0\4\0\0\0\5") == (5,)


def test_a_registry_and_its_record_codec_are_collected():
    class Holder:
        pass

    registry = CodecRegistry()
    holder = Holder()
    registry.set(23, custom_codec(builtin_codec(23), "text", str, lambda text, holder=holder: text))
    assert registry.codec(2249).name == "record"
    seen = weakref.ref(holder)
    del registry, holder
    gc.collect()
    assert seen() is None


def test_mutated_and_cut_bodies_of_nested_types_end_in_a_value_or_a_typed_error(cache):
    registry = CodecRegistry(cache)
    registry.set(3802, json_codec(3802, encoder=json.dumps, decoder=json.loads))
    values = {NEST: ("sad", [(1, {"a": 1}), None], 5, Range(1.5, None)), FMULTI: [(1, 2), ()], MOODS: ["sad", None],
              ODD: (("sad", None, None, None), "x", Decimal(1))}
    bodies = [(oid, format, registry.codec(oid).encode_value(value, format)) for oid, value in values.items()
              for format in (0, 1) if registry.codec(oid).has_format(format)]
    bodies.append((2249, 1, b"\0\0\0\2\0\0\x08\xc9\0\0\0\4\0\0\0\0\0\0\0\x17\0\0\0\4\0\0\0\1"))
    tape = random.Random(20000101)
    tracemalloc.start()
    for oid, format, body in bodies:
        codec = registry.codec(oid)
        cuts = [body[:n] for n in range(len(body))]
        for change in (*cuts, *range(2000)):
            mutated = bytearray(body if isinstance(change, int) else change)
            for _ in range(tape.randint(1, 3) if isinstance(change, int) else 0):
                at = tape.randrange(len(mutated))
                if tape.random() < 0.25:
                    mutated[at:at] = tape.randbytes(tape.randint(1, 4))
                else:
                    mutated[at] = tape.choice([0, 0x7F, 0x80, 0xFF, tape.randrange(256)])
            try:
                codec.decode_value(bytes(mutated), format)
            except (ValueError, OverflowError, OutdatedSchemaCacheError):
                pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 << 20
