"""A finished sweep over ExpArt-mini, for the tests of reports: real questions and real scores."""

import zlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from services.metrics.analysis import ScoringInput
from services.metrics.outcome import Unscorable
from services.metrics.registry import score_all
from services.sweep.plan.directory import FixedDirectory, ModelDescription
from services.sweep.plan.plan import Job
from services.sweep.plan.planned_manifest import new_manifest
from services.sweep.plan.prepare import plan_sweep
from services.sweep.plan.rows import plan_row
from services.sweep.results.keys import signatures_digest
from services.sweep.results.manifest import Attestation, write_manifest
from services.sweep.results.rows import FailureRow, GenerationRow, ScoreRow, Stage
from services.sweep.results.scorings import Scoring
from services.sweep.results.store import ResultStore
from services.sweep.results.tables import ResultTables
from services.sweep.spec.scoring_options import options_of
from services.sweep.spec.sharding import Shard
from services.sweep.spec.spec import SweepSpec

MINI = Path(__file__).parents[4] / "deploy" / "expart_mini"
NOW = datetime(2026, 1, 1, tzinfo=UTC)

# Of the metrics, some of every kind; scoring by all of them takes longer than a test should.
FEW_METRICS = ("bleu", "ef1", "ec_exact", "ecooc_0", "length")

Answer = Callable[[Job], str | None]
"""What a model says; none where the question fails."""


def truthful(job: Job) -> str | None:
    """As many sentences of the reference as fall to model and question: more for later models."""
    sentences = job.question.reference.split(". ")
    number = zlib.crc32(f"{job.model.label}/{job.question.name}".encode())
    return ". ".join(sentences[: 1 + number % len(sentences)])


def finish_sweep(
    output: Path,
    *,
    models: tuple[str, ...] = ("alpha", "beta"),
    artworks: int | None = 3,
    answer: Answer = truthful,
    dataset: Path = MINI,
    revisions: Mapping[str, str] | None = None,
    shard: Shard | None = None,
    begun_at: datetime = NOW,
    **declared: object,
) -> SweepSpec:
    """Writes the output of a sweep that has ended, with scores as the scoring service gives them.

    Args:
        output: Where the results go.
        models: Names of the models.
        artworks: Artworks of each split; by default all.
        answer: What each model says to each question.
        dataset: Folder of the dataset.
        revisions: Revisions of models other than ``r1``.
        shard: The shard; by default the whole.
        begun_at: When it began; an answer comes every second.
        declared: Other keys of the spec; ``name`` is by default the output's.
    """
    spec = SweepSpec.model_validate(
        {
            "name": output.name,
            "dataset": {"folder": str(dataset)},
            "models": list(models),
            "metrics": list(FEW_METRICS),
            "limits": {} if artworks is None else {"max_artworks_per_split": artworks},
            "output": str(output),
            **declared,
        }
    )
    described = [ModelDescription(name, (revisions or {}).get(name, "r1")) for name in models]
    shard = shard or Shard()
    plan = plan_sweep(spec, FixedDirectory(described, "the test"), shard)
    store = ResultStore(output)
    tables = store.tables(shard)
    tables.replace_plan([plan_row(job) for job in plan.jobs])
    signatures = _write_answers(tables, plan.jobs, answer, spec, begun_at)
    manifest = new_manifest(plan, begun_at, None)
    manifest.signatures = signatures
    for model in plan.models:
        manifest.attest(model.label, _attestation(model.description.revision))
    scoring = Scoring(
        metrics=spec.metrics,
        options=spec.scoring_options,
        signatures_digest=signatures_digest(signatures),
    )
    manifest.note_scoring(scoring)
    manifest.ended_at = begun_at + timedelta(hours=1)
    write_manifest(manifest, store.folder(shard))
    return spec


def _write_answers(
    tables: ResultTables,
    jobs: tuple[Job, ...],
    answer: Answer,
    spec: SweepSpec,
    begun_at: datetime,
) -> dict[str, str]:
    generations, scores, failures = [], [], []
    signatures: dict[str, str] = {}
    for number, job in enumerate(jobs):
        ended_at = begun_at + timedelta(seconds=number + 1)
        text = answer(job)
        if text is None:
            failures.append(_failure(job, ended_at))
            continue
        generations.append(_generation(job, text, ended_at))
        item = ScoringInput(
            candidate=text,
            reference=job.question.reference,
            entities=job.question.entities,
            options=options_of(spec.scoring_options),
        )
        found = score_all(item, spec.metrics)
        signatures |= {score.metric: score.signature for score in found}
        digest = signatures_digest(signatures)
        scores += [
            ScoreRow(
                key=job.key,
                reference_digest=job.reference_digest,
                signatures_digest=digest,
                metric=score.metric,
                value=score.value,
                unscorable=score.outcome.reason if isinstance(score.outcome, Unscorable) else None,
                statistics=score.statistics,
                signature=score.signature,
                scored_at=ended_at,
            )
            for score in found
        ]
    tables.append(generations)
    tables.append(scores)
    tables.append(failures)
    return signatures


def _generation(job: Job, text: str, ended_at: datetime) -> GenerationRow:
    question = job.question
    words = len(text.split())
    return GenerationRow(
        key=job.key,
        model=job.model.choice.model,
        adapter=job.model.choice.adapter,
        revision=job.model.description.revision,
        question=question.id,
        question_id=question.question_id,
        artwork=question.artwork,
        section=question.section,
        setting=question.setting,
        split=question.split,
        instruction=job.instruction,
        text=text,
        finish_reason="stop",
        prompt_token_count=20,
        image_token_count=10,
        generated_token_count=words,
        queue_s=0.0,
        prefill_s=0.1,
        decode_s=0.01 * words,
        elapsed_s=0.2 + 0.01 * words,
        attempts=1,
        engine="scripted",
        engine_version="1",
        dtype="float32",
        quantization="",
        sampling="{}",
        image_digest=job.image_digest,
        generated_at=ended_at,
        prompt=job.variant.prompt.name,
        sampling_name=job.variant.sampling.name,
        control=job.variant.control,
        replicate=job.variant.replicate,
        first_token_s=0.1,
        total_s=0.1 + 0.01 * words,
    )


def _failure(job: Job, failed_at: datetime) -> FailureRow:
    return FailureRow(
        key=job.key,
        model=job.model.choice.model,
        adapter=job.model.choice.adapter,
        question=job.question.id,
        setting=job.question.setting,
        split=job.question.split,
        stage=Stage.GENERATION,
        reason="PROMPT_TOO_LONG",
        final=True,
        message="too long",
        attempts=1,
        reference_digest=job.reference_digest,
        failed_at=failed_at,
    )


def _attestation(revision: str) -> Attestation:
    return Attestation(
        revision=revision,
        engine="scripted",
        engine_version="1",
        dtype="float32",
        quantization="",
        sampling={},
    )
