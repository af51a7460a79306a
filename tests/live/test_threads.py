"""Seconds of tests/threads.py: two threads, each with an event loop and pools of its own (`make threads` has eight for
ten minutes). Where there is a GIL it is given away often, so that the threads get between each other's steps."""
import sys

import pytest

from tests.threads import KINDS, meet

SECONDS = 3.0


@pytest.fixture
def hasty_switches():
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-4)
    yield
    sys.setswitchinterval(before)


def test_threads_with_loops_of_their_own_get_no_answer_that_is_wrong(cluster, hasty_switches):
    outcome = meet(cluster, 2, SECONDS)
    print(f"\n{dict(outcome.counts)}")
    assert outcome.faults == []
    assert outcome.counts["done"] > len(KINDS) and outcome.counts["cancelled"] > len(KINDS)
