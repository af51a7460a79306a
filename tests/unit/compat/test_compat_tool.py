"""The script that says which of asyncpg's tests read private names, and what becomes of their outcomes."""
import os

import pytest

if os.name == "nt":
    pytest.skip("missing feature: embedded server on Windows", allow_module_level=True)

from tests.compat.private_names import private_names_of_tests
from tools import compat

SAMPLE = '''
from asyncpg import _testbase as tb
from asyncpg import utils
from asyncpg.protocol.protocol import _create_record as Record

class TestIt(tb.ConnectedTestCase):
    _mine = 1

    async def test_public(self):
        self._mine = await self.con.fetch("_not_a_name", utils.__name__)
        row._asdict()

    async def test_attribute(self):
        self.con._protocol.abort()

    async def test_through_a_method(self):
        await self.check()

    async def check(self):
        def inner():
            return self.check, pool._holders
        return inner()

    def test_imported(self):
        Record(1)

    def helper(self):
        self.con._unread
'''


def test_private_names_are_found_where_a_test_reads_them(tmp_path):
    (tmp_path / "test_it.py").write_text(SAMPLE)
    assert private_names_of_tests(tmp_path) == {
        "test_it.py::TestIt::test_public": set(),
        "test_it.py::TestIt::test_attribute": {"_protocol"},
        "test_it.py::TestIt::test_through_a_method": {"_holders"},
        "test_it.py::TestIt::test_imported": {"Record"},
    }


def test_a_failure_must_be_listed_and_what_is_listed_must_fail(monkeypatch, capsys):
    monkeypatch.setattr(compat, "expected_failures", lambda: {"listed": "differs on purpose", "mended": "no reason"})
    outcomes = {"ok": ["passed", ""], "listed": ["failed", "x"], "skipped": ["skipped", "y"]}
    private = {"listed": {"_con"}}
    assert compat.judge(outcomes, private) == 0
    assert compat.judge(outcomes | {"mended": ["passed", ""]}, private) == 1
    assert compat.judge(outcomes | {"new": ["failed", "why"]}, private) == 1
    monkeypatch.setattr(compat, "passing_by_chance", lambda: {"mended"})
    assert compat.judge(outcomes | {"mended": ["passed", ""]}, private) == 0
    assert compat.judge(outcomes | {"mended": ["failed", ""]}, private) == 0
    said = capsys.readouterr().out
    assert "passes, and is to be struck from the deviations: mended" in said
    assert "unexpected failure: new: why" in said
    assert "   1 differs on purpose" in said
    assert "tests that read no private name: 1 passed, 0 failed, 1 skipped" in said


def test_every_deviation_has_a_reason_and_stands_once():
    groups = compat.tomllib.loads(compat.DEVIATIONS.read_text(encoding="utf-8"))["deviation"]
    tests = [test for group in groups for test in group["tests"]]
    assert len(tests) == len(set(tests)) == len(compat.expected_failures())
    assert all(group["reason"].strip() and group["tests"] for group in groups)
