"""The benchmark harness without a server: its figures, its order of rounds, its bounds on workers, its workloads."""
import asyncio
import json
import mmap
import statistics
import sys
import time

import pytest

from benchmarks import bench_codecs, instructions
from benchmarks.__main__ import absence_lines, parse_arguments, seats_of
from benchmarks.callgrind import NoCallgrind, per_row, sizes, totals
from benchmarks.codec_workloads import CODEC_RUNS, COLUMNS, create_tables
from benchmarks.crew import Crew, WorkerLost, WorkerProcess
from benchmarks.driver_c import BULK, LIMITED, QUERIES, SOURCE, NoCompiler, compile_client
from benchmarks.driver_psycopg import PsycopgApi
from benchmarks.drivers import DEFAULT_DRIVERS, DRIVERS, SMALL_DRIVERS, missing_verbs
from benchmarks.figures import (
    Round,
    Spread,
    format_figure,
    parts,
    ratios,
    rotated,
    spread,
    summarize,
    table,
    wall_us,
)
from benchmarks.machine import cpu_model, machine_facts
from benchmarks.meter import SOFTWARE_PAGE_FAULTS, TYPE_SOFTWARE, Counter, CounterUnavailable, Meter, put_attributes
from benchmarks.profile_query import Share, read_shares, split_table
from benchmarks.relay import pass_on
from benchmarks.runs import Run, WrongAnswer, expect, percentiles, share_out
from benchmarks.server import server_uri
from benchmarks.worker import ALL_RUNS, Worker
from benchmarks.workloads import (
    INSERT,
    MAIN,
    N_ACCOUNTS,
    SMALL_WORKLOADS,
    TOOLBENCH,
    WORKLOADS,
    account_id,
    create_schema,
    sink_rows,
)


def one_round(driver="asyncpg", number=0, wall=1.0, cpu=0.5, instructions=None, loop="uvloop", workload="select_int"):
    return Round(workload, loop, driver, number, 1000, wall, cpu, instructions)


# --- figures

def test_ratio_pairs_rounds_by_number_and_leaves_out_the_unpaired():
    base = [one_round(number=n, wall=wall) for n, wall in enumerate([2.0, 4.0, 100.0])]
    ours = [one_round("ours", 1, wall=2.0), one_round("ours", 0, wall=2.0), one_round("ours", 7, wall=0.001)]
    assert ratios(base, ours, wall_us) == [2.0, 1.0]


def test_median_of_ratios_is_not_ratio_of_medians():
    base = [one_round(number=n, wall=wall) for n, wall in enumerate([1.0, 10.0, 3.0])]
    ours = [one_round("ours", n, wall=wall) for n, wall in enumerate([0.5, 5.0, 3.0])]
    line = summarize([*base, *ours], "asyncpg")[1]
    assert line.wall_ratio is not None and line.wall_ratio.median == 2.0
    assert statistics.median([1.0, 10.0, 3.0]) / statistics.median([0.5, 5.0, 3.0]) == 1.0


def test_baseline_of_another_loop_is_no_baseline():
    lines = summarize([one_round(loop="asyncio"), one_round("ours", loop="uvloop")], "asyncpg")
    assert [(line.loop, line.driver, line.wall_ratio) for line in lines] == [
        ("asyncio", "asyncpg", Spread(1.0, 1.0, 1.0)), ("uvloop", "ours", None)]


def test_instructions_not_counted_give_no_ratio_and_leave_the_others():
    line = summarize([one_round(instructions=5000), one_round("ours", wall=0.5)], "asyncpg")[1]
    assert (line.instructions, line.instructions_ratio) == (None, None)
    assert line.wall_ratio == Spread(2.0, 2.0, 2.0)


def test_figures_are_per_operation():
    line = summarize([one_round(wall=0.03, cpu=0.02, instructions=56_000_000)], "asyncpg")[0]
    assert (round(line.wall_us, 6), round(line.cpu_us, 6), line.instructions) == (30.0, 20.0, 56_000.0)


