"""A call that is written for asyncpg means the same here: whatever its signature binds, ours binds to the same values.

The signatures are the recorded ones of asyncpg 0.32.0 (tests/asyncpg_signatures.txt), so this needs no asyncpg; where
it is installed, every function and method of its public modules is compared besides.
"""
import importlib
import inspect
import itertools
import random

import pytest

from tests.test_public_names import MISSING, OFFERED, ours
from tools.public_api import ASYNCPG, THEIRS

KINDS = inspect.Parameter
# What is different on purpose.
EXCEPTIONS = {
    "asyncpg.pool.PoolConnectionHolder": "shows a place in the pool; what is done with it is the pool's own",
}
MODULES = {name: module.replace("asyncpg", "asyncpg_core", 1) for module, names in THEIRS.items() for name in names}


def recorded():
    """Yield the name and the signature of each function and method that the file has."""
    for line in ASYNCPG.read_text(encoding="utf-8").splitlines():
        name, bracket, rest = line.partition("(")
        if line.startswith(("#", "class ")) or not bracket or rest == "...)":
            continue
        scope = {"Connection": object, "Record": object}
        exec(f"def call({rest.replace('<not given>', '...')}: pass", scope)
        yield name, inspect.signature(scope["call"])


def ours_of(name):
    """Return our signature of `function` or `Class.method`."""
    owner, _, method = name.partition(".")
    module = importlib.import_module(MODULES[owner])
    if not method:
        return inspect.signature(getattr(module, owner))
    return without_self(getattr(module, owner), method)


def without_self(cls, method):
    """Return the signature of a method as its caller sees it."""
    signature = inspect.signature(getattr(cls, method))
    if isinstance(inspect.getattr_static(cls, method, None), (staticmethod, classmethod)):
        return signature
    return signature.replace(parameters=list(signature.parameters.values())[1:])


def calls_of(signature, n_random=60):
    """Yield arguments that the signature binds: each number of positional ones, and keywords in many combinations."""
    parameters = signature.parameters.values()
    by_place = [p for p in parameters if p.kind in (KINDS.POSITIONAL_ONLY, KINDS.POSITIONAL_OR_KEYWORD)]
    by_name = [p for p in parameters if p.kind in (KINDS.POSITIONAL_OR_KEYWORD, KINDS.KEYWORD_ONLY)]
    takes_more = any(p.kind is KINDS.VAR_POSITIONAL for p in parameters)
    chosen = random.Random(0)
    subsets = [[], by_name, *([p] for p in by_name)] + [
        [p for p in by_name if chosen.random() < 0.5] for _ in range(n_random)]
    for n, subset in itertools.product(range(len(by_place) + 1 + 2 * takes_more), subsets):
        arguments = tuple(f"argument {i}" for i in range(n))
        keywords = {p.name: f"keyword {p.name}" for p in subset if p not in by_place[:n]}
        required = {p.name: f"keyword {p.name}" for p in by_name if p.default is p.empty and p not in by_place[:n]}
        try:
            bound = signature.bind(*arguments, **{**required, **keywords})
        except TypeError:
            continue
        yield arguments, {**required, **keywords}, bound.arguments


def differences(theirs, mine):
    """Return what a call that is written for `theirs` would notice of `mine`."""
    found = []
    given = [p for p in theirs.parameters.values() if p.kind is not KINDS.VAR_KEYWORD]
    for wanted in given:
        have = mine.parameters.get(wanted.name)
        if have is None:
            found.append(f"{wanted.name} is not there")
        elif have.kind is not wanted.kind:
            found.append(f"{wanted.name} is {have.kind.description}, not {wanted.kind.description}")
        elif not same_default(have.default, wanted.default):
            found.append(f"{wanted.name} is {have.default!r} by default, not {wanted.default!r}")
    common = [p.name for p in mine.parameters.values() if p.name in theirs.parameters]
    if common != [p.name for p in theirs.parameters.values() if p.name in mine.parameters]:
        found.append(f"the order is {common}")
    for added in mine.parameters.values():
        if added.name not in theirs.parameters and added.kind is not KINDS.VAR_KEYWORD and (
                added.kind is not KINDS.KEYWORD_ONLY or added.default is added.empty):
            found.append(f"{added.name} is added and not an option")
    if not found:
        for arguments, keywords, bound in calls_of(theirs):
            if mine.bind(*arguments, **keywords).arguments != bound:
                found.append(f"{arguments} {keywords} are bound otherwise")
    return found


def same_default(mine, theirs):
    """Whether two defaults are the same, as far as a recorded one can tell: classes are known by their names only."""
    is_mark = theirs is ... or isinstance(theirs, type) or type(theirs) is object
    return is_mark or mine == theirs or type(mine).__name__ == type(theirs).__name__ == "object"


RECORDED = dict(recorded())


@pytest.mark.parametrize("name", [name for name in RECORDED if not name.endswith("__")])
def test_each_recorded_call_binds_to_the_same_values(name):
    found = differences(RECORDED[name], ours_of(name))
    assert found == [], f"{name}: {found}"


def test_enough_calls_are_tried():
    assert len(list(calls_of(RECORDED["connect"]))) > 50
    assert len(list(calls_of(RECORDED["Connection.fetchval"]))) > 20
    assert differences(inspect.signature(lambda a, *, b=1: 0), inspect.signature(lambda a, *, b=1, c=2, **d: 0)) == []
    for mine in (lambda a, b=1: 0, lambda b, *, a=1: 0, lambda a, *, b=2: 0, lambda a, c, *, b=1: 0, lambda a: 0):
        assert differences(inspect.signature(lambda a, *, b=1: 0), inspect.signature(mine))


def live():
    """Yield (name, asyncpg's signature, ours or what is wrong) of the functions and methods of asyncpg's modules."""
    for module, names in OFFERED.items():
        if module in MISSING or module.startswith(("asyncpg.protocol", "asyncpg.pgproto")):
            continue    # C functions, most of them without a signature
        theirs, mine = importlib.import_module(module), importlib.import_module(ours(module))
        for name in names:
            thing = getattr(theirs, name, None)
            if name.startswith("_") or f"{module}.{name}" in MISSING or not callable(thing) or not getattr(
                    thing, "__module__", "").startswith("asyncpg"):
                continue
            if inspect.isfunction(thing):
                yield f"{module}.{name}", inspect.signature(thing), inspect.signature(getattr(mine, name))
            elif inspect.isclass(thing) and not issubclass(thing, BaseException):
                for method, function in vars(thing).items():
                    if method.startswith("_") or not inspect.isfunction(function):
                        continue
                    here = getattr(mine, name)
                    yield (f"{module}.{name}.{method}", without_self(thing, method),
                           without_self(here, method) if hasattr(here, method) else None)


def test_the_installed_asyncpgs_calls_bind_to_the_same_values():
    pytest.importorskip("asyncpg", reason="missing feature: asyncpg oracle")
    found = {name: "is not there" if mine is None else differences(theirs, mine) for name, theirs, mine in live()}
    assert len(found) > 80
    differing = {name: what for name, what in found.items() if what}
    assert {name: what for name, what in differing.items() if name.rpartition(".")[0] not in EXCEPTIONS} == {}
    assert {name.rpartition(".")[0] for name in differing} == EXCEPTIONS.keys()
    assert len(EXCEPTIONS) <= 10
