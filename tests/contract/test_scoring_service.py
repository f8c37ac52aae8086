"""The scoring service over a real socket, with a real worker process."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from grpc import StatusCode, aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from expart.scoring.v1 import scoring_service_pb2 as pb
from expart.scoring.v1 import scoring_service_pb2_grpc as pb_grpc
from services.core.errors import ErrorReason
from services.metrics import DEFAULT_METRICS, METRICS, ScoringOptions
from services.rpc.channel import open_channel
from tests.contract.scoring_server import ScoringServer, scoring_server

SERVICE = "expart.scoring.v1.ScoringService"
GOLDEN = json.loads(
    (Path(__file__).parents[1] / "golden" / "entity_metrics.json").read_text(encoding="utf-8")
)
TIMEOUT_S = 30.0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScoringServer]:
    with scoring_server(tmp_path_factory.mktemp("scoring")) as running:
        yield running


@pytest.fixture
async def channel(server: ScoringServer) -> AsyncIterator[aio.Channel]:
    async with open_channel(server.address) as opened:
        yield opened


@pytest.fixture
def stub(channel: aio.Channel) -> pb_grpc.ScoringServiceStub:
    return pb_grpc.ScoringServiceStub(channel)


def golden_item(case: dict[str, object]) -> pb.ScoringItem:
    return pb.ScoringItem(
        candidate=str(case["candidate"]),
        reference=GOLDEN["reference"],
        entities=GOLDEN["entities"],
        candidate_entities=case.get("candidate_entities", ()),
    )


def golden_options(case: dict[str, object]) -> pb.ScoringOptions:
    """The case's options as the contract spells them, such as TOKENIZER_RULE_WHITESPACE."""
    chosen = case.get("options", {})
    assert isinstance(chosen, dict)
    return pb.ScoringOptions(
        **{f"{name}_rule": f"{name}_RULE_{value}".upper() for name, value in chosen.items()}
    )


@pytest.mark.parametrize("case", GOLDEN["cases"], ids=lambda case: case["name"])
async def test_the_worked_example_comes_out_over_grpc(
    stub: pb_grpc.ScoringServiceStub, case: dict[str, object]
) -> None:
    values = case["values"]
    assert isinstance(values, dict)
    request = pb.ScoreExplanationRequest(
        item=golden_item(case), metrics=list(values), options=golden_options(case)
    )

    response = await stub.ScoreExplanation(request, timeout=TIMEOUT_S)

    assert [score.metric for score in response.scores] == list(values)
    found = {score.metric: score.value for score in response.scores}
    assert found == pytest.approx(values, abs=GOLDEN["tolerance"])


async def test_every_score_carries_the_signature_that_list_metrics_gives(
    stub: pb_grpc.ScoringServiceStub,
) -> None:
    options = pb.ScoringOptions(
        case_rule=pb.CASE_RULE_INSENSITIVE, boundary_rule=pb.BOUNDARY_RULE_SUBSTRING
    )
    listed = await stub.ListMetrics(pb.ListMetricsRequest(options=options), timeout=TIMEOUT_S)
    item = golden_item(GOLDEN["cases"][0])
    available = [name for name, metric in METRICS.items() if not metric.needs_encoder]
    request = pb.ScoreExplanationRequest(item=item, metrics=available, options=options)

    response = await stub.ScoreExplanation(request, timeout=TIMEOUT_S)

    signatures = {m.name: m.signature for m in listed.metrics if m.name in available}
    assert {score.metric: score.signature for score in response.scores} == signatures
    assert "case:insensitive|boundary:substring" in signatures["ef1"]
    assert all(signature.startswith(name) for name, signature in signatures.items())


def scoring_item(candidate: str, *entities: str) -> pb.ScoringItem:
    return pb.ScoringItem(candidate=candidate, reference="In Paris.", entities=entities)


