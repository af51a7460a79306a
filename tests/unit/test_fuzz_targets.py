"""The fuzz targets in their short form, the seeds that failed once, and that a fault is noticed at all."""
import ctypes
import os
import random
import time

import pytest

from pgproto.errors import DataError, InterfaceError, InternalClientError, ProtocolError
from tests.fuzz import __main__ as fuzz
from tests.fuzz import child, harness
from tests.fuzz.harness import Broken, Case, Target, chunks, run_case, typed
from tests.fuzz.seeds import kept_seeds
from tests.fuzz.targets import TARGETS

FIRST_SEED = 20_260_725


@pytest.mark.parametrize("name", TARGETS)
def test_the_first_cases_of_a_target_hold(name):
    target = TARGETS[name]
    for seed in range(FIRST_SEED, FIRST_SEED + target.short):
        try:
            run_case(target, seed)
        except Exception as error:
            pytest.fail(f"{error!r}; repeat it: {harness.repeat_command(name, seed)}")


@pytest.mark.parametrize(("name", "seed", "what"), kept_seeds())
def test_what_has_failed_once_holds(name, seed, what):
    run_case(TARGETS[name], seed)


def test_a_seed_is_always_the_same_case():
    for target in TARGETS.values():
        assert harness.case_of(target, 5).n_bytes == harness.case_of(target, 5).n_bytes
    assert chunks(random.Random(1), b"x" * 99) == chunks(random.Random(1), b"x" * 99)


# What a target may not do

def broken_target(run, *, n_bytes=0, check=None):
    return Target("sick", lambda rng: Case(n_bytes, run, check), short=1)


def test_more_memory_than_was_promised_is_noticed():
    target = broken_target(lambda: bytearray(1 << 20), n_bytes=100)
    with pytest.raises(Broken, match="bytes were allocated for 100 received"):
        run_case(target, harness.MEASURED_EACH)
    run_case(broken_target(lambda: bytearray(1 << 20), n_bytes=1 << 16), harness.MEASURED_EACH)


def test_more_time_than_was_promised_is_noticed():
    def spin():
        ends_at = time.thread_time() + harness.TOLERANCE * harness.SECONDS_PER_64_KIB + 0.1
        while time.thread_time() < ends_at:
            pass

    with pytest.raises(Broken, match="of processor time"):
        run_case(broken_target(spin), 1)


def failing(error, cause=None):
    error.__cause__ = cause
    return error


@pytest.mark.parametrize("error", [
    KeyError("x"), IndexError(), RecursionError(), MemoryError(), SystemError(), AssertionError(), ValueError(),
    InternalClientError("two facts"), ProtocolError("message 'D' could not be dealt with: KeyError()"),
    failing(ProtocolError("x"), KeyError()), failing(DataError("x"), failing(ValueError(), RecursionError())),
])
def test_an_error_that_nobody_was_promised_is_noticed(error):
    with pytest.raises(Broken):
        typed(error)


def test_promised_errors_pass():
    for error in (ProtocolError("x"), InterfaceError("x"), failing(DataError("x"), UnicodeDecodeError("u", b"", 0, 1,
                                                                                                      ""))):
        assert typed(error) is error


# What the parent sees of a child. This module is run as one: its targets are sick ones.

def crash():
    # faulthandler's own way of dying would do; a read of address 0 is what a fault of ours looks like.
    ctypes.string_at(0)


SICK = {"crash": crash, "freeze": lambda: time.sleep(60), "fail": lambda: {}["x"], "exit": lambda: os._exit(9)}


@pytest.mark.parametrize(("name", "fault"), [("crash", "died at seed 7 with"), ("freeze",
                                                                                "stood still for 3 s at seed 7"),
                                             ("fail", "failed at seed 7"), ("exit", "died at seed 7 with status 9")])
@pytest.mark.skipif(os.name == "nt", reason="missing feature: signals that tell a crash")
def test_a_fault_is_told_by_its_seed_and_how_to_repeat_it(name, fault, capfd):
    outcome = fuzz.run_target(name, 7, 5, 30.0, standstill=3.0, module="tests.unit.test_fuzz_targets")
    assert outcome.fault.startswith(fault)
    assert outcome.sessions == 0
    assert f"python -m tests.fuzz --target {name} --seed 7 --sessions 1" in capfd.readouterr().out


def test_all_is_well_with_a_target_that_holds(capfd):
    assert fuzz.main(["--target", "certificate", "--seed", "1", "--sessions", "50"]) == 0
    out = capfd.readouterr().out
    assert "certificate         50 sessions" in out and " ok" in out


if __name__ == "__main__":
    child.TARGETS.update({name: broken_target(run) for name, run in SICK.items()})
    raise SystemExit(child.main(__import__("sys").argv[1:]))
