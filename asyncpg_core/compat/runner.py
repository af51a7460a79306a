"""Runs a program as Python itself would, after install_as_asyncpg()."""
from __future__ import annotations

import os
import runpy
import sys

from asyncpg_core.compat.install import install_as_asyncpg

USAGE = "usage: python -m asyncpg_core.run_as_asyncpg (PROGRAM.py | -m MODULE) [ARGUMENT ...]"


def main() -> None:
    """Run what the command line names; its `sys.argv` and `sys.path[0]` are what they are without us."""
    given = sys.argv[1:]
    is_module = given[:1] == ["-m"]
    given = given[is_module:]
    if not given or given[0] in ("-h", "--help"):
        print(USAGE, file=sys.stdout if given else sys.stderr)
        sys.exit(0 if given else 2)
    install_as_asyncpg()
    sys.argv = given
    if is_module:
        # sys.path[0] is the current directory already.
        runpy.run_module(given[0], run_name="__main__", alter_sys=True)
    else:
        # `-P` and PYTHONSAFEPATH leave the first place to others.
        if not getattr(sys.flags, "safe_path", False):
            sys.path[0] = os.path.dirname(os.path.abspath(given[0]))
        runpy.run_path(given[0], run_name="__main__")