@pytest.mark.parametrize(
    ("item", "metric", "options", "expected"),
    [
        # One entity makes no pair.
        (
            scoring_item("In Paris.", "Paris"),
            "ecooc_0",
            pb.ScoringOptions(no_pairs_rule=pb.NO_PAIRS_RULE_ZERO),
            (None, 0.0),
        ),
        # It is n't here . | It isn't here. | It isn ' t here .
        (
            scoring_item("It isn't here."),
            "length",
            pb.ScoringOptions(tokenizer_rule=pb.TOKENIZER_RULE_WHITESPACE),
            (5.0, 3.0),
        ),
        (
            scoring_item("It isn't here."),
            "length",
            pb.ScoringOptions(tokenizer_rule=pb.TOKENIZER_RULE_WORDPUNCT),
            (5.0, 6.0),
        ),
        # The entity occurs between word boundaries, and the token is Mondrian-like.
        (
            scoring_item("A Mondrian-like grid.", "Mondrian"),
            "ec_partial",
            pb.ScoringOptions(partial_match_rule=pb.PARTIAL_MATCH_RULE_EXACT_OR_TOKEN_LCS),
            (0.0, 1.0),
        ),
        (
            scoring_item("In paris.", "Paris"),
            "ec_exact",
            pb.ScoringOptions(case_rule=pb.CASE_RULE_INSENSITIVE),
            (0.0, 1.0),
        ),
        (
            scoring_item("A party.", "art"),
            "ec_exact",
            pb.ScoringOptions(boundary_rule=pb.BOUNDARY_RULE_SUBSTRING),
            (0.0, 1.0),
        ),
    ],
)
async def test_every_option_reaches_the_metrics(
    stub: pb_grpc.ScoringServiceStub,
    item: pb.ScoringItem,
    metric: str,
    options: pb.ScoringOptions,
    expected: tuple[float | None, float | None],
) -> None:
    async def score(options: pb.ScoringOptions | None) -> pb.Score:
        request = pb.ScoreExplanationRequest(item=item, metrics=[metric], options=options)
        [found] = (await stub.ScoreExplanation(request, timeout=TIMEOUT_S)).scores
        return found

    plain, chosen = await score(None), await score(options)
    values = [
        found.value if found.WhichOneof("outcome") == "value" else None for found in (plain, chosen)
    ]
    assert tuple(values) == expected
    assert chosen.signature != plain.signature


async def test_given_entities_decide_what_is_mentioned(stub: pb_grpc.ScoringServiceStub) -> None:
    options = pb.ScoringOptions(generated_entities_rule=pb.GENERATED_ENTITIES_RULE_GIVEN)
    item = pb.ScoringItem(
        candidate="The Louvre is in Paris.",
        reference="The Louvre is in Paris.",
        entities=["Louvre", "Paris"],
        candidate_entities=["Paris", "Rome"],
    )
    request = pb.ScoreExplanationRequest(item=item, metrics=["ec_exact"], options=options)
    [found] = (await stub.ScoreExplanation(request, timeout=TIMEOUT_S)).scores
    # Both occur; of the two only Paris was recognised.
    assert found.value == 0.5
    del item.candidate_entities[:]
    request = pb.ScoreExplanationRequest(item=item, metrics=["ec_exact"], options=options)
    [none_found] = (await stub.ScoreExplanation(request, timeout=TIMEOUT_S)).scores
    assert none_found.value == 0.0


async def test_list_metrics_describes_every_metric(stub: pb_grpc.ScoringServiceStub) -> None:
    response = await stub.ListMetrics(pb.ListMetricsRequest(), timeout=TIMEOUT_S)

    assert [metric.name for metric in response.metrics] == list(METRICS)
    for listed in response.metrics:
        metric = METRICS[listed.name]
        assert listed.description == metric.description
        assert listed.signature == metric.sign(ScoringOptions())
        assert (listed.min_value, listed.max_value) == (metric.min_value, metric.max_value)
        assert tuple(listed.statistic_names) == metric.statistic_names
        assert listed.default == (listed.name in DEFAULT_METRICS)
        assert ("EXPART_SCORING_ENCODER" in listed.unavailable_reason) == metric.needs_encoder
        assert bool(listed.unavailable_reason) == metric.needs_encoder


