"""Results of a sweep as tests write them: rows to be changed, and the manifest beside them."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from services.sweep.results.manifest import Manifest, write_manifest
from services.sweep.results.rows import FailureRow, GenerationRow, PlanRow, Stage
from services.sweep.results.store import ResultStore
from services.sweep.results.tables import ResultTables
from services.sweep.spec.sharding import Shard

NOW = datetime(2026, 1, 1, tzinfo=UTC)

PLAN = PlanRow(
    key="",
    model="alpha",
    adapter="",
    revision="r1",
    question="",
    question_id="",
    artwork="The Swan",
    title="The Swan",
    section="History",
    setting="with_title",
    split="test_seen",
    part="seen",
    image="swan.png",
    image_digest="sha256:0",
    reference_digest="d1",
)
GENERATION = GenerationRow(
    key="",
    model="alpha",
    adapter="",
    revision="r1",
    question="",
    question_id="",
    artwork="The Swan",
    section="History",
    setting="with_title",
    split="test_seen",
    instruction="Explain.",
    text="A swan.",
    finish_reason="stop",
    prompt_token_count=1,
    image_token_count=0,
    generated_token_count=2,
    queue_s=0.0,
    prefill_s=0.0,
    decode_s=0.0,
    elapsed_s=0.0,
    attempts=1,
    engine="scripted",
    engine_version="1",
    dtype="float32",
    quantization="",
    sampling="{}",
    image_digest="sha256:0",
    generated_at=NOW,
)
FAILURE = FailureRow(
    key="",
    model="alpha",
    adapter="",
    question="",
    setting="with_title",
    split="test_seen",
    stage=Stage.GENERATION,
    reason="INVALID_REQUEST",
    final=True,
    message="bad",
    attempts=1,
    reference_digest="d1",
    failed_at=NOW,
)


def begin_shard(
    output: Path,
    plan: Sequence[PlanRow],
    shard: Shard | None = None,
    planned_at: datetime = NOW,
    **noted: object,
) -> ResultTables:
    """Notes a shard's plan as a driver does; gives its tables.

    Args:
        output: The sweep's output.
        plan: The questions.
        shard: The shard; by default the whole.
        planned_at: When it was planned.
        noted: What else the manifest says.
    """
    shard = shard or Shard()
    store = ResultStore(output)
    tables = store.tables(shard)
    tables.replace_plan(plan)
    manifest = Manifest(
        spec={},
        spec_digest="sha256:0",
        dataset="",
        dataset_digest="sha256:0",
        mapping="flat",
        plan_digest="sha256:0",
        questions=len(plan),
        revisions={},
        versions={},
        shard=shard.index,
        shards=shard.count,
        planned_at=planned_at,
        started_at=planned_at,
    )
    write_manifest(manifest.model_copy(update=noted), store.folder(shard))
    return tables
