"""Records and row shapes: a row behaves as the tuple of its values, plus names; and it leaves memory as it found it."""
import copy
import gc
import operator
import pickle
import sys
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgproto import record
from pgproto.record import Record, RowShape, check_record_class, make_record


class Plain(Record):
    """A subclass whose instances have a __dict__."""


class Slim(Record):
    """A subclass whose instances have none."""

    __slots__ = ()


class Text(str):
    pass


class Index:
    def __index__(self) -> int:
        return 1


class Explosive:
    def __hash__(self) -> int:
        raise RuntimeError("no hash today")

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("no comparison today")

    def __repr__(self) -> str:
        raise RuntimeError("no repr today")


def row(cls: type[Record] = Record, /, track: bool = True, **columns: object) -> Record:
    return make_record(RowShape(columns), columns.values(), cls, track)


def outcome(call: Callable[[], object]) -> tuple[str, object]:
    """What the call returns, or the type and arguments of what it raises."""
    try:
        return "returned", call()
    except Exception as error:
        return type(error).__name__, error.args


VALUES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5)
NAMES = st.sampled_from(["a", "b", "c", "", "ä", "?column?"])
COLUMNS = st.lists(st.tuples(NAMES, VALUES), max_size=8)
COMPARISONS = [operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge]


# --- RowShape


def test_shape_names_are_a_tuple_of_exact_str() -> None:
    shape = RowShape(iter(["a", Text("b")]))
    assert shape.names == ("a", "b")
    assert [type(name) for name in shape.names] == [str, str]
    assert len(shape) == 2
    assert repr(shape) == "RowShape(('a', 'b'))"


def test_shape_duplicates_are_named_once_each() -> None:
    assert RowShape(["a", "b", "a", "c", "a", "c"]).duplicates == ("a", "c")
    assert RowShape(["a", "b"]).duplicates == ()


def test_shape_of_many_duplicates_takes_linear_time() -> None:
    names = [f"c{i % 16000}" for i in range(32000)]
    assert len(RowShape(names).duplicates) == 16000


@pytest.mark.skipif(sys.version_info[:2] == (3, 12) or not getattr(sys, "_is_gil_enabled", lambda: True)(),
                    reason="missing feature: interned strings that can be freed")
def test_shape_names_are_interned() -> None:
    name = "-column_one"[1:]  # cut at run time, so not interned yet
    assert RowShape([name]).names[0] is sys.intern("column_one")


@pytest.mark.parametrize(("names", "text"), [
    ("abc", "names must be an iterable of str, not a single str"),
    (["a", 1], "column name 1 must be str, got int"),
    ([b"a"], "column name 0 must be str, got bytes"),
    (5, "'int' object is not iterable"),
])
def test_shape_refuses_what_is_not_names(names: Any, text: str) -> None:
    with pytest.raises(TypeError, match=f"^{text}"):
        RowShape(names)


def test_shape_is_immutable_and_hashed_by_identity() -> None:
    one, two = RowShape(["a"]), RowShape(["a"])
    assert one != two and len({one, two}) == 2
    for name in ("names", "duplicates", "other"):
        with pytest.raises(AttributeError):
            setattr(one, name, ())
    with pytest.raises(TypeError):
        type("Sub", (RowShape,), {})


def test_shape_copies_are_the_shape_and_pickles_keep_the_names() -> None:
    shape = RowShape(["a", "a"])
    assert copy.copy(shape) is shape and copy.deepcopy(shape) is shape
    assert pickle.loads(pickle.dumps(shape)).names == ("a", "a")


# --- a row against the tuple of its values


