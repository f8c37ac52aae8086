"""The contract's companions agree with the contract."""

import json
from importlib import resources

import pytest
from google.protobuf.descriptor import FileDescriptor

from expart.generation.v1 import generation_service_pb2
from expart.scoring.v1 import scoring_service_pb2
from services.rpc.channel import service_config

CONTRACTS: list[FileDescriptor] = [
    generation_service_pb2.DESCRIPTOR,
    scoring_service_pb2.DESCRIPTOR,
]


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract.package)
def test_retry_policies_cover_methods_that_exist(contract: FileDescriptor) -> None:
    (service,) = contract.services_by_name.values()
    name = contract.name.rsplit("/", 1)[1].removesuffix(".proto")
    text = (resources.files(contract.package) / f"{name}_config.json").read_text(encoding="utf-8")
    for policy in json.loads(text)["methodConfig"]:
        for target in policy["name"]:
            assert target["service"] == service.full_name
            assert target["method"] in service.methods_by_name


def test_client_channels_carry_the_policies_of_both_services() -> None:
    named = {
        target["service"]
        for policy in json.loads(service_config())["methodConfig"]
        for target in policy["name"]
    }
    assert named == {
        service.full_name
        for contract in CONTRACTS
        for service in contract.services_by_name.values()
    }


def test_calls_that_cost_gpu_time_are_not_retried_behind_the_callers_back() -> None:
    for policy in json.loads(service_config())["methodConfig"]:
        methods = {target["method"] for target in policy["name"]}
        if methods & {"GenerateExplanation", "StreamExplanation"}:
            assert "retryPolicy" not in policy
