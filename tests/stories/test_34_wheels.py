"""Story 34: wheels for Alpine (musl) and slim (glibc) images, Python 3.10 to 3.15.

Here stands what the configuration says; `make wheels-list` asks cibuildwheel itself, and the wheels are built where a
release is.
"""
import fnmatch
import sys
from pathlib import Path

import pytest

from tools.wheels_list import PLATFORMS, PYTHONS

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
RELEASE = PROJECT["tool"]["cibuildwheel"]


@pytest.mark.parametrize("libc", ["manylinux", "musllinux"])
@pytest.mark.parametrize("arch", ["x86_64", "aarch64"])
def test_both_libcs_have_an_image_and_are_promised(libc, arch):
    assert arch in RELEASE["linux"]["archs"]
    assert RELEASE["linux"][f"{libc}-{arch}-image"].startswith(libc)
    assert f"{libc}_{arch}" in PLATFORMS["linux"]


def test_every_python_from_3_10_to_3_15_is_promised_with_free_threading_where_it_is_supported():
    assert {*PYTHONS} == {f"cp3{minor}" for minor in range(10, 16)} | {"cp314t", "cp315t"}
    assert PROJECT["project"]["requires-python"] == ">=3.10"
    classifiers = PROJECT["project"]["classifiers"]
    assert all(f"Programming Language :: Python :: 3.{minor}" in classifiers for minor in range(10, 16))


def test_nothing_that_is_promised_is_skipped():
    patterns = RELEASE.get("skip", [])
    promised = [f"{tag}-{platform}" for platforms in PLATFORMS.values() for platform in platforms for tag in PYTHONS]
    assert [one for one in promised if any(fnmatch.fnmatch(one, pattern) for pattern in patterns)] == []


def test_each_wheel_is_tested_before_it_is_published():
    assert any("pytest" in command for command in RELEASE["test-command"])
