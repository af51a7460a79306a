"""Many cases of one target in a process of its own: python -m tests.fuzz.child TARGET SEED SESSIONS SECONDS PROGRESS.

The seed that is being run stands in the file PROGRESS before the case begins, so that whoever finds this process dead
or frozen knows which one it was. The last line of the output is the count.
"""
from __future__ import annotations

import faulthandler
import mmap
import struct
import sys
import time
import traceback

from tests.fuzz.harness import repeat_command, run_case
from tests.fuzz.targets import TARGETS

FAILED = 3
PROGRESS = struct.Struct("=qq")     # seed, cases done


def run_many(name: str, first_seed: int, sessions: int, seconds: float, progress: mmap.mmap) -> int:
    """Run cases until their number or the time is over; return the exit code."""
    target = TARGETS[name]
    ends_at = time.monotonic() + seconds
    done = 0
    for seed in range(first_seed, first_seed + sessions):
        PROGRESS.pack_into(progress, 0, seed, done)
        try:
            run_case(target, seed)
        except Exception:
            traceback.print_exc(file=sys.stdout)
            print(f"seed {seed} of {name} has failed; repeat it: {repeat_command(name, seed)}")
            return FAILED
        done += 1
        if done % 16 == 0 and time.monotonic() > ends_at:
            break
    PROGRESS.pack_into(progress, 0, seed, done)
    return 0


def main(arguments: list[str]) -> int:
    name, first_seed, sessions, seconds, path = arguments
    faulthandler.enable(sys.stdout)
    with open(path, "r+b") as file, mmap.mmap(file.fileno(), PROGRESS.size) as progress:
        return run_many(name, int(first_seed), int(sessions), float(seconds), progress)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
