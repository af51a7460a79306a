"""The instruction budget without valgrind: its verdicts, its exits, the server that replays."""
import json
import socket
import struct
import sys

import pytest

from benchmarks import budget
from benchmarks.budget_workloads import BUDGETED, answer_of
from benchmarks.callgrind import last_line
from benchmarks.recordings import BATCH, BY_KEY, INT8, NAMES, VALUES
from pgproto.codecs.registry import CodecRegistry
from tests.support.backend_bytes import kinds

COUNTED = dict.fromkeys(BUDGETED, 1000)


def outcome(monkeypatch, tmp_path, now, *arguments, budgets=None, ci=False):
    monkeypatch.setattr(budget, "choose_counter", lambda: "callgrind")
    monkeypatch.setattr(budget, "count", lambda _counter, _budgeted: now)
    monkeypatch.delenv("CI", raising=False)
    if ci:
        monkeypatch.setenv("CI", "true")
    path = tmp_path / "budget.json"
    if budgets is not None:
        path.write_text(json.dumps(budgets))
    return budget.main(["--budgets", str(path), *arguments])


@pytest.mark.parametrize(("now", "status", "word"), [
    (1000, 0, "ok"), (1049, 0, "ok"), (1051, 1, "OVER"), (949, 0, "write it")])
def test_more_than_five_per_cent_over_its_budget_fails(monkeypatch, tmp_path, capsys, now, status, word):
    budgets = {budget.python_key("callgrind"): COUNTED}
    assert outcome(monkeypatch, tmp_path, {**COUNTED, "pool.fetch": now}, budgets=budgets) == status
    row = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("pool.fetch"))
    assert row.endswith(word)


def test_a_python_without_a_budget_prints_and_passes_in_ci_too(monkeypatch, tmp_path, capsys):
    assert outcome(monkeypatch, tmp_path, COUNTED, budgets={"another python": {"pool.fetch": 1}}, ci=True) == 0
    printed = capsys.readouterr().out
    assert "there is none for" in printed
    assert "pool.fetch" in printed


def test_a_written_budget_keeps_those_of_other_pythons(monkeypatch, tmp_path):
    assert outcome(monkeypatch, tmp_path, COUNTED, "--write", budgets={"another python": {"pool.fetch": 1}}) == 0
    written = json.loads((tmp_path / "budget.json").read_text())
    assert written == {"another python": {"pool.fetch": 1}, budget.python_key("callgrind"): COUNTED}


@pytest.mark.parametrize("ci", [False, True])
def test_nothing_that_counts_is_a_failure_in_ci_alone(monkeypatch, tmp_path, capsys, ci):
    def refuse():
        raise budget.NoCounter("valgrind is not installed")
    monkeypatch.setattr(budget, "choose_counter", refuse)
    monkeypatch.setenv("CI", "true" if ci else "")
    assert budget.main(["--budgets", str(tmp_path / "none")]) == int(ci)
    assert "valgrind is not installed" in capsys.readouterr().out


def test_instructions_are_the_difference_of_two_counts_over_that_of_the_operations():
    one = BUDGETED["connection.fetch"]
    assert budget.differences([500, 500 + 7 * (one.n_many - one.n_few)], [one]) == {"connection.fetch": 7}


def test_a_killed_process_is_explained_by_its_own_last_line():
    assert last_line(b"ValueError: no\n==12== I   refs: 5\n") == "ValueError: no"


def test_recorded_values_are_read_as_values():
    registry = CodecRegistry()
    for oid, body in VALUES.items():
        value = registry.codec_or_text(oid).decode_value(body)
        assert registry.codec_or_text(oid).encode_value(value) == body, NAMES[oid]


def test_an_answer_in_pieces_is_whole_messages():
    assert kinds(b"".join(answer_of((INT8,), 3000))) == "2" + "D" * 3000 + "CZ"


def test_the_recorded_budgets_are_of_todays_workloads():
    for counts in budget.read_budgets(budget.BUDGETS).values():
        assert set(counts) == set(BUDGETED)


def told(*parts):
    """The messages of a client, each (kind, body)."""
    return b"".join(kind.encode() + struct.pack("!i", len(body) + 4) + body for kind, body in parts)


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX") or sys.platform == "win32", reason="needs a unix socket")
def test_a_replayed_server_holds_its_answers_until_the_batch_is_whole(tmp_path):
    query = [("B", b"\0s\0" + bytes(6)), ("E", b"\0" + bytes(4)), ("S", b"")]
    with budget.replayed(tmp_path) as path, socket.socket(socket.AF_UNIX) as client:
        client.settimeout(5)
        client.connect(path)
        client.sendall(struct.pack("!ii", 9, 196608) + b"\0")
        assert kinds(client.recv(65536)).endswith("KZ")
        client.sendall(told(("P", b"s\0" + BY_KEY.encode() + b"\0\0\0"), ("D", b"Ss\0"), ("S", b"")))
        assert kinds(client.recv(65536)) == "1tTZ"
        client.sendall(told(("Q", f"{BATCH}2".encode() + b"\0")))
        assert kinds(client.recv(65536)) == "CZ"
        client.sendall(told(*query))
        client.sendall(told(*query))
        assert kinds(client.recv(65536)) == "2DCZ2DCZ"
