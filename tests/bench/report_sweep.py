"""A finished sweep of as many answers as the full benchmark has, made up for benches of reports.

Texts are random and about as long as real ones, and name some of their questions' entities. Every
answer has a text of its own; its scores are those of one of a few answers to the same question,
which were really computed.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

from services.metrics.analysis import ScoringInput, TextAnalysis
from services.metrics.outcome import Score, Unscorable
from services.metrics.registry import score_all
from services.sweep.plan.directory import FixedDirectory, ModelDescription
from services.sweep.plan.plan import Job, SweepPlan
from services.sweep.plan.planned_manifest import new_manifest
from services.sweep.plan.prepare import plan_sweep
from services.sweep.plan.rows import plan_row
from services.sweep.results.keys import signatures_digest
from services.sweep.results.manifest import Attestation, write_manifest
from services.sweep.results.rows import FailureRow, GenerationRow, ScoreRow, Stage
from services.sweep.results.scorings import Scoring
from services.sweep.results.store import ResultStore
from services.sweep.results.tables import ResultTables
from services.sweep.spec.sharding import Shard
from services.sweep.spec.spec import SweepSpec
from tests.bench.report_dataset import answer_text

# As many appends as a sweep of an hour may have left behind where nothing was compacted.
APPENDS = 60
# Answers to each question that are really scored, by those who know ever more of its entities.
_SCORED = (0.1, 0.3, 0.6)
_FAILED_SHARE = 0.005
_TRUNCATED_SHARE = 0.03
_ANSWERS_A_SECOND = 40.0
_BEGAN_AT = datetime(2026, 3, 1, 8, tzinfo=UTC)

_Scores = dict[tuple[str, str], tuple[tuple[Score, ...], ...]]


def finish_sweep(dataset: Path, output: Path, model_count: int) -> SweepSpec:
    """Writes the output of a sweep over a dataset as a driver leaves it.

    Args:
        dataset: Folder of the dataset.
        output: Where the results go.
        model_count: How many models there are.
    """
    names = [f"model-{number:02}" for number in range(model_count)]
    price = {"per_gpu_hour": 2.5}
    spec = SweepSpec.model_validate(
        {
            "name": "bench",
            "dataset": {"folder": str(dataset)},
            "models": names,
            "sampling": {"max_tokens": 256, "temperature": 0},
            "prices": {"models": dict.fromkeys(names, price)},
            "output": str(output),
        }
    )
    directory = FixedDirectory([ModelDescription(name, "r1") for name in names], "the bench")
    plan = plan_sweep(spec, directory)
    store = ResultStore(output)
    tables = store.tables(Shard())
    tables.replace_plan(plan_row(job) for job in plan.jobs)
    signatures = _write_answers(tables, plan)
    manifest = new_manifest(plan, _BEGAN_AT, None)
    manifest.signatures = signatures
    for name in names:
        manifest.attest(name, _ATTESTATION)
    scoring = Scoring(
        metrics=spec.metrics,
        options=spec.scoring_options,
        signatures_digest=signatures_digest(signatures),
    )
    manifest.note_scoring(scoring)
    manifest.ended_at = _BEGAN_AT + timedelta(seconds=len(plan.jobs) / _ANSWERS_A_SECOND)
    write_manifest(manifest, store.folder(Shard()))
    return spec


_ATTESTATION = Attestation(
    revision="r1",
    engine="scripted",
    engine_version="1",
    dtype="bfloat16",
    quantization="",
    sampling={},
)


@dataclass(frozen=True, slots=True)
class _Rows:
    """What one answer, or its failure, leaves in the tables."""

    generation: GenerationRow | None
    scores: tuple[ScoreRow, ...]
    failure: FailureRow | None


def _write_answers(tables: ResultTables, plan: SweepPlan) -> dict[str, str]:
    """Writes all answers, in as many appends as a driver makes; gives the metrics' signatures."""
    scored = _scored_answers(plan)
    first = next(iter(scored.values()))[0]
    signatures = {score.metric: score.signature for score in first}
    rows = _rows(plan.jobs, scored, signatures_digest(signatures))
    step = -(-len(plan.jobs) // APPENDS)
    while part := list(islice(rows, step)):
        tables.append([one.generation for one in part if one.generation is not None])
        tables.append([row for one in part for row in one.scores])
        tables.append([one.failure for one in part if one.failure is not None])
    return signatures


def _scored_answers(plan: SweepPlan) -> _Scores:
    """Scores of a few answers to each record, those with ever more of its entities later."""
    rng = random.Random(1)
    found: _Scores = {}
    for question in plan.dataset.questions:
        record = (question.split, question.id)
        if record in found:
            continue  # in its other setting
        reference = TextAnalysis(question.reference)
        texts = (answer_text(rng, question.entities, share) for share in _SCORED)
        found[record] = tuple(
            score_all(ScoringInput(text, reference, question.entities)) for text in texts
        )
    return found


def _rows(jobs: Sequence[Job], scored: _Scores, digest: str) -> Iterator[_Rows]:
    rng = random.Random(2)
    names = list(dict.fromkeys(job.model.label for job in jobs))
    skills = {name: 0.1 + 0.5 * at / len(names) for at, name in enumerate(names)}
    # Answers come question by question from all models, as a sweep asks them side by side.
    order = sorted(range(len(jobs)), key=lambda at: (jobs[at].question.name, at))
    for number, at in enumerate(order):
        job = jobs[at]
        ended_at = _BEGAN_AT + timedelta(seconds=number / _ANSWERS_A_SECOND)
        if rng.random() < _FAILED_SHARE:
            yield _Rows(None, (), _failure(job, ended_at))
            continue
        skill = skills[job.model.label] * (1.0 if job.question.setting == "with_title" else 0.4)
        answers = scored[job.question.split, job.question.id]
        scores = answers[min(len(answers) - 1, sum(rng.random() < skill for _ in range(3)))]
        yield _Rows(
            _generation(job, answer_text(rng, job.question.entities, skill), ended_at, rng),
            tuple(_score(job, score, digest, ended_at) for score in scores),
            None,
        )


def _generation(job: Job, text: str, ended_at: datetime, rng: random.Random) -> GenerationRow:
    question, tokens = job.question, round(len(text) / 4.5)
    queue_s, prefill_s = rng.expovariate(2.0), rng.uniform(0.05, 0.2)
    decode_s = tokens * rng.uniform(0.01, 0.03)
    total_s = queue_s + prefill_s + decode_s + 0.02
    is_cut_off = rng.random() < _TRUNCATED_SHARE
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
        finish_reason="length" if is_cut_off else "stop",
        prompt_token_count=620,
        image_token_count=576,
        generated_token_count=tokens,
        queue_s=queue_s,
        prefill_s=prefill_s,
        decode_s=decode_s,
        elapsed_s=total_s + 0.01,
        attempts=1,
        engine="scripted",
        engine_version="1",
        dtype="bfloat16",
        quantization="",
        sampling='{"max_tokens":256,"temperature":0.0}',
        image_digest=job.image_digest,
        generated_at=ended_at,
        prompt=job.variant.prompt.name,
        sampling_name=job.variant.sampling.name,
        control=job.variant.control,
        replicate=job.variant.replicate,
        first_token_s=queue_s + prefill_s,
        total_s=total_s,
        truncated=is_cut_off,
        gpu_count=1.0,
    )


def _score(job: Job, score: Score, digest: str, scored_at: datetime) -> ScoreRow:
    return ScoreRow(
        key=job.key,
        reference_digest=job.reference_digest,
        signatures_digest=digest,
        metric=score.metric,
        value=score.value,
        unscorable=score.outcome.reason if isinstance(score.outcome, Unscorable) else None,
        statistics=score.statistics,
        signature=score.signature,
        scored_at=scored_at,
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
        message="the prompt and the picture take more tokens than the model bears",
        attempts=1,
        reference_digest=job.reference_digest,
        failed_at=failed_at,
    )
