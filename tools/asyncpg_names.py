"""Write tests/asyncpg_names.txt: which names each module of the installed asyncpg offers.

These are facts to compare with. A line is a module and its public names: what it defines itself or lists in `__all__`,
constants included, what it imported from elsewhere left out; and the private names that others are known to use.
"""
from __future__ import annotations

import importlib
import pathlib
import types

NAMES = pathlib.Path(__file__).resolve().parent.parent / "tests" / "asyncpg_names.txt"
MODULES = (
    "", "_version", "cluster", "compat", "connect_utils", "connection", "connresource", "cursor", "exceptions",
    "introspection", "pgproto", "pgproto.pgproto", "pgproto.types", "pool", "prepared_stmt", "protocol",
    "protocol.protocol", "protocol.record", "serverversion", "transaction", "types", "utils",
)
USED_THOUGH_PRIVATE = {
    "": {"__version__"},
    "_version": {"__version__"},
    "connection": {"_uid"},
    "protocol.protocol": {"_create_record"},
    "utils": {"_quote_ident", "_quote_literal", "_mogrify"},
}


def names_of(module: types.ModuleType, also: set[str]) -> list[str]:
    """Return the names that belong to a module's offer, sorted."""
    listed = set(getattr(module, "__all__", ())) | also
    return sorted(listed | {name for name, value in vars(module).items() if not name.startswith("_") and is_own(value)})


def is_own(value: object) -> bool:
    """Whether something was made by asyncpg, or is a plain value that may have been."""
    if isinstance(value, types.ModuleType) or type(value).__module__ in ("__future__", "logging", "typing"):
        return False
    origin = getattr(value, "__module__", None)
    return origin.split(".")[0] == "asyncpg" if isinstance(origin, str) else not callable(value)


def asyncpg_names() -> str:
    """Return the text of tests/asyncpg_names.txt; asyncpg must be installed."""
    lines = [f"# asyncpg {importlib.import_module('asyncpg').__version__}; written by tools/asyncpg_names.py"]
    for name in MODULES:
        module = importlib.import_module(f"asyncpg.{name}".rstrip("."))
        lines.append(" ".join([module.__name__, *names_of(module, USED_THOUGH_PRIVATE.get(name, set()))]))
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    NAMES.write_text(asyncpg_names(), encoding="utf-8", newline="\n")
