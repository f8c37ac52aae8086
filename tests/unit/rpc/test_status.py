"""The table between errors and gRPC statuses, over every error class."""

import json

import grpc
import pytest
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from services.core.errors import (
    ErrorReason,
    FieldViolation,
    InvalidRequestError,
    ModelFailedError,
    OverloadedError,
    ServiceError,
    service_error_classes,
)
from services.rpc.channel import service_config
from services.rpc.status import ERROR_DOMAIN, STATUS_CODES, retry_pushback, to_rpc_status

INVALID = grpc.StatusCode.INVALID_ARGUMENT
UNAVAILABLE = grpc.StatusCode.UNAVAILABLE


def details(status: status_pb2.Status, kind: type[Message]) -> list[Message]:
    found = []
    for detail in status.details:
        message = kind()
        if detail.Unpack(message):
            found.append(message)
    return found


def test_every_reason_has_a_code() -> None:
    assert set(STATUS_CODES) == set(ErrorReason)


@pytest.mark.parametrize("kind", service_error_classes().values(), ids=lambda kind: kind.__name__)
def test_every_error_answers_with_exactly_one_error_info(kind: type[ServiceError]) -> None:
    status = to_rpc_status(kind("what and what to do", limit="7"))
    assert status.code == STATUS_CODES[kind.reason].value[0]
    assert status.message == "what and what to do"
    (info,) = details(status, error_details_pb2.ErrorInfo)
    assert (info.reason, info.domain, dict(info.metadata)) == (
        kind.reason.value,
        ERROR_DOMAIN,
        {"limit": "7"},
    )


@pytest.mark.parametrize("kind", service_error_classes().values(), ids=lambda kind: kind.__name__)
def test_codes_that_grpc_clients_retry_belong_to_retryable_errors(kind: type[ServiceError]) -> None:
    # The contract: INVALID_ARGUMENT and NOT_FOUND are never retried, UNAVAILABLE, ABORTED and
    # RESOURCE_EXHAUSTED may be.
    code = STATUS_CODES[kind.reason]
    if code in {UNAVAILABLE, grpc.StatusCode.ABORTED, grpc.StatusCode.RESOURCE_EXHAUSTED}:
        assert kind.retryable
    if code in {INVALID, grpc.StatusCode.NOT_FOUND, grpc.StatusCode.INTERNAL}:
        assert not kind.retryable


def test_overload_says_when_to_try_again() -> None:
    status = to_rpc_status(OverloadedError("queue full", retry_after_s=2.5))
    (retry,) = details(status, error_details_pb2.RetryInfo)
    assert retry.retry_delay.ToMilliseconds() == 2500


def test_bad_fields_are_named() -> None:
    error = InvalidRequestError("bad", violations=(FieldViolation("instruction", "is empty"),))
    (bad,) = details(to_rpc_status(error), error_details_pb2.BadRequest)
    assert [(item.field, item.description) for item in bad.field_violations] == [
        ("instruction", "is empty")
    ]


def test_the_unforeseen_becomes_internal_and_gives_nothing_away() -> None:
    status = to_rpc_status(RuntimeError("password is hunter2"))
    assert status.code == grpc.StatusCode.INTERNAL.value[0]
    assert "hunter2" not in str(status)


@pytest.mark.parametrize("character", ["x", "ü", "画"])
def test_whatever_its_texts_a_status_fits_into_the_trailers(character: str) -> None:
    # gRPC drops trailers above 8 KiB, and with them every detail. It sends the message a second
    # time with each byte that is not ASCII written as three.
    long = character * 100_000
    error = InvalidRequestError(
        long, violations=tuple(FieldViolation(long, long) for _ in range(1000)), model=long
    )
    status = to_rpc_status(error)
    assert status.ByteSize() + 3 * len(status.message.encode()) < 8 * 1024
    assert details(status, error_details_pb2.ErrorInfo)


def test_grpcs_built_in_retries_are_paced_by_overload_and_stopped_by_a_failed_model() -> None:
    # Rounded up: a client that came back a moment too early would be refused again.
    assert retry_pushback(OverloadedError("full", retry_after_s=0.0305)) == (
        ("grpc-retry-pushback-ms", "31"),
    )
    assert retry_pushback(ModelFailedError("x")) == (("grpc-retry-pushback-ms", "-1"),)
    others = set(service_error_classes().values()) - {OverloadedError, ModelFailedError}
    assert all(retry_pushback(kind("x")) == () for kind in others)


def test_only_retryable_codes_are_retried_by_the_contracts_own_policy() -> None:
    policies = [
        (method["name"], method["retryPolicy"])
        for method in json.loads(service_config())["methodConfig"]
        if "retryPolicy" in method
    ]
    retried = {name["method"] for names, _ in policies for name in names}
    # Reading, storing and scoring may be repeated; an explanation costs too much to be made twice
    # unasked, and a two-way stream cannot be.
    assert retried == {"ListModels", "GetModel", "PutImage", "ScoreExplanation", "ListMetrics"}
    for _, policy in policies:
        assert set(policy["retryableStatusCodes"]) == {"UNAVAILABLE", "RESOURCE_EXHAUSTED"}
        assert 2 <= policy["maxAttempts"] <= 5  # gRPC takes five at most
