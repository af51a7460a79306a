"""Which of asyncpg's tests read private names of the driver: decided by their syntax trees.

A test reads one if it, a method of its class that it calls, or a nested function says `x._name` where x is not the test
case itself, or uses a name `_name` that its file imports from asyncpg. What reads none ought to pass here, whatever the
driver is like inside.
"""
from __future__ import annotations

import ast
import pathlib
from collections.abc import Iterator

OF_NAMEDTUPLES = {"_asdict", "_fields", "_make", "_replace"}


def private_names_of_tests(directory: pathlib.Path) -> dict[str, set[str]]:
    """Return {`file.py::Class::test`: private names that it reads} of all test methods in a directory."""
    found = {}
    for path in sorted(directory.glob("test_*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        imported = {alias.asname or alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)
                    and (node.module or "").startswith("asyncpg") for alias in node.names
                    if is_private(alias.name) and alias.name != "_testbase"}
        for cls in (node for node in tree.body if isinstance(node, ast.ClassDef)):
            methods = {node.name: node for node in cls.body
                       if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))}
            for name in methods:
                if name.startswith("test"):
                    found[f"{path.name}::{cls.name}::{name}"] = names_read(name, methods, imported, set())
    return found


def is_private(name: str) -> bool:
    return name.startswith("_") and not (name.startswith("__") and name.endswith("__")) and name not in OF_NAMEDTUPLES


def names_read(
    name: str, methods: dict[str, ast.FunctionDef | ast.AsyncFunctionDef], imported: set[str], seen: set[str]
) -> set[str]:
    """Return the private names that a method and those it calls on itself read."""
    seen.add(name)
    read = set(own_names(methods[name], imported))
    for called in called_on_self(methods[name]):
        if called in methods and called not in seen:
            read |= names_read(called, methods, imported, seen)
    return read


def own_names(method: ast.AST, imported: set[str]) -> Iterator[str]:
    for node in ast.walk(method):
        if isinstance(node, ast.Attribute) and is_private(node.attr) and not is_self(node.value):
            yield node.attr
        elif isinstance(node, ast.Name) and node.id in imported:
            yield node.id


def called_on_self(method: ast.AST) -> Iterator[str]:
    for node in ast.walk(method):
        if isinstance(node, ast.Attribute) and is_self(node.value):
            yield node.attr


def is_self(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and node.id in ("self", "cls")
