"""Scores stored answers again, by other metrics or options, without asking any model."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from services.core.errors import UserInputError
from services.metrics.options import ScoringOptions
from services.rpc.channel import open_channel
from services.rpc.client_security import ClientSecurity
from services.sweep.plan.reading import read_stored
from services.sweep.plan.stored import StoredResults
from services.sweep.remote.clients import ScoringClient
from services.sweep.remote.rpc_faults import named
from services.sweep.results.keys import signatures_digest
from services.sweep.results.manifest import read_manifest, write_manifest
from services.sweep.results.output_lock import hold_shard
from services.sweep.results.scorings import Scoring
from services.sweep.results.store import ResultStore
from services.sweep.results.stored_plan import StoredPlan, read_stored_plan
from services.sweep.review.rescore_references import References, read_references, update_plans
from services.sweep.review.rescore_run import RescoreProgress, Rescoring
from services.sweep.run.settings import SweepSettings
from services.sweep.spec.scoring_options import section_of
from services.sweep.spec.sharding import Shard
from services.sweep.spec.spec import SweepSpec


@dataclass(frozen=True, slots=True)
class ScoringChoice:
    """How to score.

    Attributes:
        metrics: Names of the metrics; by default those that the service computes by default.
        options: The choices that the benchmark leaves open.
        retry_failed: Whether to score again what failed to be scored for good.
    """

    metrics: tuple[str, ...] = ()
    options: ScoringOptions = field(default_factory=ScoringOptions)
    retry_failed: bool = False


@dataclass(frozen=True, slots=True)
class RescoreOutcome:
    """What came of it, in answers.

    Attributes:
        answers: Stored answers to what is planned now.
        scored: Scored now.
        failed: Could not be scored, for good.
        left: Still to be scored; the same command does it.
        changed_references: Questions whose reference was another one before.
        without_reference: Questions that the dataset has no more; their answers are left alone.
        stopped: Whether it was asked to stop.
        lost: Why the service was given up; empty if it was not.
    """

    answers: int
    scored: int
    failed: int
    left: int
    changed_references: int
    without_reference: int
    stopped: bool
    lost: str = ""


async def rescore(
    store: ResultStore,
    spec: SweepSpec,
    choice: ScoringChoice,
    *,
    scoring: str,
    security: ClientSecurity,
    progress: RescoreProgress,
    stop: asyncio.Event,
    settings: SweepSettings,
) -> RescoreOutcome:
    """Scores every stored answer that has no scores by this choice against its present reference.

    What is scored is durable within seconds, and is not scored again when this is run again. Texts
    are read as there is room for them.

    Args:
        store: The sweep's output.
        spec: Names the dataset with the references.
        choice: How to score.
        scoring: ``host:port`` of the scoring service.
        security: What it is called with.
        progress: Watches.
        stop: When set, nothing more is read; what was read is still scored.
        settings: Settings of the driver.

    Raises:
        UserInputError: There is no sweep, the dataset or the output is not in order, another
            driver is writing there, or the service lacks a metric.
        ServiceError: The service does not answer.
    """
    plan = read_stored_plan(store)
    references = read_references(spec, plan)
    async with open_channel(scoring, security) as channel:
        client = ScoringClient(channel, choice.metrics, choice.options)
        signatures = await _signatures(client, scoring, choice)
        if references.changed or _is_unfinished(store, plan):
            await asyncio.to_thread(update_plans, store, plan, references)
            plan = read_stored_plan(store)
        shards = store.shards()
        stored = read_stored(map(store.tables, shards), plan.keys.to_pylist())
        wanted = _wanted(plan, stored, references, signatures, choice)
        noted = Scoring(
            metrics=choice.metrics,
            options=section_of(choice.options),
            signatures_digest=signatures_digest(signatures),
        )
        progress.begin(len(wanted), len(stored.generated))
        run = Rescoring(
            client,
            plan,
            wanted,
            scoring=noted,
            questions=references.questions,
            progress=progress,
            stop=stop,
            settings=settings,
        )
        for shard in shards:
            await run.score_shard(store, shard)
    left = len(wanted) - run.scored - run.failed
    if not left:
        await asyncio.to_thread(_note_signatures, store, plan, signatures)
    return RescoreOutcome(
        answers=len(stored.generated),
        scored=run.scored,
        failed=run.failed,
        left=left,
        changed_references=references.changed,
        without_reference=len(references.missing),
        stopped=stop.is_set(),
        lost=run.lost,
    )


async def _signatures(client: ScoringClient, address: str, choice: ScoringChoice) -> dict[str, str]:
    with named("scoring", address):
        signatures = await client.signatures()
    lacking = [name for name in choice.metrics if name not in signatures]
    if lacking:
        raise UserInputError(
            f"the scoring service at {address} does not compute {', '.join(lacking)}"
        )
    return signatures


def _wanted(
    plan: StoredPlan,
    stored: StoredResults,
    references: References,
    signatures: Mapping[str, str],
    choice: ScoringChoice,
) -> dict[str, int]:
    """Keys of the answers to be scored, with their places in the plan."""
    target = signatures_digest(signatures)
    wanted: dict[str, int] = {}
    for place, key in enumerate(plan.keys.to_pylist()):
        if key not in stored.generated or plan.question_name(place) not in references.digests:
            continue
        against = (plan.text("reference_digest", place), target)
        if stored.scored.get(key) == against:
            continue
        if choice.retry_failed or stored.scoring_failed.get(key) != against[0]:
            wanted[key] = place
    return wanted


def _is_unfinished(store: ResultStore, plan: StoredPlan) -> bool:
    """Whether whoever replaced a shard's plan last ended before its manifest named it."""
    found = (read_manifest(store.folder(Shard.parse(label))) for label in plan.shard_names)
    return any(manifest is not None and not manifest.plan_digest for manifest in found)


def _note_signatures(store: ResultStore, plan: StoredPlan, signatures: dict[str, str]) -> None:
    for label in plan.shard_names:
        with hold_shard(store, Shard.parse(label)) as tables:
            manifest = read_manifest(tables.folder)
            if manifest is not None and manifest.signatures != signatures:
                manifest.signatures = signatures
                write_manifest(manifest, tables)
