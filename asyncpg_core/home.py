"""Where a user's PostgreSQL files are: `~` on POSIX, `%APPDATA%\\postgresql` on Windows."""
from __future__ import annotations

import os
import pathlib
import sys
from collections.abc import Mapping


def home_file(environ: Mapping[str, str], posix_name: str, windows_name: str) -> str | None:
    """Return the path of a file in the user's PostgreSQL directory, None where there is no such directory.

    `posix_name` is relative to the home directory. The file need not exist.
    """
    if sys.platform == "win32":
        directory = environ.get("APPDATA", "")
        return os.path.join(directory, "postgresql", windows_name) if directory else None
    directory = _posix_home(environ)
    return None if directory is None else os.path.join(directory, posix_name)


def _posix_home(environ: Mapping[str, str]) -> str | None:
    if environ is not os.environ and environ.get("HOME"):
        return environ["HOME"]
    try:
        # The process's own home is asked for here, because this is what programs and their tests replace.
        return str(pathlib.Path.home())
    except RuntimeError:
        return None
