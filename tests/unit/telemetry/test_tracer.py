"""Spans: where they are asked for they end as their work did, and elsewhere there is nothing."""

import asyncio
import logging
import subprocess
import sys
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path

import pytest
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes, rpc_attributes
from opentelemetry.semconv.attributes import error_attributes
from opentelemetry.trace import StatusCode
from structlog.testing import capture_logs

from services.core.errors import InvalidRequestError
from services.telemetry import tracer
from services.telemetry.propagation import (
    TraceContext,
    current_trace,
    in_trace,
    outgoing_headers,
)
from services.telemetry.settings import TracingSettings
from services.telemetry.tracing import Attribute, Kind, Span, all_spans
from tests.recorded_spans import RecordedSpans, is_child, otlp_collector, recorded_spans

PROJECT = Path(__file__).parents[3]
SECRET = "a-text-that-nobody-may-see"


@pytest.fixture(autouse=True)
def _no_otel_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
        "OTEL_TRACES_SAMPLER",
        "OTEL_SERVICE_NAME",
        "OTEL_RESOURCE_ATTRIBUTES",
    ):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def spans() -> Iterator[RecordedSpans]:
    with recorded_spans() as found:
        yield found


def status_of(spans: RecordedSpans, name: str) -> StatusCode:
    return spans.one(name).status.status_code


def test_without_a_collector_nothing_is_recorded_and_nothing_is_loaded() -> None:
    # In a process of its own: the tests around here have loaded it.
    script = (
        "import sys, services.telemetry.tracer as t, services.rpc.server, services.rpc.channel,"
        "services.sweep.remote.clients, services.sweep.run.model_run, services.scoring.servicer,"
        "services.telemetry.tracing as names\n"
        "t.start_tracing('x')\n"
        "assert t.span(names.Span.QUESTION) is t.start(names.Span.CALL) is t.NO_SPAN\n"
        "sys.exit(sum(name.startswith('opentelemetry') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_the_block_of_no_span_leaves_the_trace_as_it_is() -> None:
    trace = TraceContext("a" * 32, "b" * 16)
    with in_trace(trace), tracer.span(Span.QUESTION, {Attribute.SWEEP: "x"}) as opened:
        opened.set({Attribute.ATTEMPTS: 1})
        opened.fail("INTERNAL")
        assert opened.trace is None
        assert current_trace() == trace


def test_what_happens_in_a_block_is_a_child_of_its_span(spans: RecordedSpans) -> None:
    with tracer.span(Span.QUESTION, {Attribute.SWEEP: "mini"}) as question:
        assert current_trace() == question.trace
        assert outgoing_headers() == (
            ("traceparent", str(question.trace and question.trace.traceparent)),
        )
        with tracer.start(Span.GENERATION, name="demo"):
            assert current_trace() == question.trace
    assert current_trace() is None
    assert spans.one("question").parent is None
    assert dict(spans.one("question").attributes or {}) == {"expart.sweep": "mini"}
    assert is_child(spans.one("generate_content demo"), spans.one("question"))
    assert {status_of(spans, name) for name in ("question", "generate")} == {StatusCode.UNSET}


def test_the_callers_span_is_the_parent_and_its_decision_holds(spans: RecordedSpans) -> None:
    recorded = TraceContext("1" * 32, "2" * 16, flags=1, state="rojo=1")
    unrecorded = TraceContext("3" * 32, "4" * 16, flags=0)
    with tracer.start(Span.ADMISSION, parent=recorded, links=[unrecorded]) as first:
        assert first.trace is not None
        assert (first.trace.trace_id, first.trace.flags) == ("1" * 32, 1)
        assert first.trace.state == "rojo=1"
    with tracer.start(Span.SCORE, parent=unrecorded) as second:
        assert second.trace is not None
        # Whoever is called next is told so too, and the logs of all name the same trace.
        assert (second.trace.trace_id, second.trace.flags) == ("3" * 32, 0)
    found = spans.one("admission")
    assert found.parent is not None
    assert found.parent.span_id == int("2" * 16, 16)
    assert [link.context.span_id for link in found.links] == [int("4" * 16, 16)]
    assert spans.named("score") == []


def test_an_error_ends_a_span_by_its_name_and_quotes_nothing(spans: RecordedSpans) -> None:
    with pytest.raises(InvalidRequestError), tracer.span(Span.QUESTION):
        raise InvalidRequestError(SECRET)
    with pytest.raises(KeyError), tracer.start(Span.CALL, name="call"):
        raise KeyError(SECRET)
    for name, error in (("question", "INVALID_REQUEST"), ("call", "KeyError")):
        found = spans.one(name)
        assert found.status.status_code is StatusCode.ERROR
        assert dict(found.attributes or {}) == {"error.type": error}
        assert SECRET not in found.to_json()


async def test_a_cancelled_task_ends_its_span_and_that_is_no_error(spans: RecordedSpans) -> None:
    begun = asyncio.Event()

    async def work() -> None:
        with tracer.span(Span.QUESTION):
            begun.set()
            await asyncio.sleep(3600)

    task = asyncio.create_task(work())
    await begun.wait()
    task.cancel()
    await asyncio.wait([task])
    assert spans.one("question").attributes == {"expart.cancelled": True}
    assert status_of(spans, "question") is StatusCode.UNSET


async def test_a_generator_that_is_left_ends_its_span(spans: RecordedSpans) -> None:
    async def pieces() -> AsyncGenerator[int, None]:
        with tracer.start(Span.GENERATION):
            yield 1
            yield 2

    left = pieces()
    assert await anext(left) == 1
    await asyncio.create_task(left.aclose())  # in another context than it began in
    assert spans.one("generate_content").attributes == {"expart.cancelled": True}


def test_spans_reach_a_collector_with_the_programs_name(monkeypatch: pytest.MonkeyPatch) -> None:
    with otlp_collector() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint)
        with capture_logs() as events, tracer.tracing("expart-test"):
            with tracer.span(Span.QUESTION, {Attribute.SWEEP: "mini", Attribute.ATTEMPTS: 2}):
                pass
            with tracer.start(Span.ADMISSION):
                pass
        assert [event["event"] for event in events] == ["tracing_started"]
        # stop_tracing() has sent what was left.
        assert {(span.program, span.name) for span in collector.spans()} == {
            ("expart-test", "question"),
            ("expart-test", "admission"),
        }
        assert collector.named("question")[0].attributes == {
            "expart.sweep": "mini",
            "expart.attempts": 2,
        }
        assert not tracer.is_tracing()

        monkeypatch.setenv("OTEL_SERVICE_NAME", "by-its-user")
        monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
        monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0")
        with tracer.tracing("expart-test"):
            with tracer.span(Span.QUESTION) as opened:
                assert opened.trace is not None
                assert not opened.trace.flags & 1
            with tracer.start(Span.SCORE, parent=TraceContext("1" * 32, "2" * 16, flags=1)):
                pass
        assert [span.name for span in collector.spans() if span.program == "by-its-user"] == [
            "score"
        ]


