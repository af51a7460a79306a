"""The shape of the house: who may import whom, how long a file may be, where raw bytes are touched, what is public.

A new module is put into a layer below; a module imports from its own layer and from those under it. Lists of exceptions
say what is still missing; they may only shrink, so an exception that is no longer one fails too.
"""
import ast
import asyncio
import graphlib
import inspect
import pathlib
import re

import pytest

import asyncpg_core
from asyncpg_core.connection import Connection
from asyncpg_core.pool import Pool
from tools.public_api import ASYNCPG, PUBLIC, public_api

ROOT = pathlib.Path(__file__).resolve().parent.parent
PACKAGES = ("asyncpg_core", "pgproto")
SOURCES = sorted(path for package in PACKAGES for suffix in ("py", "pyx", "pxd")
                 for path in (ROOT / package).rglob(f"*.{suffix}"))

# From the bottom up. A name stands for the module or the package of that name.
PGPROTO = [
    {"once"},
    {"arrow_abi", "limits", "living", "oids", "owed", "secret", "error_base", "sqlstate", "errors", "types"},
    {"saslprep", "certificate", "require_auth", "scram", "auth"},
    {"wire"},
    {"encodings"},
    {"read_buffer", "write_buffer"},
    {"messages"},
    {"codecs", "record"},
    {"statement"},
    {"row_sinks"},
    {"columns"},
    {"operations"},
    {"copy_reader", "copy_rows"},
    {"arrow_in"},
    {"frontend"},
    {"trace"},
]
ASYNCPG_CORE = [
    {"keywords", "home", "given", "naming", "coroutine_mark", "detection", "exactness", "exceptions", "healing",
     "limit", "patchable", "prepare_mode", "racing", "server_version",
     "settings", "types", "codec_options", "copy_statement", "copy_ends", "identifiers", "placeholders",
     "numpy_columns"},
    {"options", "conninfo", "passfile", "service", "tls", "addresses"},
    {"dsn"},
    {"dial", "gss", "connect_arguments"},
    {"cancel"},
    {"endpoint", "statement_cache"},
    {"call", "transport"},
    {"binding", "failures", "call_maker", "preludes", "reset", "deadlines", "canceller", "introspection",
     "type_query", "query_log"},
    {"descriptions", "retries"},
    {"session"},
    {"endings", "forks", "groups", "held", "leases", "parting"},
    {"opening"},
    {"connect", "protocol"},
    {"column_queries", "cursor", "pipeline", "transaction", "type_codecs", "copy_arguments", "copy_turn", "watchers"},
    {"copy_rows"},
    {"column_stream", "copy", "listeners"},
    {"prepared_statement"},
    {"connection"},
    {"pool_arguments", "pool_state", "pool_calls", "released", "pool_copy"},
    {"pool_member"},
    {"lending"},
    {"pool_check", "pool_end", "pool_reading", "pool_reset", "pool_role", "pool_stats", "pool_turnover", "pool_upkeep"},
    {"pool_columns", "pool_queries"},
    {"pool"},
    {"compat", "sqlalchemy", "_pyinstaller"},
    {"run_as_asyncpg"},
    {"asyncpg_core"},
]
FORBIDDEN_IN_PGPROTO = {"asyncio", "socket", "ssl", "os", "logging", "asyncpg_core", "selectors", "threading", "select"}

MAX_LINES = 600
GENERATED = {"pgproto/sqlstate.py", "pgproto/oids.py", "pgproto/oids.pxd"}
TOO_LONG = {"pgproto/record.c"}

# Parameters whose default is another one on purpose.
OTHER_DEFAULTS = {("create_pool", "min_size"): "follows a smaller max_size"}


def name_of(path):
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def is_type_checking(node):
    return isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")


