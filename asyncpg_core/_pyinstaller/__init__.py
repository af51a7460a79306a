"""Where PyInstaller finds our hooks, by the entry point `pyinstaller40`: a bundle needs no flags for this driver."""
from __future__ import annotations

from pathlib import Path


def get_hook_dirs() -> list[str]:
    """Return the directories of hooks."""
    return [str(Path(__file__).resolve().parent)]
