"""`make fuzz`: python -m tests.fuzz [--target NAME] [--seconds 60] [--sessions N] [--seed S].

Each target has a process of its own. Prints a line per target and exits with 1 if one has failed, crashed or stood
still; the seed and the command that repeats it are above the line.
"""
from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz.child import FAILED, PROGRESS
from tests.fuzz.harness import repeat_command
from tests.fuzz.targets import TARGETS

UNLIMITED = 2**40
# Without a new case for so long a target stands still; cases take milliseconds.
STANDSTILL_SECONDS = 30.0
WATCH_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Outcome:
    target: str
    sessions: int
    seconds: float
    fault: str      # empty if there was none


def run_target(name: str, seed: int, sessions: int, seconds: float, *, standstill: float = STANDSTILL_SECONDS,
               module: str = "tests.fuzz.child") -> Outcome:
    """Run one target in a process of its own and watch it."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as directory:
        progress = Path(directory) / "progress"
        progress.write_bytes(bytes(PROGRESS.size))
        child = subprocess.Popen([sys.executable, "-m", module, name, str(seed), str(sessions), str(seconds),
                                  str(progress)])
        try:
            stands_still = watch(child, progress, standstill)
        finally:
            child.kill()
            child.wait()
        last_seed, done = PROGRESS.unpack(progress.read_bytes())
    fault = ""
    if stands_still:
        fault = f"stood still for {standstill:g} s at seed {last_seed}"
    elif child.returncode == FAILED:
        fault = f"failed at seed {last_seed}"
    elif child.returncode != 0:
        fault = f"died at seed {last_seed} with {death_of(child.returncode)}"
    if fault and child.returncode != FAILED:
        print(f"{name} {fault}; repeat it: {repeat_command(name, last_seed)}")
    return Outcome(name, done, time.monotonic() - began, fault)


def watch(child: subprocess.Popen[bytes], progress: Path, standstill: float) -> bool:
    """Wait for the end of a child; True if it has stood still instead."""
    seen, since = b"", time.monotonic()
    while True:
        try:
            child.wait(WATCH_SECONDS)
            return False
        except subprocess.TimeoutExpired:
            pass
        now = progress.read_bytes()
        if now != seen:
            seen, since = now, time.monotonic()
        elif time.monotonic() - since > standstill:
            # Its traceback, by faulthandler.
            child.send_signal(getattr(signal, "SIGABRT", signal.SIGTERM))
            try:
                child.wait(5)
            except subprocess.TimeoutExpired:
                pass    # the caller kills it
            return True


def death_of(code: int) -> str:
    if code >= 0:
        return f"status {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--target", action="append", choices=sorted(TARGETS), help="one of the targets; all without")
    parser.add_argument("--seconds", type=float, default=60.0, help="for each target")
    parser.add_argument("--sessions", type=int, default=UNLIMITED, help="cases of each target, at most")
    parser.add_argument("--seed", type=int, default=None, help="of the first case; the others follow it")
    given = parser.parse_args(arguments)
    seed = given.seed if given.seed is not None else int(time.time()) * 1_000_000
    print(f"cases from seed {seed} on, {given.seconds:g} s a target", flush=True)
    outcomes = []
    for name in given.target or TARGETS:
        outcomes.append(one := run_target(name, seed, given.sessions, given.seconds))
        print(f"{one.target:12} {one.sessions:9} sessions {one.seconds:7.1f} s  "
              f"{one.sessions / max(one.seconds, 0.001):8.0f}/s  {one.fault or 'ok'}", flush=True)
    return 1 if any(one.fault for one in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