@given(COLUMNS)
def test_row_reads_like_the_tuple_of_its_values(columns: list[tuple[str, Any]]) -> None:
    names, values = [n for n, _ in columns], tuple(v for _, v in columns)
    rec = make_record(RowShape(names), values)
    assert len(rec) == len(values) and bool(rec) == bool(values)
    assert tuple(rec) == tuple(rec.values()) == values
    assert list(reversed(rec)) == list(reversed(values))
    assert list(rec.keys()) == names
    assert list(rec.items()) == columns
    assert dict(rec.items()) == dict(columns)
    assert dict(rec) == {**rec} == dict(columns)
    assert hash(rec) == hash(values)
    assert rec == values and values == rec and rec == make_record(RowShape(names), values, Plain)
    for name in ["a", "b", "c", "", "ä", "nowhere"]:
        assert (name in rec) == (name in names)
        assert rec.get(name, ...) == dict(columns).get(name, ...)
        assert rec.get(name) == dict(columns).get(name)
    assert repr(rec) == "<" + " ".join(["Record", *(f"{n}={v!r}" for n, v in columns)]) + ">"


@given(COLUMNS, st.integers(-10, 10))
def test_row_index_is_the_tuple_index(columns: list[tuple[str, Any]], i: int) -> None:
    values = tuple(v for _, v in columns)
    rec = make_record(RowShape(n for n, _ in columns), values)
    if -len(values) <= i < len(values):
        assert rec[i] is values[i]
    else:
        with pytest.raises(IndexError, match="^record index out of range$"):
            rec[i]


@given(COLUMNS, st.slices(8))
def test_row_slice_is_the_tuple_slice(columns: list[tuple[str, Any]], part: slice) -> None:
    values = tuple(v for _, v in columns)
    taken = make_record(RowShape(n for n, _ in columns), values)[part]
    assert type(taken) is tuple and taken == values[part]


@given(st.lists(st.integers(0, 2) | st.none(), max_size=4), st.lists(st.integers(0, 2) | st.just("x"), max_size=4))
def test_row_compares_as_the_tuple_does(left: list[Any], right: list[Any]) -> None:
    one = make_record(RowShape(map(str, range(len(left)))), left)
    two = make_record(RowShape(f"n{i}" for i in range(len(right))), right, Slim)
    for compare in COMPARISONS:
        expected = outcome(lambda compare=compare: compare(tuple(left), tuple(right)))  # type: ignore[misc]
        for a, b in [(one, two), (one, tuple(right)), (tuple(left), two)]:
            answer = outcome(lambda compare=compare, a=a, b=b: compare(a, b))  # type: ignore[misc]
            # Against a tuple on the left Python asks the row, the other way round: the text of a TypeError shows it.
            assert answer == expected or answer[0] == expected[0] == "TypeError"


def test_row_is_not_equal_to_a_list_and_has_no_order_with_it() -> None:
    rec = row(a=1)
    assert rec != [1] and rec != 1 and rec is not None
    with pytest.raises(TypeError, match="not supported between instances"):
        rec < [1]  # type: ignore[operator]  # noqa: B015


def test_row_uses_what_a_comparison_of_values_returns_or_raises() -> None:
    with pytest.raises(RuntimeError, match="no comparison today"):
        row(a=Explosive()) == (1,)  # noqa: B015
    with pytest.raises(RuntimeError, match="no hash today"):
        hash(row(a=Explosive()))
    with pytest.raises(RuntimeError, match="no repr today"):
        repr(row(a=Explosive()))
    nan = float("nan")
    assert row(a=nan) == (nan,)  # the same object is equal to itself, as in a tuple
    with pytest.raises(TypeError, match="unhashable type: 'list'"):
        hash(row(a=[]))


def test_row_by_name_shows_the_last_of_equal_names() -> None:
    rec = make_record(RowShape(["a", "b", "a"]), [1, 2, 3])
    assert rec["a"] == rec.get("a") == 3
    assert list(rec.items()) == [("a", 1), ("b", 2), ("a", 3)]
    assert dict(rec) == {"a": 3, "b": 2}


def test_row_by_name_accepts_subclasses_of_str_and_objects_with_index() -> None:
    rec = row(a=1, b=2)
    assert rec[Text("a")] == 1 and rec[Index()] == 2 and rec[True] == 2


@pytest.mark.parametrize("key", ["z", 1.0, None, b"a", (), (1, 2), frozenset()])
def test_row_without_the_key_raises_keyerror_with_the_key(key: Any) -> None:
    with pytest.raises(KeyError) as caught:
        row(a=1)[key]
    assert caught.value.args == (key,)
    assert key not in row(a=1)


