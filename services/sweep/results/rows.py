"""The rows of the result tables, and the tables' schemas."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import pyarrow as pa


class Stage(StrEnum):
    """Where a question failed."""

    GENERATION = "generation"
    SCORING = "scoring"


class SweepFailure(StrEnum):
    """Reasons of failures that the driver itself finds; the others are the services' own."""

    PICTURE_MISSING = "PICTURE_MISSING"
    PROVENANCE_MISMATCH = "PROVENANCE_MISMATCH"


class FinishReason(StrEnum):
    """Why a generation ended."""

    STOP = "stop"
    LENGTH = "length"


@dataclass(frozen=True, slots=True)
class PlanRow:
    """A question that the present spec asks of a model."""

    key: str
    model: str
    adapter: str
    revision: str
    question: str
    question_id: str
    artwork: str
    title: str
    section: str
    setting: str
    split: str
    part: str | None
    image: str
    image_digest: str
    reference_digest: str
    prompt: str = ""
    sampling_name: str = ""
    control: str = "none"
    replicate: int = 0


@dataclass(frozen=True, slots=True)
class GenerationRow:
    """An explanation that a model generated. Times are in seconds.

    ``first_token_s`` and ``total_s`` count from the arrival at the service, ``elapsed_s`` is what
    the driver saw; ``gpu_count`` is what the replica holds: a part of one where it shares it, 0 on
    a CPU.
    """

    key: str
    model: str
    adapter: str
    revision: str
    question: str
    question_id: str
    artwork: str
    section: str
    setting: str
    split: str
    instruction: str
    text: str
    finish_reason: str
    prompt_token_count: int
    image_token_count: int
    generated_token_count: int
    queue_s: float
    prefill_s: float
    decode_s: float
    elapsed_s: float
    attempts: int
    engine: str
    engine_version: str
    dtype: str
    quantization: str
    sampling: str
    image_digest: str
    generated_at: datetime
    prompt: str = ""
    sampling_name: str = ""
    control: str = "none"
    replicate: int = 0
    admission_s: float = 0.0
    first_token_s: float = 0.0
    total_s: float = 0.0
    truncated: bool = False
    gpu_count: float = 0.0
    chat_template_digest: str = ""
    configuration_digest: str = ""
    adapter_revision: str = ""


@dataclass(frozen=True, slots=True)
class ScoreRow:
    """One metric's result for one explanation: a value, or the reason why there is none.

    ``signatures_digest`` names the metrics and signatures that were computed together.
    """

    key: str
    reference_digest: str
    signatures_digest: str
    metric: str
    value: float | None
    unscorable: str | None
    statistics: tuple[float, ...]
    signature: str
    scored_at: datetime


@dataclass(frozen=True, slots=True)
class FailureRow:
    """A question that failed, at generation or at scoring. ``final``: not asked again."""

    key: str
    model: str
    adapter: str
    question: str
    setting: str
    split: str
    stage: str
    reason: str
    final: bool
    message: str
    attempts: int
    reference_digest: str
    failed_at: datetime


Row = PlanRow | GenerationRow | ScoreRow | FailureRow

_STRING = pa.string()
_INT = pa.int32()
_FLOAT = pa.float64()
_TIME = pa.timestamp("us", tz="UTC")


def _schema(row: type[Row], **types: pa.DataType) -> pa.Schema:
    """Columns in the order of the row's fields; texts where nothing else is said."""
    nullable = {"part", "value", "unscorable"}
    return pa.schema(
        [
            pa.field(name, types.get(name, _STRING), nullable=name in nullable)
            for name in row.__dataclass_fields__
        ]
    )


class Table(StrEnum):
    """The tables of an output folder; the value is the name of the table's folder."""

    PLAN = "plan"
    GENERATIONS = "generations"
    SCORES = "scores"
    FAILURES = "failures"


SCHEMAS: dict[Table, pa.Schema] = {
    Table.PLAN: _schema(PlanRow, replicate=_INT),
    Table.GENERATIONS: _schema(
        GenerationRow,
        prompt_token_count=_INT,
        image_token_count=_INT,
        generated_token_count=_INT,
        queue_s=_FLOAT,
        prefill_s=_FLOAT,
        decode_s=_FLOAT,
        elapsed_s=_FLOAT,
        attempts=_INT,
        generated_at=_TIME,
        replicate=_INT,
        admission_s=_FLOAT,
        first_token_s=_FLOAT,
        total_s=_FLOAT,
        truncated=pa.bool_(),
        gpu_count=_FLOAT,
    ),
    Table.SCORES: _schema(ScoreRow, value=_FLOAT, statistics=pa.list_(_FLOAT), scored_at=_TIME),
    Table.FAILURES: _schema(FailureRow, final=pa.bool_(), attempts=_INT, failed_at=_TIME),
}
