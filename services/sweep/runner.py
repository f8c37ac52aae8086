"""Runs a sweep: asks what is left to ask, scores what comes, and loses nothing on the way."""

import asyncio
import random
from datetime import UTC, datetime

from services.core.errors import ExpArtError, ServiceError, UserInputError
from services.rpc.channel import open_channel
from services.sweep.asking import picture_failure
from services.sweep.clients import GenerationClient, ScoringClient
from services.sweep.counts import SweepCounts
from services.sweep.endpoints import Endpoints
from services.sweep.keys import signatures_digest
from services.sweep.manifest import Manifest, new_manifest, read_manifest, write_manifest
from services.sweep.outcome import SweepOutcome
from services.sweep.output_lock import output_lock
from services.sweep.plan import Job, SweepPlan, scored_otherwise
from services.sweep.prepare import picture_store, plan_again
from services.sweep.progress import SweepProgress
from services.sweep.retry import RetryBudget, RetryLimits
from services.sweep.rows import PlanRow, Table
from services.sweep.run import SweepRun
from services.sweep.settings import SweepSettings, load_settings
from services.sweep.tables import ResultTables


async def run_sweep(
    plan: SweepPlan,
    endpoints: Endpoints,
    progress: SweepProgress,
    stop: asyncio.Event,
    settings: SweepSettings | None = None,
) -> SweepOutcome:
    """Asks and scores what is left of a plan.

    A finished plan calls neither service. Setting ``stop`` lets what is in flight end, stores it
    and returns; cancelling stores what has arrived and leaves at once. Either way the next run
    goes on where this one ended.

    Args:
        plan: What :func:`services.sweep.prepare.plan_sweep` planned; what was stored since then
            is not done again.
        endpoints: Where the services listen.
        progress: Watches.
        stop: When set, nothing more is asked.
        settings: Settings of the driver; from the environment by default.

    Raises:
        UserInputError: The output folder cannot be written or another sweep is writing there, or
            a service does not answer, or a setting in the environment is wrong.
    """
    settings = settings or load_settings()
    output = plan.spec.output
    with output_lock(output):
        plan = plan_again(plan)  # another run may have ended since this one was planned
        tables = ResultTables(output)
        manifest = _record(plan, tables)
        if not plan.has_work:
            return _nothing_to_do(plan, progress)
        try:
            outcome = await _run(
                plan,
                endpoints,
                progress=progress,
                stop=stop,
                settings=settings,
                tables=tables,
                manifest=manifest,
            )
        except BaseExceptionGroup as group:
            raise _first(group) from group
        manifest.ended_at = datetime.now(UTC)
        write_manifest(manifest, output)
        return outcome


def record_plan(plan: SweepPlan) -> None:
    """Notes in the output folder what is planned now, without asking anything.

    The leaderboard shows exactly what was planned last: a plan without work still has to be noted,
    because a model may have been taken out of the spec. ``run_sweep`` does this too.

    Raises:
        UserInputError: The output folder cannot be written or another sweep is writing there.
    """
    with output_lock(plan.spec.output):
        _record(plan_again(plan), ResultTables(plan.spec.output))


def _record(plan: SweepPlan, tables: ResultTables) -> Manifest:
    """Notes the plan and its missing pictures; gives the manifest with which a run begins."""
    before = read_manifest(tables.folder)
    manifest = new_manifest(plan, datetime.now(UTC), before)
    tables.append(
        [
            picture_failure(job, plan.missing_pictures[job.question.image])
            for job in plan.without_picture
            if job.key not in plan.stored.without_picture
        ]
    )
    if before is None or before.plan_digest != plan.digest or not tables.has(Table.PLAN):
        tables.replace_plan([_plan_row(job) for job in plan.jobs])
        write_manifest(manifest, tables.folder)
    return manifest


async def _run(
    plan: SweepPlan,
    endpoints: Endpoints,
    *,
    progress: SweepProgress,
    stop: asyncio.Event,
    settings: SweepSettings,
    tables: ResultTables,
    manifest: Manifest,
) -> SweepOutcome:
    limits = RetryLimits(settings.max_attempts, settings.max_wait_s)
    jitter = random.Random(plan.spec.seed)  # noqa: S311 - spreads retries, guards nothing
    async with (
        open_channel(endpoints.generation, endpoints.security) as generation,
        open_channel(endpoints.scoring, endpoints.security) as scoring,
    ):
        scoring_client = ScoringClient(scoring)
        manifest.signatures = await _signatures(scoring_client, endpoints)
        write_manifest(manifest, plan.spec.output)
        again = scored_otherwise(plan, signatures_digest(manifest.signatures))
        if again:
            progress.note(f"{len(again)} explanations are scored again: signatures have changed")
        run = SweepRun(
            plan,
            score_again=again,
            generation=GenerationClient(generation),
            scoring=scoring_client,
            pictures=picture_store(plan.spec),
            tables=tables,
            manifest=manifest,
            progress=progress,
            stop=stop,
            settings=settings,
            new_budget=lambda: RetryBudget(limits, jitter),
        )
        return await run.run()


async def _signatures(client: ScoringClient, endpoints: Endpoints) -> dict[str, str]:
    try:
        return await client.signatures()
    except ServiceError as error:
        raise UserInputError(
            f"the scoring service at {endpoints.scoring} does not answer: {error.message}"
        ) from error


def _nothing_to_do(plan: SweepPlan, progress: SweepProgress) -> SweepOutcome:
    snapshot = SweepCounts(plan).snapshot()
    progress.update(snapshot)
    return SweepOutcome(models=snapshot.models, unscored=0, to_ask_again=0, stopped=False)


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The error that people should see: one of ours before any other."""
    leaves: list[BaseException] = []
    groups = [group]
    while groups:
        for error in groups.pop().exceptions:
            if isinstance(error, BaseExceptionGroup):
                groups.append(error)
            else:
                leaves.append(error)
    return next((error for error in leaves if isinstance(error, ExpArtError)), leaves[0])


def _plan_row(job: Job) -> PlanRow:
    question = job.question
    part = question.split.part
    return PlanRow(
        key=job.key,
        model=job.model.choice.model,
        adapter=job.model.choice.adapter,
        revision=job.model.description.revision,
        question=question.id,
        question_id=question.question_id,
        artwork=question.artwork,
        title=question.title,
        section=question.section,
        setting=question.setting,
        split=question.split,
        part=part.value if part is not None else None,
        image=question.image,
        image_digest=job.image_digest,
        reference_digest=job.reference_digest,
    )
