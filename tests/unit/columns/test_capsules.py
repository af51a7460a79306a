"""What is handed over: capsules that can be dropped, used, moved and used again, and memory that is freed once."""
import ctypes
import gc
import os
import sys
import threading
import tracemalloc

import pytest

from pgproto.codecs.catalogue import TypeFacts
from pgproto.columns.sink import ColumnSink
from pgproto.errors import InterfaceError
from tests.support.arrow_reader import Array, Schema, capsule_pointer, read, release, values_of
from tests.unit.columns.rows import OID, array, composite, read_rows, row, statement

PAIR = TypeFacts(70003, "pair", "public", "c", 0, ",", True, ("a", "b"), (OID["int4"], OID["text"]))
MOOD = TypeFacts(70001, "mood", "public", "e", 0, ",", True)
DESCRIBED = statement("int4", "text", "_int4", 70003, 70001, facts=(PAIR, MOOD))
ROW = row(b"\0\0\0\1", b"word", array(OID["int4"], b"\0\0\0\1", None),
          composite((OID["int4"], b"\0\0\0\2"), (OID["text"], b"x")), b"sad")
VALUES = (1, "word", [1, None], (2, "x"), "sad")


def result(n_rows=3, bytes_max=0):
    sink = ColumnSink(bytes_max=bytes_max)
    for _ in range(n_rows):
        sink.feed(DESCRIBED, ROW)
    return sink.columns(DESCRIBED)


def taken(batch):
    """The structures of a batch, moved out of their capsules as a consumer does."""
    schema_capsule, array_capsule = batch.__arrow_c_array__()
    schema, moved = Schema(), Array()
    for capsule, name, to in ((schema_capsule, b"arrow_schema", schema), (array_capsule, b"arrow_array", moved)):
        where = capsule_pointer(capsule, name)
        ctypes.memmove(ctypes.addressof(to), where, ctypes.sizeof(to))
        type(to).from_address(where).release = None
    return schema, moved


def test_a_result_says_what_it_has():
    columns = result(3, 100)
    assert len(columns) == columns.num_rows == 3
    assert columns.num_columns == 5
    assert columns.column_names == ("c0", "c1", "c2", "c3", "c4")
    assert [len(batch) for batch in columns.batches] == [1, 1, 1]
    assert columns.batches[0].column_names == columns.column_names
    assert (columns.batches[0].num_rows, columns.batches[0].num_columns) == (1, 5)
    assert columns.nbytes == sum(batch.nbytes for batch in columns.batches) > 0
    assert repr(columns) == "<Columns of 3 rows: c0, c1, c2, c3, c4>"
    assert repr(columns.batches[0]) == "<ColumnBatch of 1 rows, 5 columns>"


def test_a_result_can_be_read_again_and_again_as_a_whole_and_by_batch():
    columns = result(4, 100)
    for _ in range(3):
        assert read(columns).rows == [VALUES] * 4
    assert [read(batch).rows for batch in columns.batches] == [[VALUES]] * 4


def test_a_result_without_rows_or_columns_is_one_all_the_same():
    assert read(result(0)).names == ["c0", "c1", "c2", "c3", "c4"]
    assert read(result(0)).batches == []
    assert read_rows(statement(), row(), row()).lengths == [2]


def test_capsules_that_nobody_takes_release_themselves():
    columns = result()
    for make in (columns.__arrow_c_stream__, columns.__arrow_c_schema__, columns.batches[0].__arrow_c_array__,
                 columns.batches[0].__arrow_c_stream__, columns.batches[0].__arrow_c_schema__):
        for _ in range(100):
            make()
    assert read(columns).rows == [VALUES] * 3


def test_an_array_outlives_the_result_it_is_of():
    schema, moved = taken(result().batches[0])
    gc.collect()
    assert values_of(schema.children[1].contents, moved.children[1].contents) == ["word"] * 3
    release(moved)
    release(schema)