@pytest.mark.parametrize("values, expected", [
    ([], None),
    ([2.0], Spread(2.0, 2.0, 2.0)),
    ([1.0, 2.0], Spread(1.5, 1.25, 1.75)),
    ([5.0, 1.0, 3.0, 2.0, 4.0], Spread(3.0, 2.0, 4.0)),
])
def test_spread_is_median_and_quartiles(values, expected):
    assert spread(values) == expected


@pytest.mark.parametrize("value, text", [
    (None, "n/a"), (0.2234, "0.22"), (9.994, "9.99"), (29.84, "29.8"), (1935.4, "1935"), (55_400.0, "55.4k"),
    (202_000.0, "202k")])
def test_figures_print_with_about_three_digits(value, text):
    assert format_figure(value) == text


def test_everybody_takes_every_place_over_the_rounds():
    crew = ["a", "b", "c"]
    orders = [rotated(crew, number) for number in range(6)]
    assert all(sorted(order) == crew for order in orders)
    for place in range(3):
        assert {order[place] for order in orders} == set(crew)


def test_neighbours_change_over_the_rounds():
    pairs = {(order[0], order[1]) for order in (rotated(["a", "b", "c"], number) for number in range(6))}
    assert {("a", "b"), ("b", "a")} <= pairs


@pytest.mark.parametrize("n_rounds, n_passes", [(15, 5), (6, 3), (7, 3), (1, 5), (2, 5)])
def test_passes_share_out_all_rounds_and_none_is_empty(n_rounds, n_passes):
    shares = parts(n_rounds, n_passes)
    assert [number for share in shares for number in share] == list(range(n_rounds))
    assert len(shares) == min(n_rounds, n_passes) and all(shares)


def test_order_of_nobody_is_empty():
    assert rotated([], 3) == []


def test_table_names_each_workload_once_and_aligns_its_rows():
    lines = summarize([one_round(), one_round("psycopg", wall=2.0), one_round(loop="asyncio")], "asyncpg")
    text = table(lines, {"select_int": "SELECT"}, "asyncpg").splitlines()
    assert text.count("SELECT") == 1
    assert len({len(row) for row in text if row.startswith("  ")}) == 1
    assert "0.50 [0.50-0.50]" in text[4]


def test_driver_on_no_loop_is_held_against_the_baselines_last_loop_and_the_other_way_round():
    rounds = [one_round(loop="asyncio", wall=8.0), one_round(loop="uvloop", wall=4.0), one_round("c", loop="none")]
    assert summarize(rounds, "asyncpg")[2].wall_ratio == Spread(4.0, 4.0, 4.0)
    lines = summarize(rounds, "asyncpg", {"select_int": "c"})
    assert [line.wall_ratio.median for line in lines] == [1 / 8, 1 / 4, 1.0]


def test_latency_is_median_and_99th_percentile_in_microseconds():
    assert percentiles([]) == {}
    found = percentiles([n / 1000 for n in range(1, 101)])
    assert found == {"p50_us": pytest.approx(51_000), "p99_us": pytest.approx(100_000)}


def test_figures_of_a_round_are_taken_once():
    run = Run(None, samples=[1.0], figures={"live_bytes": 7.0})
    assert run.take_figures() == {"live_bytes": 7.0, "p50_us": 1e6, "p99_us": 1e6}
    assert run.take_figures() == {}


# --- workers

def worker_that(body):
    return WorkerProcess([sys.executable, "-c", "import json, sys, os, time\n" + body], 5.0)


def test_worker_that_answers_is_heard():
    worker = worker_that("for line in sys.stdin: print(json.dumps({'got': json.loads(line)['do']}), flush=True)")
    assert worker.ask(do="round") == {"got": "round"}
    worker.end()
    assert worker.process.returncode == 0


def test_worker_that_dies_is_lost_with_its_status_and_last_words():
    worker = worker_that("sys.stdin.readline(); print('the end', file=sys.stderr, flush=True); os._exit(7)")
    with pytest.raises(WorkerLost, match="died with status 7; the end"):
        worker.ask(do="round")


