"""What is one in a process stays one: imports that come a second time, and those of another interpreter."""
import os
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor

import pytest

from asyncpg_core.statement_cache import new_name

FORGET = """
def forget():
    for name in [name for name in sys.modules if name.split(".")[0] in packages]:
        del sys.modules[name]
"""


def run(script):
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(FORGET) + textwrap.dedent(script)],
                          capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("packages", [("asyncpg_core", "pgproto"), ("asyncpg_core",), ("pgproto",)])
def test_a_package_imported_again_after_its_deletion_has_the_same_classes(packages):
    assert run(f"""
        import sys
        packages = {packages}
        import asyncpg_core
        import pgproto.errors, asyncpg_core.exceptions, asyncpg_core.pool
        names = [name for name in vars(asyncpg_core) if not name.startswith("_")]
        before = {{name: getattr(asyncpg_core, name) for name in names}}
        errors, exceptions = pgproto.errors.__dict__.copy(), asyncpg_core.exceptions.__dict__.copy()
        modules = set(sys.modules)
        for _ in range(2):
            forget()
            import pgproto.errors
            import asyncpg_core
            import asyncpg_core.exceptions
            from asyncpg_core.pool import Pool
            from asyncpg_core import pool, connection
            assert all(getattr(asyncpg_core, name) is before[name] for name in names)
            assert pgproto.errors.PostgresError is errors["PostgresError"]
            assert asyncpg_core.exceptions.QueryTimeout is exceptions["QueryTimeout"]
            assert Pool is before["Pool"] and pool.Pool is Pool and connection.Connection is before["Connection"]
            assert set(sys.modules) >= modules, modules - set(sys.modules)
        try:
            pgproto.errors.ClientConfigurationError
            asyncpg_core.create_pool(max_size=0)
        except ValueError:
            print("well")
        """) == "well\n"


def test_an_import_that_failed_is_not_taken_for_the_first_one():
    assert run("""
        import sys
        packages = ("asyncpg_core", "pgproto")
        sys.modules["asyncpg_core.pool"] = None
        try:
            import asyncpg_core
        except ImportError:
            print("failed")
        forget()
        import asyncpg_core
        print(asyncpg_core.Pool.__name__)
        """) == "failed\nPool\n"


@pytest.mark.parametrize("own_gil", [True, False])
def test_a_second_interpreter_is_refused_by_an_import_error_that_says_so(own_gil):
    if own_gil and sys.version_info < (3, 12):
        pytest.skip("missing feature: interpreters with a GIL of their own (Python 3.12)")
    said = run(f"""
        import sys
        try:
            import _interpreters as interpreters
        except ImportError:
            import _xxsubinterpreters as interpreters
        import asyncpg_core
        sub = interpreters.create() if {own_gil} or sys.version_info < (3, 12) else interpreters.create(
            *(["legacy"] if sys.version_info >= (3, 13) else []))
        code = '''
        import sys
        sys.path[:] = {sys.path!r}
        try:
            import asyncpg_core
        except ImportError as error:
            print("refused:", error, flush=True)
        '''
        import textwrap
        getattr(interpreters, "run_string", None)(sub, textwrap.dedent(code))
        interpreters.destroy(sub)
        """)
    assert said.startswith("refused:") and "interpreter" in said


def mark_of(name):
    return name.rpartition("_")[0]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="missing feature: fork")
def test_a_forked_child_gives_its_statements_names_of_its_own():
    """Of two processes behind one pooler, one would else execute the other's statement."""
    said = run("""
        import os
        from asyncpg_core.statement_cache import new_name
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.write(writer, new_name().encode())
            os._exit(0)
        os.waitpid(child, 0)
        print(new_name(), new_name(), os.read(reader, 100).decode())
        """)
    first, second, childs = said.split()
    assert mark_of(first) == mark_of(second) != mark_of(childs)


def test_names_that_threads_give_at_the_same_time_are_all_different():
    def give(_):
        return [new_name() for _ in range(5000)]

    with ThreadPoolExecutor(8) as threads:
        names = [name for part in threads.map(give, range(8)) for name in part]
    assert len(set(names)) == len(names) and len({mark_of(name) for name in names}) == 1
