"""Every public name of asyncpg 0.32.0 is where asyncpg has it: `asyncpg.<module>` becomes `asyncpg_core.<module>`."""
import importlib
import inspect
import pathlib

import pytest

import asyncpg_core
from asyncpg_core.compat import modules
from tools.asyncpg_names import NAMES, asyncpg_names

OFFERED = {module: names for module, *names in (
    line.split() for line in NAMES.read_text(encoding="utf-8").splitlines() if not line.startswith("#"))}

INNER = "a part of asyncpg's protocol engine, which ours is not built like"
MISSING = {
    "asyncpg.cluster": "starts servers for asyncpg's own tests; it is no part of a driver",
    "asyncpg.connect_utils.TLSUpgradeProto": INNER,
    "asyncpg.connect_utils.target_attrs_check": INNER,
    **{f"asyncpg.protocol.protocol.{name}": INNER for name in (
        "ARRAY_TYPES", "AUTH_METHOD_NAME", "CodecMap", "CoreProtocol", "ENCODINGS_MAP",
        "FLUSH_MESSAGE", "SYNC_MESSAGE", "codec_map")},
}


def ours(module):
    return "asyncpg_core" + module.removeprefix("asyncpg")


@pytest.mark.parametrize("module", [module for module in OFFERED if module not in MISSING])
def test_each_public_name_of_asyncpg_is_importable_from_where_it_has_it(module):
    found = importlib.import_module(ours(module))
    missing = {f"{module}.{name}" for name in OFFERED[module] if not hasattr(found, name)}
    assert missing == {name for name in MISSING if name.rpartition(".")[0] == module} - OFFERED.keys()


def test_a_missing_module_is_really_missing():
    for module in MISSING.keys() & OFFERED.keys():
        with pytest.raises(ModuleNotFoundError):
            importlib.import_module(ours(module))


def test_submodules_are_attributes_after_the_package_alone_is_imported():
    for module in OFFERED.keys() - MISSING.keys() - {"asyncpg"}:
        thing = asyncpg_core
        for part in module.split(".")[1:]:
            thing = getattr(thing, part)
        assert thing is importlib.import_module(ours(module))


def test_a_module_under_another_name_is_one_object_under_both():
    for name in modules.OURS_BY_OTHER_NAMES:
        assert importlib.import_module(f"asyncpg_core.{name}") is importlib.import_module(f"asyncpg_core.compat.{name}")


def test_list_of_names_is_what_asyncpg_offers():
    """`python tools/asyncpg_names.py` writes it anew."""
    pytest.importorskip("asyncpg", reason="missing feature: asyncpg oracle")
    assert asyncpg_names() == NAMES.read_text(encoding="utf-8")


@pytest.mark.parametrize("module", [module for module in OFFERED if module not in MISSING])
def test_a_class_here_is_a_class_there_and_a_function_a_function(module):
    pytest.importorskip("asyncpg", reason="missing feature: asyncpg oracle")
    theirs, found = importlib.import_module(module), importlib.import_module(ours(module))
    differing = {
        name for name in OFFERED[module] if hasattr(found, name) and (
            inspect.isclass(getattr(theirs, name)) != inspect.isclass(getattr(found, name))
            or callable(getattr(theirs, name)) != callable(getattr(found, name)))}
    assert not differing


def test_every_file_of_the_package_is_registered():
    root = pathlib.Path(modules.__file__).parent
    files = {".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")
             for path in root.rglob("*.py")}
    own = {"__init__", "aliases", "homes", "install", "modules", "observed", "runner", "statements", "steps"}
    assert files - own == {*modules.OURS_BY_OTHER_NAMES, *modules.COMPLETED}
