"""What the scoring service refuses, and how it says so."""

from collections.abc import AsyncIterator, Iterator

import pytest
from google.rpc import error_details_pb2
from grpc import StatusCode, aio
from grpc_status import rpc_status

from expart.scoring.v1 import scoring_service_pb2 as pb
from expart.scoring.v1 import scoring_service_pb2_grpc as pb_grpc
from services.core.errors import (
    InvalidRequestError,
    MetricNotFoundError,
    MetricUnavailableError,
)
from services.rpc.channel import open_channel
from services.rpc.status import error_from_rpc
from tests.contract.scoring_server import ScoringServer, scoring_server

TIMEOUT_S = 30.0
ITEM = pb.ScoringItem(candidate="In Paris.", reference="In the Louvre.", entities=["Louvre"])
GIVEN = pb.ScoringOptions(generated_entities_rule=pb.GENERATED_ENTITIES_RULE_GIVEN)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScoringServer]:
    with scoring_server(tmp_path_factory.mktemp("scoring")) as running:
        yield running


@pytest.fixture
async def stub(server: ScoringServer) -> AsyncIterator[pb_grpc.ScoringServiceStub]:
    async with open_channel(server.address) as channel:
        yield pb_grpc.ScoringServiceStub(channel)


def bad(field: str, description: str, **fields: object) -> tuple[object, ...]:
    metrics = fields.pop("metrics", [])
    options = fields.pop("options", None)
    item = pb.ScoringItem(**{"candidate": "c", "reference": "r", **fields})
    request = pb.ScoreExplanationRequest(item=item, metrics=metrics, options=options)
    return request, field, description


BAD_REQUESTS = [
    (pb.ScoreExplanationRequest(), "item", "must be set"),
    bad("item.reference", "must not be blank", reference=""),
    bad("item.reference", "must not be blank", reference=" \n\u00a0"),
    bad("item.reference", "must have at most 50000 characters, has 50001", reference="r" * 50_001),
    bad("item.candidate", "must have at most 50000 characters, has 60000", candidate="c" * 60_000),
    bad("item.entities[1]", "must not be blank", entities=["a", ""]),
    bad("item.entities[0]", "must not be blank", entities=["\u200b"]),
    bad("item.entities[2]", "must differ from entities[0]", entities=["a", "b", "a"]),
    bad("item.entities", "must have at most 256 entries, has 257", entities=map(str, range(257))),
    bad("item.entities[0]", "must have at most 256 characters, has 300", entities=["e" * 300]),
    bad("metrics[1]", "must not repeat an earlier name", metrics=["ef1", "ef1"]),
    bad("metrics", "must have at most 14 entries, has 15", metrics=["ef1"] * 15),
    bad("options.case_rule", "has the unknown value 9", options=pb.ScoringOptions(case_rule=9)),
    *(
        bad(f"options.{field}", "has the unknown value 7", options=pb.ScoringOptions(**{field: 7}))
        for field in (
            "boundary_rule",
            "tokenizer_rule",
            "partial_match_rule",
            "no_pairs_rule",
            "generated_entities_rule",
        )
    ),
    bad(
        "item.candidate_entities",
        "must be left out unless the options say that they are given",
        candidate_entities=["Louvre"],
    ),
    bad(
        "item.candidate_entities",
        "must have at most 256 entries, has 257",
        candidate_entities=map(str, range(257)),
    ),
    bad(
        "item.candidate_entities[1]",
        "must have at most 256 characters, has 257",
        options=GIVEN,
        candidate_entities=["e", "f" * 257],
    ),
    bad(
        "item.candidate_entities[1]",
        "must not be blank",
        options=GIVEN,
        candidate_entities=["e", " "],
    ),
    bad(
        "item.candidate_entities[2]",
        "must differ from candidate_entities[0]",
        options=GIVEN,
        candidate_entities=["e", "f", "e"],
    ),
]


@pytest.mark.parametrize(("request_", "field", "description"), BAD_REQUESTS)
async def test_a_bad_request_is_refused_with_its_field(
    stub: pb_grpc.ScoringServiceStub,
    request_: pb.ScoreExplanationRequest,
    field: str,
    description: str,
) -> None:
    with pytest.raises(aio.AioRpcError) as caught:
        await stub.ScoreExplanation(request_, timeout=TIMEOUT_S)

    assert caught.value.code() is StatusCode.INVALID_ARGUMENT
    assert_one_error_info(caught.value, "INVALID_REQUEST")
    error = error_from_rpc(caught.value)
    assert isinstance(error, InvalidRequestError)
    assert [(v.field, v.description) for v in error.violations] == [(field, description)]
    assert error.message == f"{field} {description}"


