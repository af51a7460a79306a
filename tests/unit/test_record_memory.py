"""Records leave memory as they found it, stay out of the collector when asked, and live in one interpreter."""
import copy
import gc
import importlib
import importlib.util
import operator
import subprocess
import sys
import sysconfig
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pgproto import record
from pgproto.record import Record, RowShape, make_record
from tests.unit.test_record import Plain, Slim, outcome, row

FAILING: list[Callable[[Any], object]] = [
    lambda r: r[5], lambda r: r["z"], lambda r: r[[]], lambda r: r < (1, 2), lambda r: r < 1, lambda r: r.get(),
]


LAYOUT_IS_KNOWN = (sys.implementation.name == "cpython" and sys.version_info < (3, 15)
                   and not sysconfig.get_config_var("Py_GIL_DISABLED") and not hasattr(sys, "gettotalrefcount"))


@pytest.fixture(params=["in place", "by the collector"])
def way(request: pytest.FixtureRequest) -> Iterator[str]:
    wanted = request.param == "in place"
    assert record.use_layout(wanted) == (wanted and LAYOUT_IS_KNOWN)
    yield request.param
    record.use_layout(True)


def test_row_holds_one_reference_to_each_value_and_returns_it(way: str) -> None:
    value, shape = object(), RowShape(["a", "b"])
    before = sys.getrefcount(value), sys.getrefcount(shape)
    for cls in (Record, Plain, Slim):
        for track in (True, False):
            rec: Any = make_record(shape, (value, value), cls, track)
            assert (sys.getrefcount(value), sys.getrefcount(shape)) == (before[0] + 2, before[1] + 1)
            for _ in range(3):
                _ = rec[0], rec["a"], rec[:], rec.get("a"), "a" in rec, list(rec), list(rec.items()), hash(rec)
                _ = repr(rec), rec == (value, value), rec < (value, value), rec.__reduce__(), dict(rec), copy.copy(rec)
                for failing in FAILING:
                    outcome(lambda rec=rec, failing=failing: failing(rec))  # type: ignore[misc]
            del _, rec
            gc.collect()
            assert (sys.getrefcount(value), sys.getrefcount(shape)) == before


def young() -> int:
    """How many objects the collector counts as young."""
    return gc.get_count()[0]


@pytest.fixture
def idle_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.skipif(not LAYOUT_IS_KNOWN, reason="missing feature: a known layout, as 3.10 to 3.14 have")
def test_rows_of_leaves_are_not_counted_as_young_objects_neither_made_nor_dropped(idle_collector: None) -> None:
    from pgproto.codecs.registry import CodecRegistry
    from pgproto.messages.backend import Column
    from pgproto.statement import Statement

    statement = Statement("x", "", (), (Column("a", 0, 0, 20, 8, -1, 1),), CodecRegistry())
    body = b"\0\1\0\0\0\x08" + bytes(8)
    others = [[] for _ in range(1000)]  # type: ignore[var-annotated]
    before = young()
    rows = [statement.decode(body) for _ in range(500)]
    assert young() - before < 50
    rows.clear()
    assert abs(young() - before) < 50
    others.clear()


def test_rows_in_the_collector_are_counted(idle_collector: None) -> None:
    shape = RowShape(["a"])
    before = young()
    rows = [make_record(shape, (1,)) for _ in range(500)]
    assert young() - before >= 500
    rows.clear()
    assert abs(young() - before) < 50


def test_a_row_of_leaves_can_be_handed_to_the_collector_later(way: str) -> None:
    made = make_record(RowShape(["a"]), ([],), Record, False)
    assert copy.copy(made) == made and gc.is_tracked(copy.deepcopy(made)) and not gc.is_tracked(made)


def test_untracked_row_stays_outside_the_collector(way: str) -> None:
    rec = row(track=False, a=1)
    _ = hash(rec), list(rec.items()), repr(rec), rec == (1,)
    gc.collect()
    assert not gc.is_tracked(rec)
    assert gc.is_tracked(row(a=1))
    assert not gc.is_tracked(RowShape(["a"]))


def test_row_of_a_subclass_is_always_tracked() -> None:
    assert gc.is_tracked(row(Plain, track=False, a=1)) and gc.is_tracked(row(Slim, track=False, a=1))


@pytest.mark.parametrize("cls", [Record, Plain, Slim])
def test_cycle_through_a_value_is_collected(cls: type[Record]) -> None:
    class Witness:
        pass

    gc.collect()
    inner: list[Any] = [Witness()]
    inner.append(row(cls, a=inner))
    del inner
    gc.collect()
    assert not any(type(it) is Witness for it in gc.get_objects())


def test_cycle_through_the_dict_of_a_subclass_instance_is_collected() -> None:
    died = []

    class Final(Record):
        def __del__(self) -> None:
            died.append(self[0])

    rec: Any = row(Final, a=1)
    rec.me = rec
    del rec
    gc.collect()
    assert died == [1]


