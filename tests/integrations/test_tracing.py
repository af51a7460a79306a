"""OpenTelemetry, Sentry, Datadog and Elastic APM see of a program what they see of it under asyncpg.

`tracing/recorded` has the spans that each recorded with asyncpg 0.32.0: names, statements, server, user and database,
errors. What is left out here is the pool's reset, which has no span because nobody waits for it.
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


@pytest.mark.parametrize("tracer, n_spans", [("opentelemetry", 61), ("sentry", 56), ("ddtrace", 58), ("elastic", 62)])
def test_the_spans_are_those_under_asyncpg(tracer, n_spans, dsn):
    traced = subprocess.run(
        [sys.executable, "-m", "tests.integrations.tracing.tracers", tracer, dsn], cwd=ROOT, timeout=50,
        capture_output=True, text=True)
    assert traced.returncode == 0, traced.stderr
    recorded = spans_of((RECORDED / f"{tracer}.jsonl").read_text(encoding="utf-8"))
    wanted = [span for span in recorded if "pg_advisory_unlock_all" not in span[1]]
    spans = spans_of(traced.stdout)
    assert spans == wanted and len(spans) == n_spans
