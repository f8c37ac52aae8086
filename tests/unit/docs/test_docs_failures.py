"""The reasons and settings that docs/failure-modes.md names are there, with these defaults."""

import re
from pathlib import Path

from expart.common.v1 import error_reason_pb2
from services.generation.catalog import ModelSpec, ScalingSpec
from services.generation.settings import GenerationSettings
from services.scoring.settings import ScoringSettings
from services.sweep.run.settings import SweepSettings
from services.sweep.spec.spec import SweepSpec

PROJECT = Path(__file__).parents[3]
FAILURES = (PROJECT / "docs" / "failure-modes.md").read_text(encoding="utf-8")
SOURCES = (
    GenerationSettings,
    ScoringSettings,
    SweepSettings,
    SweepSpec,
    ModelSpec,
    ScalingSpec,
)
# Statuses of gRPC, and a variable of the hub's own library.
OTHERS = {"UNAVAILABLE", "HF_HUB_OFFLINE"}


def defaults(name: str) -> set[object]:
    return {source.model_fields[name].default for source in SOURCES if name in source.model_fields}


def test_what_is_written_in_capitals_is_a_reason_or_a_setting() -> None:
    known = error_reason_pb2.ErrorReason.DESCRIPTOR.values_by_name
    reasons = {name.removeprefix("ERROR_REASON_") for name in known}
    for name in set(re.findall(r"`([A-Z][A-Z_]+)[`=]", FAILURES)):
        assert name in reasons | OTHERS or defaults(name.lower()), name


def test_defaults_in_brackets_are_true() -> None:
    told = re.findall(r"`(\w+)` \(([0-9.]+) s\)", FAILURES)
    assert len(told) > 5
    for name, seconds in told:
        assert float(seconds) in defaults(name.lower()), name