def test_worker_that_hangs_is_lost_and_ended_within_its_bound(monkeypatch):
    monkeypatch.setattr("benchmarks.crew.EXIT_SECONDS", 0.1)
    worker = worker_that("time.sleep(60)")
    worker.timeout_seconds = 0.2
    with pytest.raises(WorkerLost, match=r"no answer within 0\.2 s"):
        worker.ask(do="round")
    assert worker.process.poll() is not None


@pytest.mark.parametrize("answer, reason", [
    ('{"error": "WrongAnswer: 1"}', "WrongAnswer: 1"), ("no json", "answered b'no json"), ("[1]", r"answered b'\[1\]")])
def test_answer_that_is_none_loses_the_worker(answer, reason):
    worker = worker_that(f"print({answer!r}, flush=True); sys.stdin.readline(); sys.stdin.readline()")
    with pytest.raises(WorkerLost, match=reason):
        worker.ask(do="round")
    assert worker.process.poll() is not None


class FakeSeat:
    """A seat with a script: the round in which it is lost, if any."""

    def __init__(self, driver, lost_in=None):
        self.driver, self.loop, self.lost_in, self.n_rounds = driver, "asyncio", lost_in, -1
        self.log = []

    def start(self):
        return self

    def ask(self, **order):
        self.log.append(order["do"])
        if order["do"] == "round":
            if self.n_rounds == self.lost_in:
                raise WorkerLost("died with status 1")
            self.n_rounds += 1
        return {"wall_seconds": 1.0, "cpu_seconds": 1.0, "instructions": None}


def test_lost_worker_leaves_its_workload_and_the_rest_goes_on():
    told = []
    seats = [FakeSeat("asyncpg"), FakeSeat("psycopg", lost_in=1)]
    crew = Crew(seats, told.append)
    rounds = list(crew.rounds_of(WORKLOADS["select_int"], 10, range(3)))
    assert [(one.driver, one.number) for one in rounds if one.driver == "psycopg"] == [("psycopg", 0)]
    assert [one.number for one in rounds if one.driver == "asyncpg"] == [0, 1, 2]
    assert [(one.driver, one.workload, one.reason) for one in crew.failures] == [
        ("psycopg", "select_int", "died with status 1")]
    assert len(told) == 1 and "psycopg" in told[0]
    assert seats[0].log[-1] == "close" and seats[1].log[-1] == "round"


def test_warm_up_is_no_round():
    crew = Crew([FakeSeat("asyncpg")], lambda _text: None)
    assert len(list(crew.rounds_of(WORKLOADS["select_int"], 10, range(1)))) == 1
    assert crew.seats[0].log == ["open", "round", "round", "close"]


def test_seat_that_never_starts_is_a_failure_of_no_workload():
    class Absent(FakeSeat):
        def start(self):
            raise WorkerLost("ModuleNotFoundError: no module")

    crew = Crew([Absent("asyncpg_core"), FakeSeat("asyncpg")], lambda _text: None)
    assert [seat.driver for seat in crew.seats] == ["asyncpg"]
    assert [(one.driver, one.workload) for one in crew.failures] == [("asyncpg_core", None)]


# --- workloads and answers

def test_every_workload_has_its_run_and_every_run_its_workload():
    runs = {workload.run_name for workload in WORKLOADS.values()}
    assert runs == {name for name in ALL_RUNS if not name.startswith("codec_")}
    assert len(TOOLBENCH) == 7 and set(SMALL_WORKLOADS) < set(WORKLOADS)


def test_operations_share_out_without_rest():
    shares = {"connections_10": 10, "pool_fetch_10": 10, "pool_fetch_100": 100, "pool_fetch_1000": 1000,
              "acquire_query_10": 10, "gather_100": 100, "http_fastapi": 20, "http_aiohttp": 20,
              **dict.fromkeys(TOOLBENCH, 10)}
    for workload in WORKLOADS.values():
        share = shares.get(workload.run_name, 1)
        assert all(n % share == 0 for n in (workload.n_ops, workload.n_ops_quick, workload.n_ops_warm_up)), workload