def python_imports(path):
    """Yield the modules that a .py file imports when it runs, at its top or inside a function."""
    package = name_of(path) if path.stem == "__init__" else name_of(path).rpartition(".")[0]
    waiting = [ast.parse(path.read_text(encoding="utf-8"))]
    while waiting:
        node = waiting.pop()
        if is_type_checking(node):
            waiting += node.orelse
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".")
            base = parts[:len(parts) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            yield from members_or_module(module, [alias.name for alias in node.names])
        waiting += ast.iter_child_nodes(node)


def members_or_module(module, names):
    """`from package import module` imports the module, `from module import name` the one it is in."""
    found = [f"{module}.{name}" for name in names if is_module(f"{module}.{name}")]
    return found if len(found) == len(names) else [module, *found]


def is_module(name):
    path = ROOT / name.replace(".", "/")
    return path.is_dir() or any(path.with_name(path.name + suffix).exists() for suffix in (".py", ".pyx", ".pxd", ".c"))


def cython_imports(path):
    """Yield the modules that a .pyx or .pxd file imports or cimports."""
    text = re.sub(r'"""[\s\S]*?"""', "", path.read_text(encoding="utf-8"))
    for found in re.finditer(r"^\s*from\s+([\w.]+)\s+c?import\s+(?:\(([^)]*)\)|(.*))", text, re.MULTILINE):
        names = re.sub(r"#.*| as \w+", "", found[2] or found[3])
        yield from members_or_module(found[1], re.findall(r"\w+", names))
    for found in re.finditer(r"^\s*c?import\s+([\w.]+)", text, re.MULTILINE):
        yield found[1]


def imports_of(path):
    own = name_of(path)
    return {module for module in (python_imports(path) if path.suffix == ".py" else cython_imports(path))
            if module != own}


def layer_of(module):
    package, _, rest = module.partition(".")
    layers = {"pgproto": PGPROTO, "asyncpg_core": ASYNCPG_CORE}[package]
    first = rest.partition(".")[0] or package
    return next((n for n, names in enumerate(layers) if first in names), None)


def relative(path):
    return str(path.relative_to(ROOT)).replace("\\", "/")


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_module_imports_only_what_is_not_above_it(path):
    package = path.relative_to(ROOT).parts[0]
    module = name_of(path)
    if module == "pgproto":
        assert imports_of(path) == {"pgproto.once"}
        return
    own = layer_of(module)
    assert own is not None, f"{module} is in no layer"
    for imported in imports_of(path):
        if imported.partition(".")[0] == package and imported != package:
            other = layer_of(imported)
            assert other is not None, f"{imported} is in no layer"
            assert other <= own, f"{module} imports {imported}, which is above it"


@pytest.mark.parametrize("package", PACKAGES)
def test_no_two_modules_import_each_other(package):
    graph = {}
    for path in SOURCES:
        if path.relative_to(ROOT).parts[0] == package and path.suffix != ".pxd":
            wanted = {module for module in imports_of(path) if module.startswith(f"{package}.")}
            graph.setdefault(name_of(path), set()).update(wanted - {name_of(path)})
    graphlib.TopologicalSorter(graph).prepare()


def test_every_layer_names_modules_that_exist():
    for package, layers in (("pgproto", PGPROTO), ("asyncpg_core", ASYNCPG_CORE)):
        for name in set().union(*layers) - {package}:
            assert is_module(f"{package}.{name}"), f"{package}.{name}"


@pytest.mark.parametrize("path", [path for path in SOURCES if name_of(path).startswith("pgproto")], ids=relative)
def test_core_does_no_io(path):
    assert not {module.partition(".")[0] for module in imports_of(path)} & FORBIDDEN_IN_PGPROTO


def test_imports_are_seen_in_all_their_forms(tmp_path):
    sample = tmp_path / "sample.pyx"
    sample.write_text("import asyncio\ncimport cython\nfrom pgproto.wire cimport (\n    Slice,\n    take_end)\n"
                      "from pgproto import auth\nfrom pgproto.operations cimport operation, simple\n")
    assert {*cython_imports(sample)} == {
        "asyncio", "cython", "pgproto.wire", "pgproto.auth", "pgproto.operations.operation",
        "pgproto.operations.simple"}
    assert "asyncpg_core.dsn" in imports_of(ROOT / "asyncpg_core" / "connect_arguments.py")
    assert "asyncpg_core.given" in imports_of(ROOT / "asyncpg_core" / "dsn.py")
    assert "asyncpg_core.connection" not in imports_of(ROOT / "asyncpg_core" / "transaction.py")


def test_files_can_be_held_in_mind():
    paths = [*SOURCES, *(ROOT / "pgproto").rglob("record*.[ch]"), *(ROOT / "pgproto").glob("row_shape.h")]
    long = {relative(path) for path in paths if len(path.read_text(encoding="utf-8").splitlines()) > MAX_LINES}
    assert long - GENERATED == TOO_LONG


RAW_LOAD = re.compile(r"\bload_u?int\d+|<\s*(?:const\s+)?(?:u?int(?:16|32|64)_t|float|double)\s*\*+\s*>")
# The read buffer looks at the length of a message that is not whole yet, which no Slice can hold.
MAY_LOAD = {"pgproto/wire.pxd", "pgproto/wire.pyx", "pgproto/read_buffer.pxd", "pgproto/read_buffer.pyx"}


@pytest.mark.parametrize("path", [path for path in SOURCES if path.suffix != ".py"], ids=relative)
def test_raw_loads_stay_where_bounds_are_checked(path):
    if relative(path) not in MAY_LOAD:
        assert not RAW_LOAD.search(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", [path for path in SOURCES if path.suffix != ".py"], ids=relative)
def test_no_source_is_pasted_into_another(path):
    assert not re.search(r"^\s*include\s+[\"']", path.read_text(encoding="utf-8"), re.MULTILINE)


def test_extension_classes_inherit_once_at_most():
    bases = {}
    for path in SOURCES:
        if path.suffix != ".py":
            text = path.read_text(encoding="utf-8")
            for found in re.finditer(r"^cdef class (\w+)(?:\((\w+)\))?:", text, re.MULTILINE):
                bases[found[1]] = found[2] or bases.get(found[1])
    assert len(bases) > 20
    assert not {name for name, base in bases.items() if base is not None and bases.get(base) is not None}
    final = {found[1] for path in SOURCES if path.suffix == ".pyx" for found in re.finditer(
        r"@cython\.final\n(?:@[^\n]*\n)*cdef class (\w+)", path.read_text(encoding="utf-8"))}
    assert bases.keys() - final == {base for base in bases.values() if base is not None}


# The public API

def test_public_api_is_what_the_file_says():
    """`PYTHONPATH=. python tools/public_api.py` writes it anew."""
    assert public_api() == PUBLIC.read_text(encoding="utf-8")


def entries(text):
    """Return {name: arguments of its signature, None where it has none} of a file of signatures."""
    found = {}
    for line in text.splitlines():
        name, bracket, rest = line.removeprefix("class ").partition("(")
        if line.startswith("#"):
            continue
        if not bracket or rest == "...)":
            found[name] = None
        else:
            function = ast.parse(f"def f({rest}: 0".replace("<not given>", "...")).body[0]
            found[name] = function.args
    return found


def defaults(arguments):
    """Return {parameter: its default as text, None where it must be given}."""
    positional = [*arguments.posonlyargs, *arguments.args]
    padded = [None] * (len(positional) - len(arguments.defaults)) + arguments.defaults
    pairs = [*zip(positional, padded, strict=True), *zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)]
    return {argument.arg: None if default is None else ast.unparse(default) for argument, default in pairs}


THEIRS = entries(ASYNCPG.read_text(encoding="utf-8"))
OURS = entries(PUBLIC.read_text(encoding="utf-8"))


def test_no_public_name_of_asyncpg_is_missing():
    assert THEIRS.keys() <= OURS.keys()


@pytest.mark.parametrize("name", [name for name, wanted in THEIRS.items() if wanted and name in OURS])
def test_a_call_written_for_asyncpg_fits(name):
    wanted, ours = THEIRS[name], OURS[name]
    if name.endswith("__"):
        # A slot of an extension type has no signature to look at.
        assert ours is None or len(ours.args) == len(wanted.args) or wanted.vararg
        return
    assert [argument.arg for argument in ours.args[:len(wanted.args)]] == [argument.arg for argument in wanted.args]
    assert (ours.vararg is None) == (wanted.vararg is None)
    assert ours.kwarg is not None or wanted.kwarg is None
    given, allowed = defaults(wanted), defaults(ours)
    differing = {key for key, default in given.items() if key not in allowed or allowed[key] != default}
    assert differing == {parameter for function, parameter in OTHER_DEFAULTS if function == name}
    assert all(allowed[extra] is not None for extra in allowed.keys() - given.keys())


@pytest.mark.parametrize("name", [
    name for name in THEIRS if name in OURS and name.startswith(("Connection.", "Pool."))])
def test_what_is_awaited_in_asyncpg_is_awaited_here(name):
    theirs = pytest.importorskip("asyncpg", reason="missing feature: asyncpg oracle")
    owner, _, method = name.partition(".")
    expected = asyncio.iscoroutinefunction(inspect.getattr_static(getattr(theirs, owner), method))
    assert asyncio.iscoroutinefunction(getattr({"Connection": Connection, "Pool": Pool}[owner], method)) == expected


def test_generic_classes_can_be_subscripted():
    for cls in (Connection, Pool, asyncpg_core.cursor.Cursor, asyncpg_core.cursor.CursorIterator):
        assert cls[asyncpg_core.Record].__origin__ is cls