async def test_no_metric_named_means_the_default_ones(stub: pb_grpc.ScoringServiceStub) -> None:
    request = pb.ScoreExplanationRequest(item=golden_item(GOLDEN["cases"][0]))
    response = await stub.ScoreExplanation(request, timeout=TIMEOUT_S)
    assert tuple(score.metric for score in response.scores) == DEFAULT_METRICS
    for score in response.scores:
        assert len(score.statistics) == len(METRICS[score.metric].statistic_names)


async def test_an_empty_candidate_scores_zero(stub: pb_grpc.ScoringServiceStub) -> None:
    item = pb.ScoringItem(reference="The Louvre is in Paris.", entities=["Louvre", "Paris"])
    response = await stub.ScoreExplanation(pb.ScoreExplanationRequest(item=item), timeout=TIMEOUT_S)
    assert {score.WhichOneof("outcome") for score in response.scores} == {"value"}
    assert {score.value for score in response.scores} == {0.0}


@pytest.mark.parametrize(
    ("reference", "entities", "metric", "reason"),
    [
        ("A painting.", [], "ec_exact", pb.UNSCORABLE_REASON_NO_ENTITIES),
        ("In Paris.", ["Paris"], "ecooc_0", pb.UNSCORABLE_REASON_NO_REFERENCE_PAIRS),
        ("In Paris.", ["Rome"], "ef1", pb.UNSCORABLE_REASON_ENTITIES_NOT_IN_REFERENCE),
    ],
)
async def test_an_unscorable_item_says_why(
    stub: pb_grpc.ScoringServiceStub,
    reference: str,
    entities: list[str],
    metric: str,
    reason: pb.UnscorableReason,
) -> None:
    item = pb.ScoringItem(candidate="Paris", reference=reference, entities=entities)
    request = pb.ScoreExplanationRequest(item=item, metrics=[metric])
    [score] = (await stub.ScoreExplanation(request, timeout=TIMEOUT_S)).scores
    assert score.WhichOneof("outcome") == "unscorable"
    assert score.unscorable == reason
    assert set(score.statistics) == {0.0}


def stream_items(count: int, bad_position: int) -> list[pb.ScoreExplanationsRequest]:
    items = []
    for number in range(count):
        reference = "" if number == bad_position else f"Work {number} hangs in the Louvre in Paris."
        item = pb.ScoringItem(
            # Every item's coverage tells it from its neighbours.
            candidate="The Louvre." if number % 2 else "The Louvre is in Paris.",
            reference=reference,
            entities=["Louvre", "Paris"],
        )
        items.append(
            pb.ScoreExplanationsRequest(item_id=str(number), item=item, metrics=["ec_exact"])
        )
    return items


async def test_a_stream_answers_every_item_once_and_survives_a_bad_one(
    stub: pb_grpc.ScoringServiceStub,
) -> None:
    count, bad_position = 2_000, 777
    answers: dict[str, pb.ScoreExplanationsResponse] = {}

    async for answer in stub.ScoreExplanations(
        iter(stream_items(count, bad_position)), timeout=TIMEOUT_S
    ):
        assert answer.item_id not in answers
        answers[answer.item_id] = answer

    assert set(answers) == {str(number) for number in range(count)}
    error = answers.pop(str(bad_position)).error
    assert (error.code, error.reason) == (StatusCode.INVALID_ARGUMENT.value[0], "INVALID_REQUEST")
    assert error.message == "item.reference must not be blank"
    assert error.metadata == {"field": "item.reference"}
    for item_id, answer in answers.items():
        [score] = answer.scores.scores
        assert score.value == (0.5 if int(item_id) % 2 else 1.0)
        assert score.signature.startswith("ec_exact|")