def test_a_driver_is_out_of_what_it_has_not_the_verbs_for():
    class Api:
        lacking = ("fetch_arrow",)

        def fetch_arrow(self):
            pass

        def fetch_of(self):
            pass
    assert missing_verbs(Api(), ("fetch_of", "fetch_arrow", "pool")) == ["fetch_arrow", "pool"]
    assert missing_verbs(Api(), ("fetch_of",)) == []


async def test_worker_says_what_it_lacks_and_is_not_lost():
    worker = Worker({MAIN: object()}, Meter())
    assert await worker.do_open({"workload": "select_int", "needs": ["fetch_of"]}) == {"lacks": "fetch_of"}
    assert await worker.do_open({"workload": "select_int", "route": "tls"}) == {"lacks": "the route tls"}


def test_who_lacks_a_workload_is_no_failure_and_is_named_once():
    class Lacking(FakeSeat):
        def ask(self, **order):
            return {"lacks": "pool"} if order["do"] == "open" else super().ask(**order)

    crew = Crew([FakeSeat("asyncpg"), Lacking("psycopg2")], lambda _text: None)
    rounds = list(crew.rounds_of(WORKLOADS["select_int"], 10, range(2)))
    rounds += crew.rounds_of(WORKLOADS["row_by_key"], 10, range(2))
    assert {one.driver for one in rounds} == {"asyncpg"} and crew.failures == []
    assert absence_lines(crew.absences) == ["psycopg2 has no select_int, row_by_key"]


def test_c_client_compiles_and_its_workloads_are_ours():
    assert {*QUERIES, *BULK} == LIMITED <= set(WORKLOADS)
    try:
        assert compile_client().stat().st_mtime >= SOURCE.stat().st_mtime
    except NoCompiler as exc:
        assert str(exc)


def test_driver_that_blocks_has_one_seat_on_no_loop_and_may_need_tcp():
    routes = {MAIN: "unix", "unix": "unix", "tcp": "tcp", "far": "far"}
    seats = seats_of(parse_arguments(["--drivers", "asyncpg,psycopg2,connectorx"]), routes)
    assert [(seat.driver, seat.loop, seat.uri) for seat in seats] == [
        ("asyncpg", "asyncio", "unix"), ("asyncpg", "uvloop", "unix"), ("psycopg2", "none", "unix"),
        ("connectorx", "none", "tcp")]
    assert seats[0].routes == {"tcp": "tcp", "far": "far"}


async def test_relay_passes_on_in_order_after_its_time_and_then_the_end():
    class Writer:
        def __init__(self):
            self.got = []

        def write(self, piece):
            self.got.append((time.monotonic(), piece))

        def close(self):
            self.got.append((time.monotonic(), b""))

    reader, writer = asyncio.StreamReader(), Writer()
    reader.feed_data(b"first")
    started = time.monotonic()
    passing = asyncio.ensure_future(pass_on(reader, writer, 0.03))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    reader.feed_data(b"second")
    reader.feed_eof()
    await passing
    assert b"".join(piece for _, piece in writer.got) == b"firstsecond"
    assert writer.got[-1][1] == b""
    assert writer.got[0][0] - started >= 0.03


async def test_tasks_get_every_operation_once():
    seen = []

    async def one_task(_number, ops):
        seen.extend(ops)
    await share_out(10, 1000, one_task)
    assert sorted(seen) == list(range(1000))


def test_lookups_stay_in_the_table_and_visit_it_all():
    assert {account_id(n) for n in range(N_ACCOUNTS)} == set(range(1, N_ACCOUNTS + 1))


def test_arguments_of_executemany_are_four_int_two_text_one_float():
    assert [type(value) for value in sink_rows(3)[2]] == [int, int, int, int, str, str, float]


def test_psycopg_placeholders_replace_every_number():
    statement = PsycopgApi.statement(None, INSERT)
    assert "$" not in statement and statement.count("%s") == 7


def test_vacuum_stands_alone_in_the_schema_script():
    assert all(";" not in statement for statement in create_schema(10))


