import collections
import struct

import pytest

from pgproto.codecs.arrays import array_codec
from pgproto.codecs.json import json_codec
from pgproto.codecs.registry import builtin_codec
from pgproto.codecs.text_fallback import text_codec
from pgproto.errors import MalformedBody, OutOfRange

INT4S = builtin_codec(1007)


def both(codec, value):
    """What a value reads back as, which both formats must agree on."""
    results = [codec.decode_value(codec.encode_value(value, format), format) for format in (0, 1)]
    assert results[0] == results[1]
    return results[0]


@pytest.mark.parametrize(("value", "read"), [
    ([], []), ((), []), ([[], []], []), ([[[]]], []), ((1, 2), [1, 2]), (range(3), [0, 1, 2]), ({1}, [1]),
    (collections.deque([1, None]), [1, None]), ([[1, None], [None, 2]], [[1, None], [None, 2]]), ({1: 2}.keys(), [1]),
    ([[[[[[1]]]]]], [[[[[[1]]]]]]), ([range(2), range(2)], [[0, 1], [0, 1]]), ([None], [None]),
])
def test_sized_iterables_are_arrays(value, read):
    assert both(INT4S, value) == read


@pytest.mark.parametrize(("value", "kind", "text"), [
    (5, TypeError, "sized iterable container expected, got int"),
    ("123", TypeError, "got str"), (b"123", TypeError, "got bytes"), (bytearray(b"1"), TypeError, "got bytearray"),
    (memoryview(b"1"), TypeError, "got memoryview"), ({1: 2}, TypeError, "got dict"),
    (iter([1]), TypeError, "iterator"),
    ([[1], [2, 3]], ValueError, "non-homogeneous array: 1 items were expected at index .1., got 2"),
    ([[1], 2], ValueError, "non-homogeneous"), ([1, [2]], ValueError, "non-homogeneous"),
    ([[1], None], ValueError, "non-homogeneous"), ([None, [1]], ValueError, "non-homogeneous"),
    ([[], [1]], ValueError, "non-homogeneous"), ([[1], []], ValueError, "non-homogeneous"),
    ([[1], (2,)], ValueError, "non-homogeneous"),
    ([[[[[[[1]]]]]]], ValueError, "dimensions"),
    (["a"], TypeError, "invalid array element at index 0: an integer is required, got str"),
    ([[1, 2], [3, "a"]], TypeError, r"invalid array element at index \[1\]\[1\]: an integer is required, got str"),
    ([1, 2**31], OverflowError, "invalid array element at index 1: value out of int32 range"),
    ([(1, 2)], TypeError, "invalid array element at index 0: an integer is required, got tuple"),
    ([1.5], ValueError, "invalid array element at index 0: a whole number"),
])
def test_what_is_no_array_of_the_type_is_refused_by_name(value, kind, text):
    for format in (0, 1):
        with pytest.raises(kind, match=text):
            INT4S.encode_value(value, format)


def test_an_array_that_contains_itself_is_refused():
    value = []
    value.append(value)
    for format in (0, 1):
        with pytest.raises(ValueError, match="dimensions"):
            INT4S.encode_value(value, format)


class Liar:
    def __init__(self, length, items):
        self.length, self.items = length, items

    def __len__(self):
        return self.length

    def __iter__(self):
        return iter(self.items)


@pytest.mark.parametrize("length", [0, 1, 3, 2**40])
def test_a_container_whose_length_lies_is_refused(length):
    for format in (0, 1):
        with pytest.raises(ValueError, match="has a length of"):
            INT4S.encode_value(Liar(length, [1, 2]), format)


def test_an_endless_container_is_refused():
    def forever():
        while True:
            yield 1

    with pytest.raises(ValueError, match="gives more items"):
        INT4S.encode_value(Liar(3, forever()))


def test_what_a_container_raises_comes_out_as_it_is():
    class Broken(Liar):
        def __iter__(self):
            raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        INT4S.encode_value(Broken(1, []))


