"""Write tests/public_api.txt: every public name of asyncpg_core and its signature, one per line.

The file is read in a review: a change of the API is a change of it. With `--asyncpg` the same is written of asyncpg's
own classes into tests/asyncpg_signatures.txt: facts to compare with, taken from the installed version by
inspect.signature.
"""
from __future__ import annotations

import importlib
import inspect
import pathlib
import sys
from collections.abc import Iterator
from typing import Any

TESTS = pathlib.Path(__file__).resolve().parent.parent / "tests"
PUBLIC = TESTS / "public_api.txt"
ASYNCPG = TESTS / "asyncpg_signatures.txt"
# Where the classes are; the names of the exceptions have their own list (tests/unit/exception_names.txt).
OURS = {
    "asyncpg_core": ("connect", "create_pool"),
    "asyncpg_core.connection": ("Connection",),
    "asyncpg_core.copy_rows": ("CopyRows",),
    "asyncpg_core.cursor": ("CursorFactory", "CursorIterator", "Cursor"),
    "asyncpg_core.pipeline": ("Pipeline",),
    "asyncpg_core.pool": ("Pool", "PoolAcquireContext", "PoolStats"),
    "asyncpg_core.prepared_statement": ("PreparedStatement",),
    "asyncpg_core.protocol": ("Protocol", "Record"),
    "asyncpg_core.server_version": ("split_server_version_string",),
    "asyncpg_core.settings": ("ConnectionSettings",),
    "asyncpg_core.transaction": ("Transaction",),
    "asyncpg_core.types": ("Attribute", "ServerVersion", "Type"),
}
THEIRS = {
    "asyncpg": ("connect", "create_pool"),
    "asyncpg.connection": ("Connection",),
    "asyncpg.cursor": ("CursorFactory", "CursorIterator", "Cursor"),
    "asyncpg.pool": ("Pool", "PoolAcquireContext"),
    "asyncpg.prepared_stmt": ("PreparedStatement",),
    "asyncpg.protocol": ("Record",),
    "asyncpg.transaction": ("Transaction",),
    "asyncpg.types": ("Attribute", "ServerVersion", "Type"),
}
SPECIAL = {"__await__", "__aenter__", "__aexit__", "__aiter__", "__anext__", "__class_getitem__"}


def plain_signature(function: Any) -> str:
    """Return the names, kinds and defaults of the parameters; annotations are mypy's matter."""
    try:
        signature = inspect.signature(function)
    except ValueError:
        return "(...)"
    empty = inspect.Parameter.empty
    parameters = [
        parameter.replace(annotation=empty, default=parameter.default if is_plain(parameter.default) else Shown(
            parameter.default)) for parameter in signature.parameters.values() if parameter.name not in ("self", "cls")]
    return str(inspect.Signature(parameters))


def is_plain(default: object) -> bool:
    return default is inspect.Parameter.empty or default is None or type(default) in (bool, int, float, str, tuple)


class Shown:
    """A default that is a class, or a mark that means `not given`, without its module or address."""

    def __init__(self, default: object) -> None:
        self.default = default

    def __repr__(self) -> str:
        return self.default.__name__ if isinstance(self.default, type) else "<not given>"


def members(cls: type) -> Iterator[tuple[str, str]]:
    """Yield the public members of a class and of its bases but object, with signatures."""
    for name in sorted(dir(cls)):
        if name.startswith("_") and name not in SPECIAL:
            continue
        owner = next(base for base in cls.__mro__ if name in vars(base))
        if owner.__module__ in ("builtins", "typing", "abc") and owner is not cls:
            continue
        member = vars(owner)[name]
        member = member.__func__ if isinstance(member, (staticmethod, classmethod)) else member
        is_call = callable(member) and not isinstance(member, type)
        yield name, plain_signature(member) if is_call else ""


def describe(modules: dict[str, tuple[str, ...]]) -> Iterator[str]:
    """Yield a line for every function, class and member."""
    for module_name, names in modules.items():
        module = importlib.import_module(module_name)
        for name in names:
            thing = getattr(module, name)
            if not isinstance(thing, type):
                yield f"{name}{plain_signature(thing)}"
                continue
            yield f"class {name}"
            for member, signature in members(thing):
                yield f"{name}.{member}{signature}"


def names_of_package() -> Iterator[str]:
    """Yield what `import asyncpg_core` offers beside the exceptions."""
    package = importlib.import_module("asyncpg_core")
    exceptions = set(importlib.import_module("asyncpg_core.exceptions").__all__)
    for name, value in sorted(vars(package).items()):
        if not name.startswith("_") and name not in exceptions and not inspect.ismodule(value):
            yield f"asyncpg_core.{name}"


def public_api() -> str:
    """Return the text of tests/public_api.txt."""
    return "\n".join([*names_of_package(), *describe(OURS)]) + "\n"


def main() -> int:
    if "--asyncpg" in sys.argv[1:]:
        version = importlib.import_module("asyncpg").__version__
        head = f"# asyncpg {version}, by inspect.signature; written by tools/public_api.py --asyncpg\n"
        ASYNCPG.write_text(head + "\n".join(describe(THEIRS)) + "\n", encoding="utf-8", newline="\n")
    else:
        PUBLIC.write_text(public_api(), encoding="utf-8", newline="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
