"""`import asyncpg` that yields asyncpg_core: one import finder, which also knows the distribution's metadata.

`asyncpg.<name>` is the same module object as `asyncpg_core.<name>`: a module imported twice would have exceptions of
its own, and an extension module refuses it.
"""
from __future__ import annotations

import importlib
import importlib.util
import pathlib
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.metadata import Distribution, DistributionFinder
from os import PathLike
from types import ModuleType
from typing import Any

from asyncpg_core import naming
from asyncpg_core.compat._version import __version__

ALIAS = "asyncpg"
PACKAGE = "asyncpg_core"


def install_as_asyncpg(force: bool = False) -> None:
    """Make `import asyncpg` yield asyncpg_core, in this process and from now on; calling it again changes nothing.

    From then on `__version__` is that of the asyncpg whose API this is, since that is what libraries ask it for. Raises
    ImportError if the real asyncpg is imported already; `force` replaces it, and those who have it keep it.
    """
    package = sys.modules[PACKAGE]
    present = sys.modules.get(ALIAS)
    if present is package and any(isinstance(finder, AliasFinder) for finder in sys.meta_path):
        return
    if present is not None and present is not package:
        if not force:
            raise ImportError(
                f"asyncpg is imported already, from {getattr(present, '__file__', None) or present!r}; call "
                "asyncpg_core.install_as_asyncpg() before the first import of it, or with force=True", name=ALIAS)
        for name in [name for name in sys.modules if is_at_or_below(name, ALIAS)]:
            del sys.modules[name]
    sys.meta_path.insert(0, AliasFinder())
    package.__version__ = __version__    # type: ignore[attr-defined]
    naming.package = ALIAS
    package.pool.logger = naming.logger("pool")
    for name, module in [*sys.modules.items()]:
        if is_at_or_below(name, PACKAGE):
            sys.modules[ALIAS + name[len(PACKAGE):]] = module


def is_at_or_below(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


class AliasFinder(MetaPathFinder):
    """Finds `asyncpg` and what is below it in asyncpg_core."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if not is_at_or_below(fullname, ALIAS):
            return None
        real = PACKAGE + fullname[len(ALIAS):]
        if real not in sys.modules:
            try:
                if importlib.util.find_spec(real) is None:
                    return None
            except ModuleNotFoundError:
                return None     # below a package that somebody else has put under asyncpg
        return ModuleSpec(fullname, AliasLoader(real))

    def find_distributions(
        self, context: DistributionFinder.Context = DistributionFinder.Context()  # noqa: B008  # immutable
    ) -> Iterator[Distribution]:
        """Yield the distribution `asyncpg`, for those who check that it is installed."""
        if context.name is None or re.sub(r"[-_.]+", "-", context.name).lower() == ALIAS:
            yield AliasDistribution()


class AliasLoader(Loader):
    """Loads nothing: the module is there under its own name."""

    def __init__(self, real: str) -> None:
        self.real = real

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = importlib.import_module(self.real)
        self.kept = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        # The import system has written the alias's spec into the module, which has been executed under its own.
        module.__spec__ = self.kept


class AliasDistribution(Distribution):
    """The metadata of a distribution that has no files."""

    def read_text(self, filename: str) -> str | None:
        if filename not in ("METADATA", "PKG-INFO"):
            return None
        return f"Metadata-Version: 2.1\nName: {ALIAS}\nVersion: {__version__}\nSummary: asyncpg_core under this name\n"

    def locate_file(self, path: str | PathLike[str]) -> Any:
        return pathlib.Path(__file__).parents[2] / path

    @property
    def files(self) -> Iterable[Any] | None:  # type: ignore[override]
        return None
