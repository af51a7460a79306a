"""Make a virtual environment that can build C extensions, on whatever Python a machine has, without root.

    python3 tools/bootstrap.py .venv

Any Python from 3.8 on may run this file; the environment gets the first interpreter of 3.10 or later that has its C
headers, asking in turn $PYTHON, the one that runs this file and those on PATH. Where the venv module lacks pip (Debian
without python3-venv), pip comes from another interpreter on PATH or from Debian's package unpacked in the cache. Where
no interpreter has headers, Debian's package of them is unpacked too and their directories are written to
.venv/include-dirs, which the Makefile hands to the compiler.
"""
import glob
import json
import os
import shutil
import subprocess
import sys
from typing import Dict, List, NamedTuple, Optional

MINIMUM = (3, 10)
PROBE = """
import importlib.util, json, os, sys, sysconfig
include = sysconfig.get_path("include")
print(json.dumps({"executable": sys.executable, "version": list(sys.version_info[:2]),
                  "headers": os.path.exists(os.path.join(include, "Python.h")),
                  "ensurepip": all(importlib.util.find_spec(n) is not None for n in ("venv", "ensurepip"))}))
"""


class Interpreter(NamedTuple):
    executable: str
    version: tuple
    headers: bool
    ensurepip: bool


def choose(candidates: List[Interpreter]) -> Optional[Interpreter]:
    """The candidate that lacks least, None if all are too old: headers are harder to get than pip."""
    able = [found for found in candidates if found.version >= MINIMUM]
    return max(able, key=lambda found: (found.headers, found.ensurepip), default=None)


def probe(command: str) -> Optional[Interpreter]:
    try:
        done = subprocess.run([command, "-c", PROBE], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=30)
        facts = json.loads(done.stdout)
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None
    return Interpreter(facts["executable"], tuple(facts["version"]), facts["headers"], facts["ensurepip"])


def candidates() -> List[Interpreter]:
    names = ["python3", *("python3.%d" % minor for minor in (13, 14, 12, 11, 10, 15))]
    commands = [os.environ.get("PYTHON"), sys.executable, *(shutil.which(name) for name in names)]
    found: Dict[str, Interpreter] = {}
    for command in commands:
        interpreter = probe(command) if command else None
        if interpreter is not None:
            found.setdefault(interpreter.executable, interpreter)
            if choose([interpreter]) and interpreter.headers and interpreter.ensurepip:
                break
    return list(found.values())


def say(text: str) -> None:
    print("bootstrap: " + text, flush=True)


def run(*command: str, **options) -> bool:
    return subprocess.run(command, **options).returncode == 0


def make_environment(chosen: Interpreter, venv: str) -> None:
    shutil.rmtree(venv, ignore_errors=True)
    if chosen.ensurepip and run(chosen.executable, "-m", "venv", venv):
        return
    shutil.rmtree(venv, ignore_errors=True)
    if not run(chosen.executable, "-m", "venv", "--without-pip", venv):
        sys.exit("bootstrap: %s cannot make a virtual environment" % chosen.executable)
    python = os.path.join(venv, "bin", "python")
    for pip in filter(None, (shutil.which("pip3"), shutil.which("pip"))):
        if run(pip, "--python", python, "install", "--quiet", "pip"):
            return
    tree = debian_package("python3-pip-whl", venv)
    wheels = glob.glob(os.path.join(tree, "usr/share/python-wheels/pip-*.whl")) if tree else []
    if not wheels or not run(python, os.path.join(wheels[0], "pip"), "install", "--quiet", "pip"):
        sys.exit("bootstrap: no pip for %s; install python3-venv or set PYTHON" % chosen.executable)


def debian_package(name: str, venv: str) -> Optional[str]:
    """The directory of an unpacked Debian package, None where that is not possible. Needs apt's lists, but no root."""
    if not (shutil.which("apt-get") and shutil.which("dpkg")):
        return None
    tree = os.path.abspath(os.path.join(venv, "debian"))
    os.makedirs(tree, exist_ok=True)
    say("fetching Debian's " + name)
    if not run("apt-get", "--quiet", "--quiet", "download", name, cwd=tree):
        return None
    archives = glob.glob(os.path.join(tree, name + "_*.deb"))
    return tree if archives and run("dpkg", "-x", archives[0], tree) else None


def fetch_headers(chosen: Interpreter, venv: str) -> None:
    name = "python%d.%d" % chosen.version
    tree = debian_package("lib%s-dev" % name, venv)
    if tree is None:
        sys.exit("bootstrap: %s has no Python.h; install %s-dev or set PYTHON" % (chosen.executable, name))
    with open(os.path.join(venv, "include-dirs"), "w") as file:
        file.write("-I%s/usr/include/%s -I%s/usr/include\n" % (tree, name, tree))


def main() -> None:
    venv = sys.argv[1]
    found = candidates()
    chosen = choose(found)
    if chosen is None:
        sys.exit("bootstrap: Python 3.10 or later is needed; found %s" % [f.executable for f in found])
    say("%s is made with %s (%d.%d)" % (venv, chosen.executable, *chosen.version))
    make_environment(chosen, venv)
    if not chosen.headers:
        fetch_headers(chosen, venv)


if __name__ == "__main__":
    main()