def test_expect_takes_subclasses_and_refuses_other_types_values_and_counts():
    expect("bool is an int", [(True,)], [(1,)])
    for rows in ([(1.0,)], [(2,)], [], [(1,), (1,)]):
        with pytest.raises(WrongAnswer):
            expect("one", rows, [(1,)])


def test_uri_carries_a_directory_as_host():
    assert server_uri("/tmp/a b", 5433, "postgres", "db") == "postgresql://postgres@/db?host=%2Ftmp%2Fa%20b&port=5433"


# --- the command line

def test_quick_means_few_rounds_unless_told():
    assert parse_arguments(["--quick"]).rounds < parse_arguments([]).rounds
    assert parse_arguments(["--quick", "--rounds", "9"]).rounds == 9


@pytest.mark.parametrize("arguments", [
    ["--drivers", "pgsomething"], ["--workloads", ""], ["--rounds", "0"], ["--tcp", "--dsn", "postgresql://"],
    ["--tls", "--round-trip-ms", "10"]])
def test_unknown_names_and_contradictions_are_refused(arguments, capsys):
    with pytest.raises(SystemExit):
        parse_arguments(arguments)
    assert "error" in capsys.readouterr().err


def test_names_are_taken_in_the_order_given():
    assert parse_arguments(["--drivers", "psycopg,asyncpg"]).drivers == ["psycopg", "asyncpg"]
    assert set(parse_arguments([]).drivers) <= set(DRIVERS)
    assert parse_arguments([]).drivers == list(DEFAULT_DRIVERS)


def test_small_means_few_workloads_and_drivers_unless_told():
    chosen = parse_arguments(["--small", "--drivers", "asyncpg"])
    assert (chosen.workloads, chosen.drivers) == (list(SMALL_WORKLOADS), ["asyncpg"])
    assert parse_arguments(["--small"]).drivers == list(SMALL_DRIVERS)


# --- machine, meter, profile

def test_cpu_model_is_read_from_its_line():
    assert cpu_model("processor\t: 0\nmodel name\t: Fast CPU 9: the second\n") == "Fast CPU 9: the second"
    assert cpu_model("processor\t: 0\n") == ""


def test_machine_facts_are_json():
    assert json.loads(json.dumps(machine_facts()))["python"]


def test_attributes_have_the_size_they_state():
    attributes = put_attributes(0, 1)
    assert len(attributes) == int.from_bytes(attributes[4:8], sys.byteorder) == 64


def test_counter_counts_between_start_and_stop_or_says_why_not():
    try:
        counter = Counter(TYPE_SOFTWARE, SOFTWARE_PAGE_FAULTS)
    except CounterUnavailable as exc:
        assert "perf_event_open" in str(exc)  # either is right
        return
    counter.start()
    with mmap.mmap(-1, 8 << 20) as fresh:   # what malloc gives may have been used before
        for at in range(0, len(fresh), 4096):
            fresh[at] = 1
    count = counter.stop()
    counter.close()
    assert count is not None and count > 0


async def test_meter_measures_once_and_explains_missing_instructions():
    calls = []

    async def run(n_ops):
        calls.append(n_ops)
    meter = Meter()
    cost = await meter.measure(run, 5)
    assert calls == [5]
    assert cost.wall_seconds > 0 and cost.cpu_seconds >= 0
    assert (cost.instructions is None) == (meter.refusal is not None)


PERF_REPORT = """# Overhead  Shared Object
    61.02%  libpython3.11.so.1.0
     8.10%  protocol.cpython-311-x86_64-linux-gnu.so

     0.10%  [vdso]
"""


def test_shares_are_read_from_a_perf_report():
    assert read_shares(PERF_REPORT) == [
        Share(pytest.approx(0.6102), "libpython3.11.so.1.0"),
        Share(pytest.approx(0.081), "protocol.cpython-311-x86_64-linux-gnu.so"),
        Share(pytest.approx(0.001), "[vdso]")]


