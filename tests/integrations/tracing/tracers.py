"""The tracers, each as its documentation starts it, with what they record kept in memory.

`PYTHONPATH=. python -m tests.integrations.tracing.tracers NAME DSN` runs the program under one of them, in a process of
its own because they patch classes, and prints its spans as JSON lists of name, statement and facts. With `asyncpg` as a
third argument the real one is what is traced: asyncpg 0.32.0 wrote what is in `recorded/`.
"""
import asyncio
import contextlib
import json
import os
import re
import sys


def opentelemetry():
    """https://opentelemetry-python-contrib.readthedocs.io/en/latest/instrumentation/asyncpg/asyncpg.html"""
    from opentelemetry.instrumentation.asyncpg import AsyncPGInstrumentor
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    kept = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    AsyncPGInstrumentor().instrument(tracer_provider=provider)

    def spans():
        AsyncPGInstrumentor().uninstrument()
        for span in kept.get_finished_spans():
            facts = span.attributes
            yield span.name, facts["db.statement"], [
                facts["db.system"], facts["db.user"], facts["db.name"], facts["net.peer.name"], facts["net.peer.port"],
                span.status.status_code.name, *[event.attributes["exception.type"] for event in span.events]]

    return contextlib.nullcontext, spans


def sentry():
    """https://docs.sentry.io/platforms/python/integrations/asyncpg/"""
    import sentry_sdk
    from sentry_sdk.integrations.asyncpg import AsyncPGIntegration
    from sentry_sdk.transport import Transport

    sent = []

    class Keep(Transport):
        def capture_envelope(self, envelope):
            sent.extend(item.payload.json for item in envelope.items if item.type == "transaction")

    sentry_sdk.init(dsn="http://key@localhost/1", transport=Keep, traces_sample_rate=1.0, default_integrations=False,
                    integrations=[AsyncPGIntegration()])

    def spans():
        for span in sent[0]["spans"]:
            facts = span["data"]
            yield span["op"], span["description"], [facts.get(key) for key in (
                "db.system", "db.user", "db.name", "server.address", "server.port")]

    return lambda: sentry_sdk.start_transaction(name="program"), spans


def ddtrace():
    """https://ddtrace.readthedocs.io/en/stable/integrations.html#asyncpg"""
    os.environ.update(DD_TRACE_ENABLED="true", DD_INSTRUMENTATION_TELEMETRY_ENABLED="false",
                      DD_REMOTE_CONFIGURATION_ENABLED="false", DD_CRASHTRACKING_ENABLED="false",
                      DD_TRACE_STARTUP_LOGS="false")
    from ddtrace import patch
    from ddtrace.trace import TraceFilter, tracer

    traces = []

    class Keep(TraceFilter):
        def process_trace(self, trace):
            traces.append(trace)    # and nothing is left to send

    tracer.configure(trace_processors=[Keep()])
    patch(asyncpg=True)

    def spans():
        for span in sorted((span for trace in traces for span in trace), key=lambda span: span.start_ns):
            tags = {**span.get_tags(), **span.get_metrics()}
            yield span.name, span.resource, [
                tags.get("db.system"), tags.get("db.user"), tags.get("db.name"), tags.get("out.host"),
                tags.get("network.destination.port"), *([tags["error.type"]] if "error.type" in tags else [])]

    return contextlib.nullcontext, spans


def elastic():
    """https://www.elastic.co/docs/reference/apm/agents/python/supported-technologies"""
    import elasticapm
    from elasticapm.transport.base import Transport

    sent = []

    class Keep(Transport):
        def queue(self, event_type, data, flush=False):
            if event_type == "span":
                sent.append(data)

    client = elasticapm.Client(
        service_name="program", transport_class="elasticapm.transport.base.Transport", central_config=False,
        metrics_interval="0ms", span_compression_enabled=False, cloud_provider="none", exit_span_min_duration="0ms",
        disable_metrics=["*"])
    client._transport = Keep(client)
    elasticapm.instrument()

    @contextlib.contextmanager
    def transaction():
        client.begin_transaction("request")
        yield
        client.end_transaction("program", "ok")

    def spans():
        for span in sorted(sent, key=lambda span: span["timestamp"]):
            yield span["name"], span["context"]["db"]["statement"], [span["type"], span["subtype"], span["outcome"]]

    return transaction, spans


def normal(span, database):
    """Return a span without what is another one each time, or is of no meaning: names that the driver makes up, the
    server's port, where an exception's class is defined, how a COPY or a reset is spelled."""
    name, statement, facts = span
    statement = re.sub(r'"?__\w+"?', "NAME", statement).replace("TO SAVEPOINT NAME", "TO NAME")
    if statement.startswith("COPY "):
        statement = "COPY"
    if "pg_advisory_unlock_all" in statement:
        return "RESET", "RESET", []
    if statement.startswith(("LISTEN", "UNLISTEN")):
        return name, statement, []      # asyncpg fetches them, we execute them
    return name, statement, [
        "DATABASE" if fact == database else "PORT" if isinstance(fact, (int, float)) else
        fact.rpartition(".")[2] if isinstance(fact, str) and fact.endswith("Error") else fact for fact in facts]


def main(name, dsn, which="asyncpg_core"):
    if which == "asyncpg_core":
        import asyncpg_core

        asyncpg_core.install_as_asyncpg()
    transaction, spans = globals()[name]()
    import asyncpg

    from tests.integrations.tracing import program

    async def traced():
        with transaction():
            await program.run(asyncpg, dsn)

    asyncio.run(traced())
    for span in spans():
        print(json.dumps(normal(span, dsn.rpartition("/")[2])), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
