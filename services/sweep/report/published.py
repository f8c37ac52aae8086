"""Results from papers, which a report sets apart from what was computed."""

import math
from functools import cache
from importlib import resources

import yaml
from pydantic import BaseModel, ConfigDict, TypeAdapter, field_validator

from services.benchmark.records import Setting
from services.metrics.registry import METRICS
from services.sweep.report.model import PublishedRow


class _DeclaredRow(BaseModel):
    """A row as the file has it: values as printed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    setting: Setting
    source: str
    sample: str
    values: dict[str, float]

    @field_validator("values")
    @classmethod
    def _known(cls, values: dict[str, float]) -> dict[str, float]:
        if unknown := [name for name in values if name not in METRICS]:
            raise ValueError(f"no metric is named {', '.join(unknown)}")
        return values


@cache
def published_rows() -> tuple[PublishedRow, ...]:
    """The rows of ``published.yaml``, in its order; values are as the metrics give them."""
    file = resources.files("services.sweep.report") / "published.yaml"
    declared = yaml.safe_load(file.read_text(encoding="utf-8"))
    rows = TypeAdapter(tuple[_DeclaredRow, ...]).validate_python(declared)
    return tuple(
        PublishedRow(
            model=row.model,
            setting=row.setting,
            values={name: _as_given(name, value) for name, value in row.values.items()},
            source=row.source,
            sample=row.sample,
        )
        for row in rows
    )


def _as_given(metric: str, printed: float) -> float:
    return printed if math.isinf(METRICS[metric].max_value) else printed / 100