def test_an_element_that_changes_the_array_while_it_is_written_does_no_harm():
    class Clearing:
        def __index__(self):
            value.clear()
            return 7

    value = [Clearing(), 2, 3]
    assert INT4S.decode_value(INT4S.encode_value(value)) == [7, 2, 3]


def test_the_error_of_an_element_names_its_index_when_it_is_read():
    body = struct.pack("!iii", 2, 0, 1082) + struct.pack("!iiii", 2, 1, 1, 1) + struct.pack("!iiii", 4, 0, 4, 2921940)
    with pytest.raises(OutOfRange, match=r"invalid array element at index \[1\]\[0\]: date 10000-01-01"):
        builtin_codec(1182).decode_value(body)
    with pytest.raises(OutOfRange, match="invalid array element at index 1: date 10000-01-01"):
        builtin_codec(1182).decode_value(b"{2000-01-01,10000-01-01}", 0)
    with pytest.raises(MalformedBody, match="invalid array element at index 0: "):
        INT4S.decode_value(struct.pack("!iiiiii", 1, 0, 23, 1, 1, 3) + b"abc")


@pytest.mark.parametrize("texts", [["", "NULL", "null", 'a"b', "a\\b", "{", "}", ",", " a ", None, "é€😀", "\n"]])
def test_any_text_survives_in_an_array(texts):
    assert both(builtin_codec(1009), texts) == texts
    assert both(builtin_codec(1009), [texts, texts]) == [texts, texts]


def test_an_element_that_has_only_text_has_arrays_in_text_with_its_own_delimiter():
    box = text_codec(603, "box")
    box.delimiter = ord(";")
    boxes = array_codec(1020, box)
    assert boxes.has_format(0)
    assert not boxes.has_format(1)
    assert boxes.preferred == 0
    assert boxes.name == "box[]"
    assert boxes.decode_value(b"{(1,1),(0,0);(2,2),(1,1)}", 0) == ["(1,1),(0,0)", "(2,2),(1,1)"]
    assert boxes.decode_value(boxes.encode_value(["(1,1),(0,0)", None], 0), 0) == ["(1,1),(0,0)", None]


def test_lists_of_a_json_array_are_dimensions_and_tuples_are_values():
    codec = builtin_codec(3807)
    assert both(codec, [{"a": 1}, (1, 2), "3"]) == ['{"a": 1}', "[1, 2]", "3"]
    assert both(codec, [["1"], ["2"]]) == [["1"], ["2"]]


@pytest.mark.parametrize(("text", "value"), [
    (b"[0:1]={1,2}", [1, 2]), (b"[-1:0]={1,2}", [1, 2]), (b"[-3:-2]={1,2}", [1, 2]), (b"[5:5][2:3]={{1,2}}", [[1, 2]]),
])
def test_bounds_in_a_text_are_checked_and_dropped(text, value):
    assert INT4S.decode_value(text, 0) == value


@pytest.mark.parametrize(("text", "expected"), [
    (b"[1:1]={}", "as many elements as the bounds say"), (b"[1:2]={1}", "2 items"), (b"[1:1]={{1}}", "as many braces"),
    (b"[1:0]={1}", "bounds like"), (b"[:1]={1}", "bounds like"), (b"[1:]={1}", "bounds like"),
    (b"[1-1]={1}", "bounds like"), (b"[1:1={1}", "bounds like"), (b"[1:1]{1}", "bounds like"),
    (b"[1:1]" * 7 + b"={1}", "more than 6 dimensions"), (b"{" * 7 + b"1" + b"}" * 7, "more than 6 dimensions"),
])
def test_a_text_whose_bounds_do_not_fit_is_malformed(text, expected):
    with pytest.raises(MalformedBody, match=expected):
        INT4S.decode_value(text, 0)


def test_what_a_users_decoder_raises_for_an_element_comes_out_as_it_is():
    failure = ValueError("not today")

    def refuse(text):
        raise failure

    documents = array_codec(199, json_codec(114, decoder=refuse))
    for format, body in ((0, b"{1}"), (1, builtin_codec(199).encode_value(["1"]))):
        with pytest.raises(ValueError) as caught:
            documents.decode_value(body, format)
        assert caught.value is failure
