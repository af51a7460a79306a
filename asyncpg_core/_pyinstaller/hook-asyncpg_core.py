"""What PyInstaller cannot see: what compiled modules import. It is read off from an import of all of them."""
import importlib
import sys

# Asked for by name: PyInstaller is there where a hook runs, and where types are checked it need not be.
hooks = importlib.import_module("PyInstaller.utils.hooks")
isolated = importlib.import_module("PyInstaller.isolated")


def is_wanted(name: str) -> bool:
    """Whether a module belongs into every bundle: SQLAlchemy's dialect needs SQLAlchemy, and hooks PyInstaller."""
    return name != "asyncpg_core.sqlalchemy" and not name.startswith("asyncpg_core._pyinstaller")


def modules_loaded_by(names: list[str]) -> list[str]:
    """Return all modules that are there once these are imported; called in a process of its own."""
    import importlib
    import sys

    for name in names:
        importlib.import_module(name)
    return [name for name in sys.modules if name != "__main__"]


ours = [*hooks.collect_submodules("asyncpg_core", filter=is_wanted), *hooks.collect_submodules("pgproto")]
hiddenimports = [*ours, *(name for name in isolated.call(modules_loaded_by, ours)
                          if name.partition(".")[0] in sys.stdlib_module_names)]
datas = hooks.copy_metadata("asyncpg-core")
