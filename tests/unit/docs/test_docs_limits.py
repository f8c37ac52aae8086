"""The limits that docs/limits.md names are those of the code, and none is left out."""

import re
from pathlib import Path

import pytest
from pydantic import BaseModel
from pydantic_settings import BaseSettings

from services.generation.catalog import ModelSpec, ScalingSpec
from services.generation.convert import MAX_REQUEST_ID_CHARS, MAX_TEXT_CHARS
from services.generation.sampling import MAX_STOP_CHARS, MAX_STOP_TEXTS
from services.generation.settings import GenerationSettings
from services.rpc.limits import MAX_HEALTH_WATCHES, MAX_MESSAGE_BYTES, MAX_PROBES
from services.rpc.settings import RpcSettings
from services.rpc.tokens import MAX_TOKEN_CHARS
from services.scoring.settings import ScoringSettings
from services.sweep.results.output_lock import LEASE_S
from services.sweep.results.patience import CommitPatience
from services.sweep.run.settings import SweepSettings
from services.sweep.spec.spec import SweepSpec

LIMITS = (Path(__file__).parents[3] / "docs" / "limits.md").read_text(encoding="utf-8")
UNITS = {"KiB": 2**10, "MiB": 2**20, "s": 1}

# Numbers that say what there is, or how fine, and bound nothing.
NO_LIMITS = {
    *("port", "metrics_port", "front_replicas", "front_replicas_per_node", "workers"),
    *("delta_interval_s", "state_interval_s", "load_wait_s"),
    *("encoder_layer", "encoder_threads", "encoder_workers"),
    *("shard_index", "shard_count", "completion_index"),
}


def section(heading: str) -> str:
    return LIMITS.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def table(heading: str) -> dict[str, float]:
    """Defaults by setting; a default with a unit in the unit's own terms."""
    rows = re.findall(r"^\| `([A-Z_]+)` \| ([0-9.]+) ?(\w*)", section(heading), flags=re.MULTILINE)
    return {name.lower(): float(number) * UNITS.get(unit, 1) for name, number, unit in rows}


def numbers(settings: type[BaseSettings]) -> dict[str, float]:
    inherited = set() if settings is RpcSettings else set(RpcSettings.model_fields)
    return {
        name: field.default
        for name, field in settings.model_fields.items()
        if name not in inherited | NO_LIMITS
        and isinstance(field.default, int | float)
        and not isinstance(field.default, bool)
    }


@pytest.mark.parametrize(
    ("heading", "settings"),
    [
        ("Both services", RpcSettings),
        ("The generation service", GenerationSettings),
        ("The scoring service", ScoringSettings),
        ("The driver", SweepSettings),
    ],
)
def test_every_limit_is_told_with_its_default(heading: str, settings: type[BaseSettings]) -> None:
    assert table(heading) == numbers(settings)


@pytest.mark.parametrize(
    ("model", "prefix"), [(ModelSpec, ""), (ScalingSpec, "scaling."), (SweepSpec, "")]
)
def test_keys_of_catalog_and_spec_have_the_defaults_that_are_told(
    model: type[BaseModel], prefix: str
) -> None:
    rows = re.findall(rf"^\| `{prefix}([a-z_]+)` \| ([0-9.]+)", LIMITS, flags=re.MULTILINE)
    told = {name: float(number) for name, number in rows if name in model.model_fields}
    assert told
    assert told == {name: model.model_fields[name].default for name in told}


def test_what_cannot_be_set_is_told_as_it_is() -> None:
    words = " ".join(LIMITS.split())
    assert f"a message has at most {MAX_MESSAGE_BYTES // 2**20} MiB" in words
    assert f"for {MAX_PROBES} callers at a time, {MAX_HEALTH_WATCHES} of them watching" in words
    assert f"20 to {MAX_TOKEN_CHARS} characters" in words
    assert f"at most {MAX_REQUEST_ID_CHARS} characters" in words
    assert f"system text {MAX_TEXT_CHARS:,} each" in words
    assert f"stop texts are {MAX_STOP_TEXTS} of {MAX_STOP_CHARS:,} characters" in words
    assert f"waited for {CommitPatience().limit_s:g} s" in words
    assert f"taken over after {LEASE_S:g} s" in words
