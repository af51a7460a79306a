"""docs/drop-in.md says what `make integrations` installs."""
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[3]
FILES = ("requirements-integrations.txt", "requirements-integrations-alone.txt", "requirements-demo.txt")
# What the tests themselves need.
NOT_TRIED = {"greenlet", "numpy", "httpx", "uvicorn", "cryptography", "opentelemetry-sdk",
             "pyinstaller", "pyarrow", "polars", "pandas", "duckdb"}
NAMES = {"Tortoise ORM": "tortoise-orm"}


def test_the_versions_that_were_tried_are_those_that_are_installed():
    pins = re.findall(r"^([\w-]+)==([\w.]+)", "\n".join(
        (ROOT / "tools" / name).read_text(encoding="utf-8") for name in FILES), re.MULTILINE)
    installed = {}
    for name, version in pins:
        installed.setdefault(name.lower(), version)     # FastAPI has a second one, for Python 3.10
    rows = re.findall(r"^\| ([^|]+) \| ([\d., rcb]+) \|", (ROOT / "docs/drop-in.md").read_text(encoding="utf-8"),
                      re.MULTILINE)
    tried = {}
    for names, versions in rows:
        found = re.findall(r"`([\w-]+)`", names) or [NAMES.get(name, name) for name in names.split(", ")]
        tried.update(zip([name.lower() for name in found], versions.split(", "), strict=True))
    assert tried == {name: version for name, version in installed.items() if name not in NOT_TRIED}
