"""The quick form of tests/storm.py: some thousands of tasks cancelled at any moment of their lives (`make storm` has
the hundred thousand)."""
import pytest

from tests.storm import KINDS, path_to, storm

TASKS = 3500


def well(report):
    """A report of a storm that was one: enough was cancelled, enough was done, and nothing is wrong."""
    assert report.faults == []
    assert report.outcomes["done"] > len(KINDS) * 5 and report.outcomes["cancelled"] > len(KINDS) * 5
    return True


@pytest.mark.parametrize("share", [True, False], ids=["shared", "apart"])
async def test_cancelled_tasks_leave_nothing_behind_and_nobody_gets_anothers_answer(cluster, share):
    assert well(await storm(cluster.dsn(), TASKS, share=share, seed=21 + share))


async def test_so_it_is_on_a_network_with_jitter(cluster):
    async with path_to(cluster, jitter=True, tls=False) as dsn:
        assert well(await storm(dsn, TASKS // 4, seed=23, observer_dsn=cluster.dsn()))


@pytest.mark.requires("tls")
async def test_so_it_is_over_tls(cluster):
    async with path_to(cluster, jitter=False, tls=True) as dsn:
        assert well(await storm(dsn, TASKS // 4, seed=24, observer_dsn=cluster.dsn()))