def test_row_takes_unhashable_keys_for_missing_but_not_broken_ones() -> None:
    rec = row(a=1)
    with pytest.raises(KeyError):
        rec[[]]  # type: ignore[call-overload]
    assert [] not in rec and rec.get([], 5) == 5
    broken: Any = Explosive()
    for call in (lambda: rec[broken], lambda: broken in rec, lambda: rec.get(broken)):
        with pytest.raises(RuntimeError, match="no hash today"):
            call()


def test_row_refuses_indexes_beyond_the_machine() -> None:
    for index in (10**30, -(10**30)):
        with pytest.raises(IndexError, match="cannot fit 'int' into an index-sized integer"):
            row(a=1)[index]
    with pytest.raises(ValueError, match="slice step cannot be zero"):
        row(a=1)[::0]


def test_get_goes_by_name_only_and_takes_no_keywords() -> None:
    rec: Any = row(a=1)
    assert rec.get(0) is None and rec.get("z") is None and rec.get("z", 3) == 3
    with pytest.raises(TypeError, match=r"^Record\.get\(\) expected 1 or 2 arguments, got 0$"):
        rec.get()
    with pytest.raises(TypeError, match=r"^Record\.get\(\) expected 1 or 2 arguments, got 3$"):
        rec.get(1, 2, 3)
    with pytest.raises(TypeError, match=r"^Record\.get\(\) takes no keyword arguments$"):
        rec.get("a", default=2)


def test_repr_of_a_row_in_itself_ends() -> None:
    inner: list[object] = []
    rec = row(a=inner)
    inner.append(rec)
    assert repr(rec) == "<Record a=[<Record ...>]>"
    assert repr(row()) == "<Record>" and repr(row(Plain, a=1)) == "<Plain a=1>"


def test_row_is_immutable() -> None:
    rec: Any = row(a=1)
    with pytest.raises(TypeError, match="does not support item assignment"):
        rec[0] = 2
    with pytest.raises(TypeError, match="doesn't support item deletion"):
        del rec[0]
    with pytest.raises(AttributeError):
        rec.b = 2
    with pytest.raises(AttributeError):
        _ = rec.a
    with pytest.raises(TypeError, match="immutable type"):
        Record.b = 2  # type: ignore[attr-defined]


@pytest.mark.parametrize("cls", [Record, Plain, Slim])
def test_rows_are_made_by_queries_only(cls: Any) -> None:
    for arguments in [(), (1,)]:
        with pytest.raises(TypeError, match=f"^cannot create '.*{cls.__name__}' instances$"):
            cls(*arguments)
        with pytest.raises(TypeError, match="^cannot create"):
            cls.__new__(cls, *arguments)


def test_row_is_neither_a_mapping_nor_a_sequence_nor_a_tuple() -> None:
    assert not isinstance(row(a=1), (Mapping, Sequence, tuple))


def test_match_takes_a_row_by_its_names() -> None:
    match row(id=7, name="x"):
        case {"id": id_, "nowhere": _}:
            pytest.fail("matched a name that the row has not")
        case [_, _]:
            pytest.fail("a row is not a sequence")
        case {"id": id_, **rest}:
            assert (id_, rest) == (7, {"name": "x"})
        case _:
            pytest.fail("the row did not match its names")


def test_record_can_be_subscripted_in_annotations() -> None:
    assert Record[int].__origin__ is Record and Plain[int].__origin__ is Plain  # type: ignore[misc]


# --- iterators


@pytest.mark.parametrize("start", [iter, Record.values, Record.items, Record.keys])
def test_iterators_tell_what_is_left_and_stay_exhausted(start: Callable[[Record], Iterator[object]]) -> None:
    iterator = start(row(a=1, b=2))
    assert iter(iterator) is iterator
    hints = [operator.length_hint(iterator)]
    for _ in iterator:
        hints.append(operator.length_hint(iterator))
    assert hints == [2, 1, 0]
    assert list(iterator) == [] and operator.length_hint(iterator) == 0


