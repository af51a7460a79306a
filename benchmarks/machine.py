"""The facts a figure is worth nothing without: the machine, the interpreter, the versions, the commit."""
from __future__ import annotations

import os
import platform
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


def cpu_model(cpuinfo: str) -> str:
    """Return the model named by the text of /proc/cpuinfo, or an empty string (some architectures name none)."""
    for line in cpuinfo.splitlines():
        name, colon, value = line.partition(":")
        if colon and name.strip() in ("model name", "Model", "cpu"):
            return value.strip()
    return ""


def read_cpuinfo() -> str:
    path = Path("/proc/cpuinfo")
    return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""


def git(*arguments: str) -> str | None:
    """Return what git says, None where there is no git or no repository."""
    try:
        done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def machine_facts() -> dict[str, Any]:
    """Return what is known before the run starts, ready for JSON; None where the platform does not tell."""
    changes = git("status", "--porcelain", "--untracked-files=no")
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
    configured = str(sysconfig.get_config_var("CONFIG_ARGS") or "")
    return {
        "cpu": cpu_model(read_cpuinfo()) or platform.processor(),
        "cores": os.cpu_count(),
        "cores_usable": usable,
        "load_average": list(os.getloadavg()) if hasattr(os, "getloadavg") else None,
        "platform": platform.platform(),
        "python": platform.python_version(),
        "python_build": " ".join(platform.python_build()),
        "python_pgo": "--enable-optimizations" in configured,
        "gil": bool(getattr(sys, "_is_gil_enabled", lambda: True)()),
        "commit": git("rev-parse", "HEAD"),
        "uncommitted_changes": None if changes is None else bool(changes),
    }
