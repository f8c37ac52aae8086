"""The error tree keeps its promises to clients and to other processes."""

import pickle

from expart.common.v1 import error_reason_pb2
from services.core.errors import (
    ErrorReason,
    FieldViolation,
    InvalidRequestError,
    OverloadedError,
    ServiceError,
    service_error_classes,
)


def all_service_errors() -> list[type[ServiceError]]:
    return list(service_error_classes().values())


def test_every_reason_has_exactly_one_class() -> None:
    assert set(service_error_classes()) == set(ErrorReason)


def test_reasons_are_those_of_the_contract() -> None:
    prefix = "ERROR_REASON_"
    contract = {
        name.removeprefix(prefix) for name in error_reason_pb2.ErrorReason.DESCRIPTOR.values_by_name
    }
    assert {reason.value for reason in ErrorReason} == contract - {"UNSPECIFIED"}


def test_errors_survive_the_way_to_another_process() -> None:
    for kind in all_service_errors():
        error = pickle.loads(pickle.dumps(kind("went wrong", limit="3")))
        assert type(error) is kind
        assert (error.message, error.metadata, str(error)) == (
            "went wrong",
            {"limit": "3"},
            "went wrong",
        )


def test_keyword_state_survives_the_way_to_another_process() -> None:
    violation = FieldViolation("sampling.top_p", "must be above 0")
    invalid = pickle.loads(pickle.dumps(InvalidRequestError("bad", violations=(violation,))))
    assert invalid.violations == (violation,)
    assert (
        pickle.loads(pickle.dumps(OverloadedError("full", retry_after_s=2.5))).retry_after_s == 2.5
    )
