"""Seconds of tests/soak.py, a restart among them: enough to see a wrong answer, not what grows (`make soak`)."""
import asyncio
import logging

from tests.soak import SIZE, Soak
from tests.support.cluster import Cluster


def test_restarts_ended_backends_and_changes_of_the_schema_bring_no_wrong_answer(caplog, recwarn):
    caplog.set_level(logging.CRITICAL, "asyncpg_core")

    async def run(cluster):
        soak = Soak(cluster, 9, 3)
        return soak, await soak.run()

    with Cluster() as cluster:
        soak, measures = asyncio.run(run(cluster))
    assert soak.wrong == []
    assert soak.outcomes["done"] > 100 and soak.outcomes["cancelled"] > 10 and soak.outcomes["restarts"] > 0
    assert all(measure.n_backends <= SIZE for measure in measures)
