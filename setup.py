"""Build the extension modules: one per .pyx, found by glob, and the hand-written C module.

The environment chooses the flavour; a change of flavour rebuilds everything:
ASYNCPG_CORE_DEBUG=1     Cython's checks and C's assertions on
ASYNCPG_CORE_TRACE=1     lines that coverage can count; the C files then lie beside their sources, where it looks
ASYNCPG_CORE_ANNOTATE=1  an HTML page per module in build/cython-release, yellow where Python's C API is called
ASYNCPG_CORE_ASAN=1      with the sanitizers of addresses and undefined behaviour; `make asan` runs tests under them
ASYNCPG_CORE_QUICK=1     compiled without optimization, for many builds of which each runs once
"""
import glob
import os
import sys

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.modified import newer_group


def is_set(name: str) -> bool:
    return os.environ.get(f"ASYNCPG_CORE_{name}") == "1"


debug, trace, annotate, quick = is_set("DEBUG"), is_set("TRACE"), is_set("ANNOTATE"), is_set("QUICK")
asan = is_set("ASAN")
flavour = "asan" if asan else "trace" if trace else "debug" if debug else "quick" if quick else "release"
workers = os.cpu_count() or 1
flavour_file = os.path.join("build", "flavour")

# No CYTHON_USE_MODULE_STATE: it is for subinterpreters with a GIL of their own, costs speed, and without
# CYTHON_USE_TYPE_SPECS a second import of a module with a cdef class aborts.
macros: list[tuple[str, str | None]] = [("CYTHON_PEP489_MULTI_PHASE_INIT", "1")]
if trace:
    # On 3.13 and later coverage's plugin sees the events of the C tracer only, not those of sys.monitoring.
    macros += [("CYTHON_TRACE", "1"), ("CYTHON_TRACE_NOGIL", "1"), ("CYTHON_USE_SYS_MONITORING", "0")]
if sys.platform == "win32":
    flags = ["/O2" if flavour == "release" else "/Od"]
else:
    flags = {"release": ["-O2", "-g1"], "debug": ["-O1", "-g", "-UNDEBUG", "-ftrapv"], "trace": ["-O0", "-g0"],
             "quick": ["-O0", "-g0"], "asan": [
                 "-O1", "-g", "-fno-omit-frame-pointer", "-fsanitize=address,undefined",
                 "-fno-sanitize-recover=undefined"]}[flavour] + ["-fvisibility=hidden"]


HEADERS = ("pgproto/record.h", "pgproto/row_shape.h", "pgproto/record_iterators.h", "pgproto/leaf_record.h",
           "pgproto/codecs/decimal_in_place.h", "pgproto/codecs/uuid_in_place.h", "pgproto/codecs/objects_in_place.h",
           "pgproto/codecs/datetime_in_place.h", "pgproto/arrow_abi.h",
           "pgproto/atomic_count.h", "pgproto/columns/columns.h")


def extension(path: str) -> Extension:
    name = os.path.splitext(path)[0].replace(os.sep, ".")
    return Extension(name, [path], define_macros=macros, extra_compile_args=flags,
                     extra_link_args=["-fsanitize=address,undefined"] if asan else [],
                     include_dirs=[".", "pgproto", "pgproto/codecs", "pgproto/columns"],
                     depends=[header for header in HEADERS if os.path.exists(header)])


class BuildExtensions(build_ext):
    """Names each module while it is compiled, and compiles all of them again when the flavour has changed."""

    def finalize_options(self) -> None:
        super().finalize_options()
        self.parallel = self.parallel or workers
        self.build_temp = f"{self.build_temp}-{flavour}"
        self.force = self.force or flavour_changed()

    def build_extension(self, ext: Extension) -> None:
        if self.force or newer_group(ext.sources + ext.depends, self.get_ext_fullpath(ext.name), "newer"):
            print(f"compiling {ext.name} ({flavour})", flush=True)
        super().build_extension(ext)

    def run(self) -> None:
        super().run()
        if self.inplace:
            os.makedirs("build", exist_ok=True)
            with open(flavour_file, "w") as file:
                file.write(flavour)


def flavour_changed() -> bool:
    if not os.path.exists(flavour_file):
        return True
    with open(flavour_file) as file:
        return file.read() != flavour


sources = sorted(glob.glob("pgproto/**/*.pyx", recursive=True) + glob.glob("asyncpg_core/**/*.pyx", recursive=True))
hand_written = [path for path in ("pgproto/record.c",) if os.path.exists(path)]
directives = {
    "language_level": "3",
    "freethreading_compatible": True,
    "boundscheck": debug,
    "wraparound": debug,
    "nonecheck": debug,
    # Cython's check takes the difference of two pointers for one of integers; -ftrapv below has no such doubt.
    "overflowcheck": False,
    "cdivision": not debug,
    "initializedcheck": debug,
    "embedsignature": True,
    "linetrace": trace,
}
modules = cythonize(
    [extension(path) for path in sources],
    compiler_directives=directives,
    build_dir=None if trace else f"build/cython-{flavour}",
    annotate=annotate,
    force=annotate,
    # Its worker processes need fork: macOS and Windows start this file anew for each.
    nthreads=workers if sys.platform == "linux" and len(sources) > 1 and sys.version_info < (3, 14) else 0,
    show_all_warnings=False,
) if sources else []
setup(ext_modules=modules + [extension(path) for path in hand_written], cmdclass={"build_ext": BuildExtensions})