def test_children_that_were_moved_outlive_their_parent():
    schema, moved = taken(result().batches[0])
    kept = []
    for number in range(5):
        child_schema, child = Schema(), Array()
        for source, to in ((schema.children[number].contents, child_schema), (moved.children[number].contents, child)):
            ctypes.memmove(ctypes.addressof(to), ctypes.addressof(source), ctypes.sizeof(to))
            source.release = None
        kept.append((child_schema, child))
    release(moved)
    release(schema)
    assert [values_of(*pair)[2] for pair in kept] == list(VALUES)
    for child_schema, child in kept:
        release(child)
        release(child_schema)


def test_arrays_are_released_from_any_thread():
    columns = result(50, 1000)
    arrays = [taken(batch) for batch in columns.batches for _ in range(20)]
    del columns

    def let_go(part):
        for schema, moved in part:
            release(moved)
            release(schema)

    threads = [threading.Thread(target=let_go, args=(arrays[number::4],)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
@pytest.mark.skipif("libasan" in os.environ.get("LD_PRELOAD", ""), reason="missing feature: memory given back at once")
def test_memory_is_given_back_by_all_who_had_it():
    long = row(b"\0\0\0\1", b"x" * 5_000_000, None, None, None)

    def once():
        sink = ColumnSink()
        for _ in range(2):
            sink.feed(DESCRIBED, long)
        columns = sink.columns(DESCRIBED)
        first, second = taken(columns.batches[0]), taken(columns.batches[0])
        unused = columns.__arrow_c_stream__()
        read_back = columns.batches[0].values(0)
        release(first[1])
        release(first[0])
        del columns, sink, unused, read_back
        release(second[1])
        release(second[0])

    once()
    before = resident()
    for _ in range(10):
        once()
    assert resident() - before < 8_000_000


def test_no_python_object_is_made_per_value():
    sink = ColumnSink()
    sink.feed(DESCRIBED, ROW)
    tracemalloc.start()
    try:
        for _ in range(20_000):
            sink.feed(DESCRIBED, ROW)
        n_bytes = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert n_bytes < 10_000


def test_buffers_of_numbers_are_shared_and_those_of_text_are_not_there():
    columns = result()
    batch, = columns.batches
    values = memoryview(batch.values(0))
    assert (values.format, values.itemsize, values.shape, values.tolist()) == ("i", 4, (3,), [1, 1, 1])
    assert batch.validity(0) is None
    for number in (1, 2, 3, 4):
        with pytest.raises(TypeError, match="not of a fixed size"):
            batch.values(number)
    for number in (-1, 5):
        with pytest.raises(IndexError):
            batch.values(number)
        with pytest.raises(IndexError):
            batch.validity(number)
    del columns, batch
    assert values.tolist() == [1, 1, 1]


def test_a_validity_is_there_where_a_value_is_not():
    sink = ColumnSink()
    described = statement("bool")
    for body in (b"\1", None, b"\0"):
        sink.feed(described, row(body))
    batch, = sink.columns(described).batches
    assert memoryview(batch.validity(0))[0] & 7 == 0b101
    assert memoryview(batch.values(0))[0] & 7 == 0b001


def test_options_that_are_none_are_refused():
    from pgproto.columns.plan import column_options
    assert column_options("decimal128(38, 9)", "null", "error").numeric == (38, 9)
    assert column_options([10, 0], "error", "null").numeric == (10, 0)
    for numeric in ("float", "decimal128(39,1)", (0, 0), (5, 6), (5, -1), (5,), 7, None, "decimal128(a,b)", (None, 1)):
        with pytest.raises(InterfaceError, match="numeric is expected"):
            column_options(numeric, "error", "error")
    for name in ("infinity", "nan"):
        with pytest.raises(InterfaceError, match=f"{name} is expected to be 'error' or 'null', got 'ignore'"):
            column_options("auto", **{"infinity": "error", "nan": "error", name: "ignore"})
