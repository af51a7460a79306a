"""OpenTelemetry, Sentry, Datadog and Elastic APM see of a program what they see of it under asyncpg.

`tracing/recorded` has the spans that each recorded with asyncpg 0.32.0: names, statements, server, user and database,
errors. What is left out here are the pool's resets, which have no spans because nobody waits for them.
"""
import json
import pathlib
import subprocess
import sys

import pytest

RECORDED = pathlib.Path(__file__).parent / "tracing" / "recorded"
ROOT = pathlib.Path(__file__).resolve().parents[2]


def spans_of(text):
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize("tracer, n_spans", [("opentelemetry", 65), ("sentry", 60), ("ddtrace", 62), ("elastic", 66)])
def test_the_spans_are_those_under_asyncpg(tracer, n_spans, dsn):
    traced = subprocess.run(
        [sys.executable, "-m", "tests.integrations.tracing.tracers", tracer, dsn], cwd=ROOT, timeout=50,
        capture_output=True, text=True)
    assert traced.returncode == 0, traced.stderr
    recorded = spans_of((RECORDED / f"{tracer}.jsonl").read_text(encoding="utf-8"))
    resets = [at for at, (_, statement, _) in enumerate(recorded) if statement == "RESET"]
    wanted = [span for at, span in enumerate(recorded) if at not in resets[1:]]     # the first is not the pool's
    spans = spans_of(traced.stdout)
    assert spans == wanted and (len(resets), len(spans)) == (5, n_spans)
