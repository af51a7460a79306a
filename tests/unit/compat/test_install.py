"""install_as_asyncpg, each time in a process of its own, since it changes what `import` does."""
import pathlib
import subprocess
import sys
import textwrap

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]
INSTALLED = "import asyncpg_core; asyncpg_core.install_as_asyncpg()\n"


def run(*arguments, cwd, code=0):
    done = subprocess.run(
        [sys.executable, *map(str, arguments)], cwd=cwd, timeout=30, text=True, capture_output=True,
        env={"PYTHONPATH": str(ROOT), "PATH": "", "SYSTEMROOT": "C:\\Windows"})
    assert done.returncode == code, done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def python(tmp_path):
    return lambda text, **settings: run("-c", textwrap.dedent(text), cwd=tmp_path, **settings)


def test_modules_are_the_same_objects_however_they_are_imported(python):
    python(INSTALLED + """
import asyncpg, importlib, sys
from asyncpg import exceptions, pool
from asyncpg.pgproto.pgproto import UUID
import asyncpg.protocol.protocol
assert asyncpg is asyncpg_core and exceptions is asyncpg_core.exceptions and pool.Pool is asyncpg_core.Pool
for name in ("connection", "connect_utils", "prepared_stmt", "protocol.record", "pgproto.types", "introspection"):
    assert importlib.import_module("asyncpg." + name) is importlib.import_module("asyncpg_core." + name), name
assert asyncpg.exceptions.__spec__.name == "asyncpg_core.exceptions"
""")


def test_a_module_that_was_not_loaded_yet_is_found_too(python):
    python(INSTALLED + """
import sys
assert "asyncpg_core.run_as_asyncpg" not in sys.modules
import asyncpg.run_as_asyncpg
import asyncpg_core.run_as_asyncpg
assert asyncpg.run_as_asyncpg is sys.modules["asyncpg.run_as_asyncpg"] is sys.modules["asyncpg_core.run_as_asyncpg"]
assert asyncpg.run_as_asyncpg.__spec__.name == "asyncpg_core.run_as_asyncpg"
""")


def test_texts_name_the_package_that_was_imported(python):
    python("""
import asyncpg_core
from asyncpg_core.connection import check_classes
def refusal(*classes):
    try:
        check_classes(*classes)
    except asyncpg_core.InterfaceError as error:
        return str(error)
for name in ("asyncpg_core", "asyncpg"):
    assert refusal(int, asyncpg_core.Record).startswith(
        f"connection_class is expected to be a subclass of {name}.Connection, got"), refusal(int, asyncpg_core.Record)
    assert refusal(asyncpg_core.Connection, int).startswith(
        f"record_class is expected to be a subclass of {name}.Record, got")
    asyncpg_core.install_as_asyncpg()
""")


def test_what_asyncpg_does_not_have_is_not_there(python):
    python(INSTALLED + """
try:
    import asyncpg.nothing
except ModuleNotFoundError as error:
    assert error.name == "asyncpg.nothing"
else:
    raise AssertionError
""")


def test_a_package_that_somebody_puts_under_asyncpg_finds_its_own_modules(python, tmp_path):
    (tmp_path / "extra").mkdir()
    (tmp_path / "extra" / "part.py").write_text("x = 9\n")
    python(INSTALLED + """
import sys, types
sys.modules["asyncpg.extra"] = extra = types.ModuleType("asyncpg.extra")
extra.__path__ = ["extra"]
from asyncpg.extra.part import x
assert x == 9
""")


def test_metadata_says_that_asyncpg_is_installed(python):
    python(INSTALLED + """
import asyncpg
import importlib.metadata as metadata
assert metadata.version("asyncpg") == metadata.version("AsyncPG") == asyncpg.__version__ == "0.32.0"
assert metadata.metadata("asyncpg")["Name"] == "asyncpg"
assert "asyncpg" in {found.metadata["Name"] for found in metadata.distributions()}
assert metadata.distribution("asyncpg").files is None and not metadata.distribution("asyncpg").requires
try:
    metadata.version("nothing-of-that-name")
except metadata.PackageNotFoundError:
    pass
else:
    raise AssertionError
""")


def test_installing_twice_changes_nothing(python):
    python(INSTALLED + """
import sys
before = list(sys.meta_path)
asyncpg_core.install_as_asyncpg()
assert sys.meta_path == before
""")


STRANGER = "import sys, types; sys.modules['asyncpg'] = real = types.ModuleType('asyncpg')\n" \
    "sys.modules['asyncpg.pool'] = types.ModuleType('asyncpg.pool')\n" \
    "real.__file__ = '/somewhere/asyncpg/__init__.py'\n"


def test_it_is_refused_when_another_asyncpg_is_imported(python):
    said = python(STRANGER + INSTALLED, code=1)
    assert "ImportError: asyncpg is imported already, from '/somewhere/asyncpg/__init__.py'" in said


def test_force_replaces_another_asyncpg(python):
    python(STRANGER + """
import asyncpg_core
asyncpg_core.install_as_asyncpg(force=True)
import asyncpg, asyncpg.pool
assert asyncpg is asyncpg_core and asyncpg.pool is asyncpg_core.pool and asyncpg is not real
""")


def test_without_it_nothing_is_found_under_asyncpgs_name(python):
    python("""
        import sys
        import asyncpg_core
        assert not any(name == "asyncpg" or name.startswith("asyncpg.") for name in sys.modules)
        assert not any(type(finder).__module__.startswith("asyncpg_core") for finder in sys.meta_path)
        assert asyncpg_core.__version__ != "0.32.0"
    """)


PROGRAM = "import sys, asyncpg, asyncpg_core\n" \
    "print(__name__, sys.argv[1:], asyncpg is asyncpg_core, __import__('neighbour').x)\n"


@pytest.mark.parametrize("command", [["-m", "app", "--flag", "x"], ["app.py", "--flag", "x"]])
def test_a_program_runs_as_it_would_with_python_itself(tmp_path, command):
    (tmp_path / "app.py").write_text(PROGRAM)
    (tmp_path / "neighbour.py").write_text("x = 7\n")
    assert run("-m", "asyncpg_core.run_as_asyncpg", *command, cwd=tmp_path) == \
        "__main__ ['--flag', 'x'] True 7\n"


def test_a_program_in_another_directory_finds_its_neighbours(tmp_path):
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "app.py").write_text(PROGRAM)
    (tmp_path / "code" / "neighbour.py").write_text("x = 8\n")
    assert run("-m", "asyncpg_core.run_as_asyncpg", "code/app.py", cwd=tmp_path).endswith(" [] True 8\n")


@pytest.mark.parametrize("arguments, code", [((), 2), (("--help",), 0), (("-m",), 2)])
def test_the_runner_says_how_it_is_used(tmp_path, arguments, code):
    assert "usage: python -m asyncpg_core.run_as_asyncpg" in run(
        "-m", "asyncpg_core.run_as_asyncpg", *arguments, cwd=tmp_path, code=code)
