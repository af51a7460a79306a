"""Build the extension modules: one per .pyx, found by glob, plus the hand-written C ones.

ASYNCPG_CORE_DEBUG=1 turns Cython's checks on; ASYNCPG_CORE_TRACE=1 makes a build whose lines coverage can count.
"""
import glob
import os
import sys

from setuptools import Extension, setup

from Cython.Build import cythonize

debug = os.environ.get("ASYNCPG_CORE_DEBUG") == "1"
trace = os.environ.get("ASYNCPG_CORE_TRACE") == "1"

macros: list[tuple[str, str | None]] = []
if trace:
    macros += [("CYTHON_TRACE", "1"), ("CYTHON_TRACE_NOGIL", "1"), ("CYTHON_USE_SYS_MONITORING", "0")]
flags = ["/O2"] if sys.platform == "win32" else ["-O2" if not (debug or trace) else "-O1", "-g1", "-fvisibility=hidden"]


def module_name(path: str) -> str:
    return os.path.splitext(path)[0].replace(os.sep, ".")


def extension(path: str) -> Extension:
    return Extension(module_name(path), [path], define_macros=macros, extra_compile_args=flags,
                     include_dirs=["pgproto"], depends=["pgproto/record.h", "pgproto/row_shape.h", "pgproto/record_iterators.h"])


cython_sources = sorted(glob.glob("pgproto/**/*.pyx", recursive=True) + glob.glob("asyncpg_core/**/*.pyx", recursive=True))
c_sources = [path for path in ("pgproto/record.c",) if os.path.exists(path)]
directives = {
    "language_level": "3",
    "freethreading_compatible": True,
    "boundscheck": debug,
    "wraparound": debug,
    "nonecheck": debug,
    "overflowcheck": debug,
    "cdivision": not debug,
    "initializedcheck": debug,
    "embedsignature": True,
    "linetrace": trace,
}
workers = os.cpu_count() or 1
setup(
    ext_modules=cythonize([extension(p) for p in cython_sources], compiler_directives=directives, nthreads=0,
                          show_all_warnings=False) + [extension(p) for p in c_sources],
    options={"build_ext": {"parallel": workers}},
)