def test_iterator_keeps_its_row_alive_and_lets_go_at_the_end() -> None:
    value = object()
    before = sys.getrefcount(value)
    iterator = iter(row(a=value, b=2))
    gc.collect()
    assert next(iterator) is value
    assert next(iterator) == 2
    assert sys.getrefcount(value) == before + 1
    assert list(iterator) == []
    assert sys.getrefcount(value) == before


def test_iterators_cannot_be_made_from_nothing() -> None:
    for cls in (record.RecordIterator, record.RecordItemsIterator):
        with pytest.raises(TypeError, match="^cannot create"):
            cls()


def test_value_that_drops_its_row_while_iterated_does_no_harm() -> None:
    rows: list[Any] = []

    class Dropper:
        def __eq__(self, other: object) -> bool:
            rows.clear()
            gc.collect()
            return True

        __hash__ = object.__hash__

    rows.append(row(a=Dropper(), b="x"))
    assert rows[0] == (1, "x")
    rows.append(row(a=Dropper(), b="x"))
    iterator = rows[0].items()
    rows.clear()
    assert [name for name, _ in iterator] == ["a", "b"]


# --- pickling and copying


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("cls", [Record, Plain, Slim])
def test_pickled_rows_come_back_equal(protocol: int, cls: type[Record]) -> None:
    rec = make_record(RowShape(["a", "b", "a"]), (1, [2], None), cls)
    for again in (pickle.loads(pickle.dumps(rec, protocol)), copy.copy(rec), copy.deepcopy(rec)):
        assert type(again) is cls and again == rec
        assert list(again.items()) == list(rec.items()) and again["a"] is None


def test_deepcopy_copies_the_values_and_copy_does_not() -> None:
    rec = row(a=[1])
    assert copy.copy(rec)[0] is rec[0]
    assert copy.deepcopy(rec)[0] is not rec[0]


def test_attributes_of_a_subclass_instance_survive_pickling() -> None:
    rec: Any = row(Plain, a=1)
    rec.note = "kept"
    for again in (pickle.loads(pickle.dumps(rec)), copy.copy(rec), copy.deepcopy(rec)):
        assert again == rec and again.note == "kept"


def test_rows_pickled_together_share_their_shape() -> None:
    shape = RowShape(["a_rather_long_column_name"])
    rows = [make_record(shape, (i,)) for i in range(100)]
    one, many = len(pickle.dumps(rows[:1])), len(pickle.dumps(rows))
    assert many - one < 99 * 20
    again = pickle.loads(pickle.dumps(rows))
    assert again == rows
    assert next(again[0].keys()) is next(again[99].keys())


def test_row_that_holds_itself_can_be_pickled_and_copied() -> None:
    inner: list[Any] = []
    rec = row(a=inner)
    inner.append(rec)
    for again in (pickle.loads(pickle.dumps(rec)), copy.deepcopy(rec)):
        assert again[0][0][0] is again[0]


def test_restore_takes_names_and_refuses_what_is_no_record_class() -> None:
    assert record._restore(Plain, ("a",), (1,)) == (1,)
    with pytest.raises(TypeError, match="a record class must be Record"):
        record._restore(dict, ("a",), (1,))  # type: ignore[type-var]
    with pytest.raises(ValueError, match="^a row of this shape has 1 values, got 2$"):
        record._restore(Record, ("a",), (1, 2))


# --- making rows, record classes


def test_make_record_checks_shape_class_and_count() -> None:
    make: Any = make_record
    with pytest.raises(TypeError, match="^shape must be a RowShape, got tuple$"):
        make(("a",), (1,))
    for values in [(), (1, 2)]:
        with pytest.raises(ValueError, match=f"^a row of this shape has 1 values, got {len(values)}$"):
            make(RowShape(["a"]), values)
    with pytest.raises(TypeError, match="is not iterable"):
        make(RowShape(["a"]), 1)
    for cls in (int, 5, None):
        with pytest.raises(TypeError, match="^a record class must be Record or a subclass of it, got"):
            make(RowShape(["a"]), (1,), cls)


