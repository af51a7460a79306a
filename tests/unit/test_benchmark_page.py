"""What the page of a benchmark says, without what draws it; and the installer that goes on without what is missing."""
import json
from html import escape

import pytest

from benchmarks.crew import ROOT
from benchmarks.goals import means, memory, table
from benchmarks.page import facts_of, figure_table, lines_of, lost_lines, write_html
from benchmarks.workloads import TITLES
from tools import install_each

REFERENCES = sorted((ROOT / "benchmarks" / "results").glob("reference-*.json"))


def report_of(**wall_of_ours):
    """A report of one round per workload and loop, in which asyncpg needs a second."""
    rounds = [{"workload": workload, "loop": "uvloop", "driver": driver, "number": 0, "n_ops": 1, "wall_seconds": wall,
               "cpu_seconds": 1.0, "instructions": None}
              for workload, ours in wall_of_ours.items() for driver, wall in (("asyncpg", 1.0), ("asyncpg_core", ours))]
    facts = {"cpu": "Fast <9>", "cores": 2, "platform": "Linux", "load_average": [0.5, 1, 2], "python": "3.11.7",
             "python_pgo": False, "server_version": "18.4", "transport": "unix", "commit": "abc",
             "uncommitted_changes": True, "started": "2026-11-21",
             "workers": [{"driver": "asyncpg", "version": "0.32.0", "no_instructions": "refused"}]}
    return {"facts": facts, "settings": {"rounds": 1, "passes": 1, "quick": True, "baseline": "asyncpg"},
            "failures": [{"driver": "psqlpy", "loop": "uvloop", "workload": None, "reason": "no <module>"}],
            "rounds": rounds}


def test_where_we_need_more_is_said_and_marked(tmp_path):
    report = report_of(select_int=2.0, row_by_key=0.5)
    lost = lost_lines(lines_of(report))
    assert len(lost) == 1
    assert lost[0].startswith(TITLES["select_int"])
    assert "0.50" in lost[0]
    assert figure_table(lines_of(report)).count("class=\"lost\"") == 1
    write_html(report, tmp_path / "page.html", lambda lines: f"<svg>{len(lines)}</svg>")
    page = (tmp_path / "page.html").read_text()
    assert page.count("<svg>2</svg>") == 2
    assert lost[0] in page


def test_a_page_without_losses_says_so_and_names_who_gave_no_figures(tmp_path):
    write_html(report_of(select_int=0.5), tmp_path / "page.html", lambda _lines: "")
    page = (tmp_path / "page.html").read_text()
    assert "nowhere in this run" in page
    assert "psqlpy on uvloop, start: no &lt;module&gt;" in page


def test_the_page_carries_machine_versions_commit_and_why_instructions_are_missing():
    facts = dict(facts_of(report_of(select_int=1.0)))
    assert facts["machine"].startswith("Fast <9>, 2 cores")
    assert facts["drivers"] == "asyncpg 0.32.0"
    assert facts["commit"] == "abc, changed since"
    assert "a look, not a result" in facts["run"]
    assert facts["instructions"] == "not counted: refused"


@pytest.mark.parametrize("path", REFERENCES, ids=lambda path: path.stem)
def test_every_kept_result_gives_a_page_that_asks_nothing_of_the_network(path, tmp_path):
    report = json.loads(path.read_text())
    write_html(report, tmp_path / "page.html", lambda _lines: "<svg></svg>")
    page = (tmp_path / "page.html").read_text()
    assert "://" not in page and "src=" not in page
    assert "asyncpg 0.32.0" in page
    measured = {one["workload"] for one in report["rounds"]}
    assert page.count("<svg>") == len(measured)
    for workload in measured:
        assert page.count(f"<h2>{escape(TITLES[workload])}</h2>") == 1


@pytest.mark.parametrize("python", ["py311", "py313"])
def test_the_kept_result_of_a_python_measured_every_workload(python):
    report = json.loads((ROOT / "benchmarks" / "results" / f"reference-{python}.json").read_text())
    assert {one["workload"] for one in report["rounds"]} == set(TITLES)
    assert report["settings"]["quick"] is False


def test_memory_is_compared_in_bytes_and_not_in_time():
    report = report_of(live_memory=2.0)
    for one, weight in zip(report["rounds"], (500.0, 400.0), strict=True):
        one["live_bytes"] = weight
    lines = lines_of(report)
    assert lines[1].memory_ratio.median == 1.25
    assert lost_lines(lines) == []


def test_goals_stand_beside_what_was_measured_and_memory_stands_apart():
    report = report_of(select_int=0.5, tb_bytea=0.25, tb_arrays=1.0, live_memory=1.0)
    for one in report["rounds"]:
        one["live_bytes"] = 400.0 if one["workload"] == "live_memory" else None
    first = [{"workload": "select_int", "loop": "uvloop", "asyncpg": 30_000, "asyncpg_core": 30_000},
             {"workload": "copy_in", "loop": "uvloop", "asyncpg": 300, "asyncpg_core": 100}]
    later = [{"workload": "select_int", "loop": "uvloop", "asyncpg": 30_000, "asyncpg_core": 12_000}]
    counts = [{"facts": report["facts"], "counted": counted} for counted in (first, later)]
    head, _, *rows = table([report], counts).splitlines()
    assert head == "| workload | goal: wall, cost | 3.11 wall | 3.11 CPU | instructions, 3.11 | C client: wall, CPU |"
    assert rows == [
        "| SELECT $1::int, 1 connection | 1.2, 4 instr | 2.00 | 1.00 | 2.5 (12.0k) | – |",
        "| COPY IN from tuples | 1.2, 3 CPU | – | – | 3.0 (100.0) | – |",
        f"| {TITLES['tb_bytea']} | 1, mean 1.5, 2 instr | 4.00 | 1.00 | – | – |",
        f"| {TITLES['tb_arrays']} | 1, mean 1.5, 2 instr | 1.00 | 1.00 | – | – |"]
    assert means(report) == "2.00"
    assert memory(report) == "asyncpg 400, asyncpg_core 400"


def test_what_cannot_be_installed_is_named_and_the_rest_is_tried(tmp_path, monkeypatch, capsys):
    tried = []

    def install(requirement):
        tried.append(requirement)
        return "ERROR: no wheel" if requirement.startswith("second") else None
    monkeypatch.setattr(install_each, "install", install)
    (tmp_path / "each.txt").write_text("# drivers\nfirst==1\nsecond==2; python_version < '3.11'  # why\n\nthird==3\n")
    assert install_each.main([str(tmp_path / "each.txt")]) == 0
    assert tried == ["first==1", "second==2; python_version < '3.11'", "third==3"]
    assert capsys.readouterr().out == "left out: second==2; python_version < '3.11': ERROR: no wheel\n"


def test_an_installer_that_fails_says_why():
    assert install_each.install("no such requirement") is not None