def test_cycle_through_an_iterator_is_collected() -> None:
    died = []

    class Final(Record):
        def __del__(self) -> None:
            died.append(True)

    for start in (iter, Record.items):
        inner: list[Any] = []
        inner.append(start(row(Final, a=inner)))
        del inner
    gc.collect()
    assert died == [True, True]


def test_rows_nested_deeply_are_freed_compared_and_hashed_without_a_crash() -> None:
    shape = RowShape(["a"])
    for track in (True, False):
        rec, other = make_record(shape, (1,), Record, track), make_record(shape, (1,), Record, track)
        for _ in range(200_000):
            rec, other = make_record(shape, (rec,), Record, track), make_record(shape, (other,), Record, track)
        for call in (lambda a=rec: hash(a), lambda a=rec: repr(a), lambda a=rec, b=other: a == b):
            with pytest.raises(RecursionError):
                call()
        del rec, other, call
    deep: Record = make_record(shape, (1,), Plain)
    for _ in range(100_000):
        deep = make_record(shape, (deep,), Plain)
    del deep


def test_row_takes_eight_bytes_per_value_and_no_more_than_a_tuple_and_a_pointer() -> None:
    pointer = operator.sub(sys.getsizeof((1, 2)), sys.getsizeof((1,)))
    assert sys.getsizeof(row(a=1, b=2)) - sys.getsizeof(row(a=1)) == pointer
    assert sys.getsizeof(row()) <= sys.getsizeof(()) + 2 * pointer  # 3.14 keeps a tuple's hash in it


def test_hundred_thousand_rows_take_the_memory_of_their_slots_and_give_it_back() -> None:
    shape = RowShape(["a", "b", "c"])
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        rows = [make_record(shape, (None, True, 1), Record, False) for _ in range(100_000)]
        taken = tracemalloc.get_traced_memory()[0] - before
        assert taken < 100_000 * (sys.getsizeof(rows[0]) + 8) * 1.15
        del rows
        assert tracemalloc.get_traced_memory()[0] - before < 100_000
    finally:
        tracemalloc.stop()


# --- threads, modules, interpreters


def test_iterator_shared_by_threads_gives_each_value_once() -> None:
    n = 5000
    rec = make_record(RowShape(f"c{i}" for i in range(n)), range(n))
    shared = rec.items()
    seen: list[list[tuple[str, int]]] = [[] for _ in range(4)]
    threads = [threading.Thread(target=lambda mine=mine: mine.extend(shared)) for mine in seen]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(i for mine in seen for _, i in mine) == list(range(n))


def test_rows_of_one_shape_can_be_used_in_many_threads() -> None:
    shape = RowShape(["a", "b"])
    failures: list[object] = []

    def work() -> None:
        for i in range(2000):
            rec = make_record(shape, (i, str(i)))
            same = rec["a"] == i and rec == (i, str(i)) and hash(rec) == hash((i, str(i)))
            if not same or dict(rec) != {"a": i, "b": str(i)}:
                failures.append(rec)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert failures == []


def test_module_reloaded_or_imported_again_gives_the_same_types() -> None:
    rec = row(a=1)
    assert importlib.reload(record).Record is Record
    saved = sys.modules.pop("pgproto.record")
    try:
        again = importlib.import_module("pgproto.record")
        assert again.Record is Record and again.make_record(RowShape(["a"]), (1,)) == rec
    finally:
        sys.modules["pgproto.record"] = saved
        sys.modules["pgproto"].record = saved  # type: ignore[attr-defined]


def test_module_under_another_name_is_an_import_error() -> None:
    spec = importlib.util.spec_from_file_location("elsewhere.record", record.__file__)
    assert spec is not None and spec.loader is not None
    with pytest.raises(ImportError, match=r"must be imported as pgproto\.record, not as elsewhere\.record$"):
        spec.loader.exec_module(importlib.util.module_from_spec(spec))


@pytest.mark.parametrize("main_first", [True, False])
def test_module_in_a_second_interpreter_is_an_import_error(main_first: bool) -> None:
    script = f"""
import sys
try:
    import _xxsubinterpreters as interpreters
except ImportError:
    import _interpreters as interpreters
if {main_first}:
    import pgproto.record
sub = interpreters.create()
code = '''
import sys
sys.path[:] = {sys.path!r}
try:
    import pgproto.record
except ImportError as error:
    print("refused in the second:", error, flush=True)
else:
    print("loaded", pgproto.record.make_record(pgproto.record.RowShape(["a"]), (1,)), flush=True)
'''
getattr(interpreters, "run_string", None)(sub, code)
interpreters.destroy(sub)
try:
    from pgproto.record import RowShape, make_record
    print(make_record(RowShape(["a"]), (1,)))
except ImportError as error:
    print("refused in the main:", error)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "interpreter" in done.stdout and done.stdout.count("refused") == 1
    assert done.stdout.count("<Record a=1>") == 1