def test_record_class_may_not_redefine_new_or_init() -> None:
    class Mixin:
        pass

    class MixinWithInit:
        def __init__(self) -> None:
            pass

    fit = [Record, Plain, Slim, type("Sub", (Plain,), {}), type("Mixed", (Mixin, Record), {"get": None})]
    unfit = [type("New", (Record,), {"__new__": lambda cls: None}), type("Init", (Record,), {"__init__": print}),
             type("Mixed", (MixinWithInit, Record), {})]
    for cls in fit:
        check_record_class(cls)
    for cls in unfit:
        with pytest.raises(TypeError, match="must not redefine __new__ or __init__, but <class .*> does$"):
            check_record_class(cls)
    for other in (tuple, 5, row(a=1)):
        with pytest.raises(TypeError, match="^a record class must be Record or a subclass of it, got"):
            check_record_class(other)


def test_subclass_methods_and_attributes_work() -> None:
    class User(Record):
        def __getattr__(self, name: str) -> Any:
            try:
                return self[name]
            except KeyError:
                raise AttributeError(name) from None

    user: Any = row(User, id=1, name="x")
    user.note = "y"
    assert (user.id, user.name, user.note, len(user)) == (1, "x", "y", 2)
    with pytest.raises(AttributeError):
        _ = user.nowhere


# --- the same as asyncpg


def asyncpg_row(columns: list[tuple[str, Any]]) -> Any:
    protocol = pytest.importorskip("asyncpg.protocol.protocol", reason="missing feature: asyncpg oracle")
    mapping = OrderedDict((name, position) for position, (name, _) in enumerate(columns))
    return protocol._create_record(mapping, tuple(value for _, value in columns))


QUESTIONS: list[Callable[[Any], object]] = [
    len, bool, list, dict, hash, repr, str, lambda r: list(r.items()), lambda r: list(r.keys()),
    lambda r: list(r.values()), lambda r: list(reversed(r)), lambda r: {**r}, lambda r: r["a"], lambda r: r["nowhere"],
    lambda r: r[0], lambda r: r[-1], lambda r: r[5], lambda r: r[-6], lambda r: r[1.0], lambda r: r[b"a"],
    lambda r: r[[]], lambda r: r[True], lambda r: r[Index()], lambda r: r[Text("a")], lambda r: r[10**30],
    lambda r: r[1:], lambda r: r[::-1], lambda r: r[::0], lambda r: r[9:3:2], lambda r: "a" in r, lambda r: 1 in r,
    lambda r: [] in r, lambda r: None in r,
    lambda r: r.get("a"), lambda r: r.get("nowhere"), lambda r: r.get("nowhere", 4), lambda r: r.get(0),
    lambda r: r.get([]), lambda r: r.get(), lambda r: r.get(1, 2, 3), lambda r: r.get("a", default=1),
    lambda r: r == tuple(r), lambda r: r == list(r), lambda r: r != (), lambda r: r < (5, "z"),
    lambda r: r >= (0,), lambda r: r > (None,), lambda r: r.__length_hint__,
    lambda r: operator.length_hint(iter(r)), lambda r: isinstance(r, Mapping), lambda r: isinstance(r, Sequence),
    lambda r: next(iter(r.items())), lambda r: "{a}".format(**r),
]


@given(st.lists(st.tuples(NAMES, VALUES), max_size=6, unique_by=lambda column: column[0]))
def test_row_answers_as_asyncpg_does(columns: list[tuple[str, Any]]) -> None:
    theirs = asyncpg_row(columns)
    ours = make_record(RowShape(n for n, _ in columns), [v for _, v in columns])
    for number, question in enumerate(QUESTIONS):
        expected = outcome(lambda question=question: question(theirs))  # type: ignore[misc]
        answer = outcome(lambda question=question: question(ours))  # type: ignore[misc]
        if expected[0] in ("AttributeError", "TypeError"):  # these texts name the type with its module
            expected, answer = (expected[0], 0), (answer[0], 0)
        assert answer == expected, f"question {number}"