def test_split_gives_instructions_only_where_they_are_counted():
    shares = read_shares(PERF_REPORT)
    first = split_table(shares, 50_000.0, 0.005, 20).splitlines()[0]
    assert first.split() == ["61.0%", "30.5k", "libpython3.11.so.1.0"]
    assert "n/a" in split_table(shares, None, 0.005, 20)
    assert len(split_table(shares, None, 0.005, 20).splitlines()) == 2


# --- codecs

def test_instructions_per_row_are_the_difference_of_two_reads():
    columns = [COLUMNS["int8"], COLUMNS["int4_array"]]
    n_rows = [many - few for few, many in map(sizes, columns)]
    counted = [9999, 1000, 77, 1000 + 700 * n_rows[0], 1, 5, 2, 5 + 30 * n_rows[1], 123]
    assert per_row(counted, columns) == {"int8": 700, "int4_array": 30}
    with pytest.raises(NoCallgrind, match="8 dumps were expected, 3 were written"):
        per_row(counted[:3], columns)


def test_instructions_of_workloads_are_counted_with_numbers_that_they_can_do():
    for name, (few, many) in instructions.SIZES.items():
        assert few < many and few % 100 in (0, 5, 10) and WORKLOADS[name].run_name in ALL_RUNS
        if name.startswith("tb_"):
            assert few % 10 == many % 10 == 0
    lines = [instructions.Counted("select_int", "uvloop", 54_800.0, 13_700.0)]
    assert instructions.table(lines).splitlines()[1].split()[-4:] == ["uvloop", "54.8k", "13.7k", "4.00"]


def test_instructions_are_counted_once_for_each_way_to_the_server(monkeypatch):
    asked = []

    def run_counted(module, *arguments):
        asked.append(arguments)
        return [n * 900 for n in range(4 * (len(arguments) - 3))]
    monkeypatch.setattr(instructions, "run_counted", run_counted)
    routes = {"main": "unix:", "tcp": "tcp:", "scram": "scram:"}
    names = ["select_int", "select_int_tcp", "executemany"]
    found = instructions.count_workloads("asyncpg", "uvloop", routes, names)
    assert asked == [("asyncpg", "uvloop", "unix:", "select_int", "executemany"),
                     ("asyncpg", "uvloop", "tcp:", "select_int_tcp")]
    assert found == {"select_int": 2.25, "executemany": 0.2, "select_int_tcp": 2.25}


def test_dumps_are_read_in_the_order_of_their_numbers(tmp_path):
    for n in (10, 9, 1):
        (tmp_path / f"out.{n}").write_bytes(b"events: Ir\nsummary: %d\nfn=(1)\ntotals: 5\n" % n)
    (tmp_path / "out").mkdir()
    assert totals(tmp_path) == [1, 9, 10]
    (tmp_path / "out.2").write_bytes(b"")
    with pytest.raises(NoCallgrind, match=r"out\.2 has no total"):
        totals(tmp_path)


def test_every_hot_type_has_a_table_a_run_and_a_bar():
    statements = " ".join(create_tables(list(COLUMNS.values()), 1000))
    for column in COLUMNS.values():
        assert f"CREATE TABLE {column.table} (value {column.type})" in statements
        assert column.workload.name in CODEC_RUNS and column.bar >= 1.5
        few, many = sizes(column)
        assert 0 < few < many


def test_codec_table_holds_counts_against_their_bars():
    columns = [COLUMNS["int8"], COLUMNS["timestamptz"], COLUMNS["uuid"]]
    lines = summarize([one_round(workload="codec_int8"), one_round("asyncpg_core", workload="codec_int8", cpu=0.25)],
                      "asyncpg")
    counts = {"int8": bench_codecs.Count(800, 1700, 2), "timestamptz": bench_codecs.Count(1000, 7000, 8)}
    rows = bench_codecs.table(columns, lines, counts).splitlines()
    assert rows[1].split() == ["int8", "250k", "500k", "2.00", "[2.00-2.00]", "1.00", "[1.00-1.00]", "800.0", "1700",
                               "2.12", "2", "met"]
    assert rows[2].split()[-3:] == ["7.00", "8", "MISSED"]
    assert rows[3].split() == ["uuid", *["n/a"] * 7, "2"]
