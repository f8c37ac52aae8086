"""Calls are counted by the methods that are served, whatever callers make up."""

from services.telemetry.call_metrics import OTHER_METHODS, CallDeclarations, CallMetrics
from services.telemetry.declarations import Buckets
from services.telemetry.instruments import Metrics

SCORE = "/expart.scoring.v1.ScoringService/ScoreExplanation"
DECLARED = CallDeclarations.of("scoring")


def counted() -> tuple[Metrics, CallMetrics]:
    metrics = Metrics()
    calls = CallMetrics(
        metrics, "scoring", methods=[SCORE], codes=["OK", "CANCELLED"], reasons=["OVERLOADED"]
    )
    return metrics, calls


def test_codes_and_durations_are_counted_by_method() -> None:
    metrics, calls = counted()
    one = calls.of(SCORE)
    for duration_s in (0.0004, 0.3):
        one.in_flight += 1
        one.ended("OK", duration_s)
    one.in_flight += 1
    values = metrics.values(DECLARED.calls)
    assert values["ScoreExplanation", "OK"] == 2
    assert values["ScoreExplanation", "CANCELLED"] == 0
    assert metrics.values(DECLARED.in_flight)["ScoreExplanation",] == 1
    seconds = metrics.values(DECLARED.seconds)["ScoreExplanation",]
    assert isinstance(seconds, Buckets)
    assert dict(seconds.cumulative)["0.001"] == 1
    assert dict(seconds.cumulative)["0.5"] == 2
    assert seconds.sum == 0.3004


def test_methods_that_are_not_served_count_as_one() -> None:
    metrics, calls = counted()
    for name in ("/a/B", "", "/expart.scoring.v1.ScoringService/Nothing", "ScoreExplanation"):
        other = calls.of(name)
        other.in_flight += 1
        other.ended("UNIMPLEMENTED", 0.0)
    values = metrics.values(DECLARED.calls)
    assert values[OTHER_METHODS, "UNIMPLEMENTED"] == 4
    assert {method for method, _ in values} == {"ScoreExplanation", OTHER_METHODS}


def test_methods_of_one_name_in_two_services_are_counted_together() -> None:
    metrics = Metrics()
    names = ["/a.A/Check", "/b.B/Check"]
    calls = CallMetrics(metrics, "scoring", methods=names, codes=["OK"], reasons=[])
    for name in names:
        one = calls.of(name)
        one.in_flight += 1
        one.ended("OK", 0.1)
    assert metrics.values(DECLARED.calls)["Check", "OK"] == 2


def test_bytes_are_counted_by_functions_that_are_made_once() -> None:
    metrics, calls = counted()
    one = calls.of(SCORE)
    decode, encode = one.decoding(bytes.decode), one.encoding(repr)  # type: ignore[arg-type]
    assert one.decoding(bytes.decode) is decode
    assert one.encoding(repr) is encode  # type: ignore[arg-type]
    assert decode(b"four") == "four"
    assert decode(b"") == ""
    assert encode(100) == "100"
    assert metrics.values(DECLARED.request_bytes)["ScoreExplanation",] == 4
    assert metrics.values(DECLARED.response_bytes)["ScoreExplanation",] == 3


def test_only_refusals_are_counted_by_their_reason() -> None:
    metrics, calls = counted()
    calls.refused("OVERLOADED")
    calls.refused("INTERNAL")
    assert metrics.values(DECLARED.rejected) == {("OVERLOADED",): 1}
