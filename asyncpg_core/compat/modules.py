"""Puts the modules of this package where a program written for asyncpg looks for them."""
from __future__ import annotations

import importlib
import sys
from types import ModuleType

from asyncpg_core.compat import aliases, homes, observed

PACKAGE = "asyncpg_core"
# asyncpg's modules that we do not have under their names. Each is one object under both of its names here.
OURS_BY_OTHER_NAMES = (
    "_version", "connect_utils", "connresource", "pgproto", "pgproto.pgproto", "pgproto.types", "prepared_stmt",
    "protocol.record", "serverversion", "utils",
)
# Modules that we have and that lack some of asyncpg's names. Ours win where both have one.
COMPLETED = ("connection", "introspection", "pool", "protocol", "protocol.protocol", "transaction")


def register() -> None:
    """Make every public module of asyncpg reachable as asyncpg_core.<name>, and every public name in it."""
    for name in OURS_BY_OTHER_NAMES:
        put(name, importlib.import_module(f"{__package__}.{name}"))
    for name in COMPLETED:
        complete(name, importlib.import_module(f"{__package__}.{name}"))
    aliases.build()
    homes.build()
    observed.watch()


def put(name: str, module: ModuleType) -> None:
    """Let `import asyncpg_core.<name>` find a module, and make it its parent's attribute."""
    full_name = f"{PACKAGE}.{name}"
    sys.modules[full_name] = module
    parent, _, child = full_name.rpartition(".")
    setattr(sys.modules[parent], child, module)


def complete(name: str, module: ModuleType) -> None:
    """Give one of our modules the names of asyncpg's that it lacks."""
    try:
        ours = importlib.import_module(f"{PACKAGE}.{name}")
    except ModuleNotFoundError:
        put(name, module)
        return
    for known in module.__all__:
        if not hasattr(ours, known):
            setattr(ours, known, getattr(module, known))