@pytest.mark.parametrize(
    ("variables", "endpoint"),
    [
        ({}, ""),
        ({"EXPORTER_OTLP_ENDPOINT": "http://all:4317"}, "http://all:4317"),
        (
            {
                "EXPORTER_OTLP_ENDPOINT": "http://all:4317",
                "EXPORTER_OTLP_TRACES_ENDPOINT": "http://traces:4317",
            },
            "http://traces:4317",
        ),
        ({"EXPORTER_OTLP_ENDPOINT": "http://all:4317", "SDK_DISABLED": "true"}, ""),
        ({"EXPORTER_OTLP_ENDPOINT": "http://all:4317", "SDK_DISABLED": "1"}, "http://all:4317"),
        ({"EXPORTER_OTLP_ENDPOINT": "http://all:4317", "TRACES_EXPORTER": "none"}, ""),
        (
            {"EXPORTER_OTLP_ENDPOINT": "http://all:4317", "TRACES_EXPORTER": "otlp"},
            "http://all:4317",
        ),
        ({"TRACES_EXPORTER": "otlp"}, ""),
    ],
)
def test_the_environment_decides(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], endpoint: str
) -> None:
    for name in ("SDK_DISABLED", "TRACES_EXPORTER"):
        monkeypatch.delenv(f"OTEL_{name}", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(f"OTEL_{name}", value)
    assert TracingSettings().endpoint == endpoint


def test_a_program_without_the_extra_runs_and_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setitem(sys.modules, "services.telemetry.otlp", None)
    with capture_logs() as events:
        tracer.start_tracing("expart-test")
    assert [event["event"] for event in events] == ["tracing_unavailable"]
    assert "expart-serving[tracing]" in events[0]["cause"]
    assert not tracer.is_tracing()


@pytest.mark.parametrize(
    ("name", "value", "cause"),
    [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf", "only grpc is supported"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "soon", "ValueError"),
    ],
)
def test_a_wrong_variable_ends_no_program(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, cause: str
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setenv(name, value)
    with capture_logs() as events:
        tracer.start_tracing("expart-test")
    assert [event["event"] for event in events] == ["tracing_unavailable"]
    assert cause in events[0]["cause"]
    assert not tracer.is_tracing()


def test_what_the_sdk_says_over_and_over_is_logged_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    with capture_logs() as events, tracer.tracing("expart-test"):
        logger = logging.getLogger("opentelemetry.test")
        for seconds in (1, 2, 4):
            logger.warning("no collector, again in %s s", seconds)
        logger.error("given up")
        logger.info("a detail")
    said = [event["message"] for event in events if event["event"] == "tracing_warned"]
    assert said == ["no collector, again in 1 s", "given up"]


def test_standard_names_are_the_conventions_own() -> None:
    known = {
        value
        for module in (gen_ai_attributes, rpc_attributes, error_attributes)
        for value in vars(module).values()
        if isinstance(value, str)
    }
    ours = {value for name, value in vars(Attribute).items() if name.isupper()}
    standard = {value for value in ours if not value.startswith("expart.")}
    assert standard <= known
    assert len(standard) == 5 + 14
    deprecated = {"gen_ai.system", "gen_ai.usage.prompt_tokens", "rpc.service", "rpc.system"}
    assert not standard & deprecated


def test_every_span_is_declared_with_known_attributes() -> None:
    ours = {value for name, value in vars(Attribute).items() if name.isupper()}
    for span_type in all_spans():
        assert set(span_type.attributes) <= ours
        assert span_type.meaning
        assert span_type.kind in Kind
    assert len(all_spans()) == 7


def test_every_span_is_in_the_documentation() -> None:
    lines = (PROJECT / "docs" / "logs-and-traces.md").read_text(encoding="utf-8").splitlines()
    for span_type in all_spans():
        name = f"`{span_type.name}`" if span_type.name else "the method's name"
        attributes = ", ".join(f"`{attribute}`" for attribute in span_type.attributes)
        cells = (name, span_type.kind.value, span_type.program, f"{span_type.meaning}.", attributes)
        assert f"| {' | '.join(cells)} |" in lines