@pytest.mark.parametrize(
    ("item_id", "message"),
    [
        ("", "item_id must have 1 to 256 bytes, has 0"),
        ("\u00e9" * 129, "item_id must have 1 to 256 bytes, has 258"),
    ],
)
async def test_an_item_of_a_stream_needs_a_usable_id(
    stub: pb_grpc.ScoringServiceStub, item_id: str, message: str
) -> None:
    [good] = stream_items(1, bad_position=-1)
    wrong = pb.ScoreExplanationsRequest(item_id=item_id, item=good.item)
    answers = [a async for a in stub.ScoreExplanations(iter([wrong, good]), timeout=TIMEOUT_S)]
    # 128 characters of two bytes each are the 256 that come back of an id that is too long.
    returned = item_id[:128]
    assert {a.item_id: a.error.message for a in answers} == {returned: message, "0": ""}


async def test_an_unknown_metric_fails_its_item_only(stub: pb_grpc.ScoringServiceStub) -> None:
    wrong, good = stream_items(2, bad_position=-1)
    wrong.metrics[:] = ["meteor"]
    answers = [a async for a in stub.ScoreExplanations(iter([wrong, good]), timeout=TIMEOUT_S)]
    reasons = {a.item_id: a.error.reason for a in answers}
    assert reasons == {"0": ErrorReason.METRIC_NOT_FOUND, "1": ""}


async def test_a_client_may_wait_for_each_answer_before_it_sends_on(
    stub: pb_grpc.ScoringServiceStub,
) -> None:
    call = stub.ScoreExplanations(timeout=TIMEOUT_S)
    for request in stream_items(5, bad_position=2):
        await call.write(request)
        answer = await call.read()
        assert isinstance(answer, pb.ScoreExplanationsResponse)
        assert answer.item_id == request.item_id
    await call.done_writing()
    assert await call.read() is aio.EOF
    assert await call.code() is StatusCode.OK


async def test_a_stream_without_items_ends_well(stub: pb_grpc.ScoringServiceStub) -> None:
    assert [a async for a in stub.ScoreExplanations(iter(()), timeout=TIMEOUT_S)] == []


async def test_cancelled_calls_leave_the_service_fit(stub: pb_grpc.ScoringServiceStub) -> None:
    call = stub.ScoreExplanations(iter(stream_items(500, bad_position=-1)), timeout=TIMEOUT_S)
    assert isinstance(await call.read(), pb.ScoreExplanationsResponse)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call.read()

    request = pb.ScoreExplanationRequest(item=golden_item(GOLDEN["cases"][0]))
    response = await stub.ScoreExplanation(request, timeout=TIMEOUT_S)

    assert len(response.scores) == len(DEFAULT_METRICS)


async def test_health_is_served_for_the_server_and_the_service(channel: aio.Channel) -> None:
    health = health_pb2_grpc.HealthStub(channel)
    for name in ("", SERVICE):
        answer = await health.Check(health_pb2.HealthCheckRequest(service=name), timeout=TIMEOUT_S)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING


async def test_reflection_lists_the_service(channel: aio.Channel) -> None:
    reflection = reflection_pb2_grpc.ServerReflectionStub(channel)
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    call = reflection.ServerReflectionInfo(iter([request]), timeout=TIMEOUT_S)
    answers = [answer async for answer in call]
    names = {service.name for service in answers[0].list_services_response.service}
    assert SERVICE in names


def test_nothing_went_wrong_that_only_the_log_would_tell(server: ScoringServer) -> None:
    assert server.events("scoring_started") != []
    for event in ("call_failed", "scoring_failed", "scoring_worker_lost"):
        assert server.events(event) == []
    assert "Traceback" not in server.log_path.read_text(encoding="utf-8")
