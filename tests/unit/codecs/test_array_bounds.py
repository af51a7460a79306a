"""Arrays that are not counted from 1 are plain lists, or Arrays that keep their bounds if that is asked for."""
import copy
import pickle

import pytest

from pgproto.codecs.registry import CodecRegistry, builtin_codec
from pgproto.types import Array

TEXTS = [
    ("[0:2]={1,2,3}", Array([1, 2, 3], (0,))),
    ("[-5:-4]={7,NULL}", Array([7, None], (-5,))),
    ("[0:1][1:2]={{1,2},{3,4}}", Array([[1, 2], [3, 4]], (0, 1))),
    ("[2147483646:2147483647]={1,2}", Array([1, 2], (2147483646,))),
    ("[-2147483648:-2147483648]={1}", Array([1], (-2147483648,))),
]


@pytest.fixture
def keeping():
    registry = CodecRegistry()
    registry.keep_array_bounds()
    return registry.codec(1007)


@pytest.mark.parametrize(("text", "array"), TEXTS)
def test_bounds_come_and_go_in_both_formats(keeping, text, array):
    for read in (keeping.decode_value(text.encode(), 0), keeping.decode_value(keeping.encode_value(array))):
        assert type(read) is Array
        assert (list(read), read.lower_bounds) == (list(array), array.lower_bounds)
        assert keeping.decode_value(keeping.encode_value(read, 0), 0).lower_bounds == array.lower_bounds


@pytest.mark.parametrize(("text", "array"), TEXTS)
def test_bounds_are_dropped_unless_asked_for_but_written_as_they_are(text, array):
    codec = builtin_codec(1007)
    assert type(codec.decode_value(text.encode(), 0)) is list
    assert type(codec.decode_value(codec.encode_value(array))) is list
    assert codec.encode_value(array) == CodecRegistry().codec(1007).encode_value(array)


def test_arrays_counted_from_one_are_plain_lists_either_way(keeping):
    for text in ("{1,2}", "[1:2]={1,2}", "{}"):
        assert type(keeping.decode_value(text.encode(), 0)) is list
    assert keeping.encode_value(Array([1, 2])) == keeping.encode_value([1, 2])
    assert keeping.encode_value(Array([], (0,))) == keeping.encode_value([])
    assert keeping.encode_value(Array([], (0,)), 0) == b"{}"


def test_an_array_is_a_list_that_can_be_copied_and_pickled():
    array = Array([1, 2, 3], lower_bounds=[0])
    assert array == [1, 2, 3]
    assert repr(array) == "Array([1, 2, 3], lower_bounds=(0,))"
    for twin in (copy.copy(array), copy.deepcopy(array), pickle.loads(pickle.dumps(array))):
        assert (twin, type(twin), twin.lower_bounds) == (array, Array, (0,))


@pytest.mark.parametrize(("array", "kind", "says"), [
    (Array([[1], [2]], (0,)), ValueError, "a lower bound for each of 2 dimensions was expected, got 1"),
    (Array([1], (0, 0)), ValueError, "a lower bound for each of 1 dimensions was expected, got 2"),
    (Array([1], (0,) * 7), ValueError, "too many lower bounds"),
    (Array([1], (2**31,)), OverflowError, "a lower bound of 32 bits"),
    (Array([1, 2], (2**31 - 1,)), OverflowError, "an upper bound of 32 bits"),
])
def test_bounds_that_no_array_has_are_refused(array, kind, says):
    for format in (0, 1):
        with pytest.raises(kind, match=says):
            builtin_codec(1007).encode_value(array, format)


def test_a_codec_laid_over_the_element_keeps_the_bounds_of_its_arrays():
    registry = CodecRegistry()
    registry.keep_array_bounds()
    registry.set(23, builtin_codec(20))
    read = registry.codec(1007).decode_value(b"[0:0]={9000000000}", 0)
    assert (read, read.lower_bounds) == ([9000000000], (0,))
    registry.reset(23)
    assert registry.codec(1007).element is builtin_codec(23)
    assert registry.codec(1007).keeps_bounds
    assert registry.codec(1007) is registry.codec(1007)
    assert not CodecRegistry().codec(1007).keeps_bounds
