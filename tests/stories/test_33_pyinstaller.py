"""Story 33: a PyInstaller bundle without flags. tests/integrations/test_pyinstaller.py builds one; here is its hook."""
import sys
from importlib import import_module
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent.parent


def test_the_entry_point_leads_to_the_hooks():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    module, _, function = project["entry-points"]["pyinstaller40"]["hook-dirs"].partition(":")
    (directory,) = getattr(import_module(module), function)()
    assert {"hook-asyncpg_core.py"} <= {path.name for path in Path(directory).iterdir()}
    assert project["name"] == "asyncpg-core", "the hook copies the metadata of this distribution"


def test_a_bundle_is_built_and_run_by_the_integrations():
    assert (ROOT / "tests" / "integrations" / "test_pyinstaller.py").exists()
    assert "pyinstaller==" in (ROOT / "tools" / "requirements-integrations.txt").read_text(encoding="utf-8")
