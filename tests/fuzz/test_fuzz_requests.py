"""Tens of thousands of broken requests: each is refused by a named error, or scored."""

import pytest
from google.protobuf.message import DecodeError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from expart.scoring.v1 import scoring_service_pb2 as pb
from services.core.errors import InvalidRequestError, MetricUnavailableError
from services.metrics import METRICS
from services.rpc.status import to_rpc_status
from services.scoring.checks import ItemLimits
from services.scoring.convert import task_from_pb
from services.scoring.task import decode_tasks, encode_tasks
from tests.fuzz.bounded_work import bounded_work
from tests.fuzz.scoring_inputs import Bytes, fuzzed_item

REQUESTS = 50_000
LIMITS = ItemLimits(max_text_chars=300, max_entities=4, max_entity_chars=20)
NAMES = (*METRICS, "", "EC_EXACT", "beauty", "x" * 10_000)


def request_from(data: bytes) -> pb.ScoreExplanationRequest:
    """A request whose fields may each be missing, repeated, too large or unknown."""
    source = Bytes(data[:12])
    fuzzed = fuzzed_item(data[12:])
    request = pb.ScoreExplanationRequest()
    if source.below(16):
        request.item.candidate = fuzzed.candidate
        request.item.reference = fuzzed.reference
        request.item.entities.extend(fuzzed.entities)
        request.item.candidate_entities.extend(fuzzed.candidate_entities)
    request.metrics.extend(NAMES[source.below(len(NAMES))] for _ in range(source.below(4)))
    options = request.options
    options.case_rule = source.below(4)  # type: ignore[assignment] # the last one is unknown
    options.boundary_rule = source.below(4)  # type: ignore[assignment]
    options.tokenizer_rule = source.below(5)  # type: ignore[assignment]
    options.generated_entities_rule = 2 if fuzzed.candidate_entities else source.below(4)  # type: ignore[assignment]
    return request


def corrupted(message: bytes, damage: bytes) -> bytes:
    """The message with some of its bytes replaced, as a broken client would send it."""
    broken = bytearray(message)
    for place, value in zip(damage[::2], damage[1::2], strict=False):
        if broken:
            broken[place * 7 % len(broken)] = value
    return bytes(broken)


@pytest.mark.slow
@settings(max_examples=REQUESTS, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.binary(max_size=120), damage=st.binary(max_size=6))
def test_every_request_becomes_a_task_or_an_error_that_names_a_field(
    data: bytes, damage: bytes
) -> None:
    message = corrupted(request_from(data).SerializeToString(), damage)
    with bounded_work():
        try:
            request = pb.ScoreExplanationRequest.FromString(message)
        except DecodeError:  # answered before any code of ours sees a request
            return
        try:
            task = task_from_pb(request, LIMITS, encoder="")
        except (InvalidRequestError, MetricUnavailableError) as error:
            status = to_rpc_status(error)
            assert status.message
            assert status.ByteSize() < 8_000  # what gRPC lets through as trailers
        else:
            assert max(len(task.candidate), len(task.reference)) <= LIMITS.max_text_chars
            assert len(task.entities) <= LIMITS.max_entities
            assert decode_tasks(encode_tasks([task])) == [task]