def assert_one_error_info(failure: aio.AioRpcError, reason: str) -> None:
    status = rpc_status.from_call(failure)
    assert status is not None
    infos = [d for d in status.details if d.Is(error_details_pb2.ErrorInfo.DESCRIPTOR)]
    assert len(infos) == 1
    info = error_details_pb2.ErrorInfo()
    infos[0].Unpack(info)
    assert (info.domain, info.reason) == ("expart", reason)


async def test_every_wrong_field_is_named_up_to_ten(stub: pb_grpc.ScoringServiceStub) -> None:
    item = pb.ScoringItem(reference="r", entities=["e"] * 40)
    with pytest.raises(aio.AioRpcError) as caught:
        await stub.ScoreExplanation(pb.ScoreExplanationRequest(item=item), timeout=TIMEOUT_S)
    error = error_from_rpc(caught.value)
    assert isinstance(error, InvalidRequestError)
    assert [v.field for v in error.violations] == [f"item.entities[{i}]" for i in range(1, 11)]
    assert error.message.endswith("(and 38 more)")


async def test_an_unknown_metric_is_refused_with_the_names_there_are(
    stub: pb_grpc.ScoringServiceStub,
) -> None:
    request = pb.ScoreExplanationRequest(item=ITEM, metrics=["ef1", "meteor"])
    with pytest.raises(aio.AioRpcError) as caught:
        await stub.ScoreExplanation(request, timeout=TIMEOUT_S)
    assert caught.value.code() is StatusCode.INVALID_ARGUMENT
    assert_one_error_info(caught.value, "METRIC_NOT_FOUND")
    error = error_from_rpc(caught.value)
    assert isinstance(error, MetricNotFoundError)
    assert error.metadata == {"metric": "meteor"}
    assert "ecooc_inf" in error.message


async def test_a_metric_that_needs_an_encoder_is_refused_with_what_to_set(
    stub: pb_grpc.ScoringServiceStub,
) -> None:
    request = pb.ScoreExplanationRequest(item=ITEM, metrics=["ef1", "bertscore"])
    with pytest.raises(aio.AioRpcError) as caught:
        await stub.ScoreExplanation(request, timeout=TIMEOUT_S)
    assert caught.value.code() is StatusCode.FAILED_PRECONDITION
    assert_one_error_info(caught.value, "METRIC_UNAVAILABLE")
    error = error_from_rpc(caught.value)
    assert isinstance(error, MetricUnavailableError)
    assert error.metadata == {"metric": "bertscore", "setting": "EXPART_SCORING_ENCODER"}
    assert "set EXPART_SCORING_ENCODER to" in error.message


async def test_list_metrics_refuses_an_unknown_choice_too(stub: pb_grpc.ScoringServiceStub) -> None:
    request = pb.ListMetricsRequest(options=pb.ScoringOptions(no_pairs_rule=9, tokenizer_rule=8))
    with pytest.raises(aio.AioRpcError) as caught:
        await stub.ListMetrics(request, timeout=TIMEOUT_S)
    error = error_from_rpc(caught.value)
    assert isinstance(error, InvalidRequestError)
    assert [(v.field, v.description) for v in error.violations] == [
        ("options.tokenizer_rule", "has the unknown value 8"),
        ("options.no_pairs_rule", "has the unknown value 9"),
    ]


async def test_a_message_that_grpc_itself_refuses_names_the_limit(server: ScoringServer) -> None:
    request = pb.ScoreExplanationRequest(item=pb.ScoringItem(candidate="c" * 20_000_000))
    options = [("grpc.max_send_message_length", -1), ("grpc.enable_http_proxy", 0)]
    async with aio.insecure_channel(server.address, options=options) as channel:
        with pytest.raises(aio.AioRpcError) as caught:
            await pb_grpc.ScoringServiceStub(channel).ScoreExplanation(request, timeout=TIMEOUT_S)
    assert caught.value.code() is StatusCode.RESOURCE_EXHAUSTED
    # Not OverloadedError: trying again would not help.
    error = error_from_rpc(caught.value)
    assert type(error) is InvalidRequestError
    assert "larger than max" in error.message
    assert "20000" in error.message
    assert str(16 * 2**20) in error.message
