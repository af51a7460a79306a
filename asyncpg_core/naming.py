"""The name that the package goes by in texts and logs: that under which the program has imported it."""
from __future__ import annotations

import logging

package = "asyncpg_core"


def name_of(cls: type) -> str:
    """Return the name of a class with its module's, for texts."""
    module = cls.__module__
    if module.partition(".")[0] == "asyncpg_core":
        module = package + module[len("asyncpg_core"):]
    return cls.__qualname__ if module == "builtins" else f"{module}.{cls.__qualname__}"


def logger(name: str) -> logging.Logger:
    """Return the package's logger for a part of it."""
    return logging.getLogger(f"{package}.{name}")
