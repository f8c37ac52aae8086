"""The contract's companions agree with the contract."""

import json
import shutil
import subprocess
import sys
from importlib import resources
from pathlib import Path

import pytest
from google.protobuf.descriptor import FileDescriptor

from expart.generation.v1 import generation_service_pb2
from expart.scoring.v1 import scoring_service_pb2
from services.core.errors import service_error_classes
from services.rpc.channel import service_config
from services.rpc.status import STATUS_CODES

PROTOS = Path(__file__).resolve().parents[2] / "protos"

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


STATUS_NAMES = {code.name for code in STATUS_CODES.values()}
GENERATING = {"GenerateExplanation", "StreamExplanation"}


def policies(*, repeats_generation: bool) -> dict[str, dict[str, object] | None]:
    """The retry policy of every method, by its name."""
    config = json.loads(service_config(repeats_generation=repeats_generation))
    return {
        target["method"]: entry.get("retryPolicy")
        for entry in config["methodConfig"]
        for target in entry["name"]
    }


def test_calls_that_cost_gpu_time_are_repeated_only_for_those_who_ask_for_it() -> None:
    silent, asked = policies(repeats_generation=False), policies(repeats_generation=True)
    for method, policy in asked.items():
        assert silent[method] == (None if method in GENERATING else policy)


def test_every_method_but_the_two_way_stream_may_be_repeated() -> None:
    unrepeatable = {
        name for name, policy in policies(repeats_generation=True).items() if policy is None
    }
    assert unrepeatable == {"ScoreExplanations"}


def test_what_is_repeated_is_what_may_succeed_later() -> None:
    # The codes of the errors that say so, less those that the caller set a limit for.
    transient = {
        STATUS_CODES[reason].name
        for reason, kind in service_error_classes().items()
        if kind.retryable
    } - {"DEADLINE_EXCEEDED"}
    for method, policy in policies(repeats_generation=True).items():
        if policy is None:
            continue
        codes, most = policy["retryableStatusCodes"], policy["maxAttempts"]
        assert isinstance(codes, list)
        # An answer is lost halfway only where there is one to be generated.
        assert set(codes) == transient - ({"ABORTED"} if method not in GENERATING else set())
        assert isinstance(most, int)
        assert 1 < most <= 5  # gRPC takes more for 5


def test_the_readme_tells_the_code_of_every_reason() -> None:
    text = (PROTOS / "README.md").read_text(encoding="utf-8")
    rows = [line.split("|") for line in text.splitlines() if line.startswith("| `")]
    told = {
        reason: codes
        for _, codes, reasons, *_ in rows
        for reason in reasons.replace("`", "").replace(",", " ").split()
    }
    for reason, code in STATUS_CODES.items():
        assert f"`{code.name}`" in told[reason], reason


def test_the_readme_tells_which_calls_are_repeated_and_how_often() -> None:
    text = (PROTOS / "README.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    for method, policy in policies(repeats_generation=True).items():
        (row,) = [row for row in rows if f"`{method}`" in row]
        if policy is None:
            assert "never" in row
            continue
        codes = policy["retryableStatusCodes"]
        assert isinstance(codes, list)
        assert {code for code in STATUS_NAMES if f"`{code}`" in row} == set(codes)
        assert f"{policy['maxAttempts']} attempts" in row


@pytest.mark.parametrize(
    ("written", "instead"),
    [
        ("string instruction = 5;", "string instruction = 15;"),
        ("string instruction = 5;", "bytes instruction = 5;"),
        ("rpc ListModels(", "rpc ListAllModels("),
    ],
    ids=["number", "type", "method"],
)
def test_a_change_that_breaks_callers_is_caught(tmp_path: Path, written: str, instead: str) -> None:
    protos = tmp_path / "protos"
    shutil.copytree(PROTOS, protos, ignore=shutil.ignore_patterns("gen"))
    assert break_check(protos).returncode == 0
    source = protos / "expart" / "generation" / "v1" / "generation_service.proto"
    text = source.read_text(encoding="utf-8")
    assert written in text
    source.write_text(text.replace(written, instead), encoding="utf-8")
    assert break_check(protos).returncode != 0


def break_check(protos: Path) -> subprocess.CompletedProcess[bytes]:
    buf = Path(sys.executable).with_name("buf")
    return subprocess.run(
        [buf, "breaking", protos, "--against", PROTOS / "contract.binpb"],
        capture_output=True,
        check=False,
    )
