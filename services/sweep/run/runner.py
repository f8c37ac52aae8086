"""Runs a sweep: asks what is left to ask, scores what comes, and loses nothing on the way."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime

from services.core.errors import UserInputError
from services.rpc.channel import open_channel
from services.sweep.plan.plan import SweepPlan, scored_otherwise
from services.sweep.plan.planned_manifest import new_manifest
from services.sweep.plan.prepare import picture_store, plan_again, stored_tables
from services.sweep.plan.rows import plan_row
from services.sweep.progress.counts import SweepCounts
from services.sweep.progress.outcome import SweepOutcome
from services.sweep.progress.progress import SweepProgress
from services.sweep.remote.clients import GenerationClient, ScoringClient
from services.sweep.remote.endpoints import Endpoints
from services.sweep.remote.retry import RetryLimits, budgets_within
from services.sweep.remote.rpc_faults import named
from services.sweep.remote.uploads import Pictures
from services.sweep.results.compaction import try_to_compact
from services.sweep.results.keys import signatures_digest
from services.sweep.results.manifest import (
    Manifest,
    note_replacing,
    read_manifest,
    write_manifest,
)
from services.sweep.results.output_lock import hold_shard
from services.sweep.results.rows import Table
from services.sweep.results.scorings import Scoring
from services.sweep.results.store import ResultStore
from services.sweep.results.tables import ResultTables
from services.sweep.run.asking import picture_failure
from services.sweep.run.error_groups import first_error
from services.sweep.run.holding import holding
from services.sweep.run.settings import SweepSettings, load_settings
from services.sweep.run.sweep_run import SweepRun
from services.sweep.run.threads import in_thread


async def run_sweep(
    plan: SweepPlan,
    endpoints: Endpoints,
    progress: SweepProgress,
    stop: asyncio.Event,
    settings: SweepSettings | None = None,
) -> SweepOutcome:
    """Asks and scores what is left of a plan.

    A finished plan calls neither service. Setting ``stop`` lets what is in flight end, for
    ``drain_s`` at most, stores it and returns; cancelling stores what has arrived and leaves at
    once. Either way the next run goes on where this one ended.

    Args:
        plan: What :func:`services.sweep.plan.prepare.plan_sweep` planned; what was stored since
            then is not done again.
        endpoints: Where the services listen.
        progress: Watches.
        stop: When set, nothing more is asked.
        settings: Settings of the driver; from the environment by default.

    Raises:
        UserInputError: The output cannot be written or another sweep is writing there, or a
            setting in the environment is wrong.
        ServiceError: The scoring service does not answer.
    """
    settings = settings or load_settings()
    store = ResultStore(plan.spec.output)
    async with holding(store, plan.shard, progress.note, to_ask=True) as tables:
        # Another run may have ended since this one was planned.
        given = plan
        plan = await in_thread(lambda: plan_again(given))
        manifest = await in_thread(lambda: _record(plan, tables))
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
            raise first_error(group) from group
        manifest.ended_at = datetime.now(UTC)
        await in_thread(lambda: write_manifest(manifest, tables))
        if not outcome.stopped:
            await _compact(tables, plan.spec.output, progress)
        return outcome


def record_plan(plan: SweepPlan, progress: SweepProgress | None = None) -> None:
    """Notes in the output what is planned now, without asking anything.

    The leaderboard shows exactly what was planned last: a plan without work still has to be noted,
    because a model may have been taken out of the spec. ``run_sweep`` does this too.

    Args:
        plan: A plan without work.
        progress: Told the counts.

    Raises:
        UserInputError: The output cannot be written or another sweep is writing there.
    """
    with hold_shard(ResultStore(plan.spec.output), plan.shard) as tables:
        _record(plan_again(plan), tables)
    if progress is not None:
        progress.update(SweepCounts(plan).snapshot())


def _record(plan: SweepPlan, tables: ResultTables) -> Manifest:
    """Notes the plan and its missing pictures; gives the manifest with which a run begins."""
    before = read_manifest(tables.folder)
    _require_planned(plan, before)
    manifest = new_manifest(plan, datetime.now(UTC), before)
    tables.append(
        [
            picture_failure(job, plan.missing_pictures[job.image or ""])
            for job in plan.without_picture
            if job.key not in plan.stored.without_picture
        ]
    )
    if before is None or before.plan_digest != plan.digest or not tables.has(Table.PLAN):
        if before is not None:
            note_replacing(before, tables)
        tables.replace_plan(plan_row(job) for job in plan.jobs)
    write_manifest(manifest, tables)  # the plan noted last is the present one
    return manifest


def _require_planned(plan: SweepPlan, before: Manifest | None) -> None:
    """Refuses to drop the questions of a model only because it is not there today.

    Raises:
        UserInputError: An earlier run planned questions to a model that this plan leaves out.
    """
    for label, why in plan.left_out.items():
        if before is not None and label in before.revisions:
            raise UserInputError(
                f"{why}; {plan.spec.output} has questions of it, which a run without it would "
                "drop: run again when it is there, or take it out of the spec"
            )


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
    async with _clients(plan, endpoints, settings) as (generation, scoring):
        with named("scoring", endpoints.scoring):
            manifest.signatures = await scoring.signatures()
        signed = signatures_digest(manifest.signatures)
        manifest.note_scoring(
            Scoring(
                metrics=plan.spec.metrics,
                options=plan.spec.scoring_options,
                signatures_digest=signed,
            )
        )
        await in_thread(lambda: write_manifest(manifest, tables))
        again = scored_otherwise(plan, signed)
        if again:
            progress.note(f"{len(again)} explanations are scored again: signatures have changed")
        run = SweepRun(
            plan,
            score_again=again,
            signed=signed,
            generation=generation,
            scoring=scoring,
            tables=tables,
            readable=stored_tables(plan.spec),
            manifest=manifest,
            progress=progress,
            stop=stop,
            settings=settings,
            new_budget=budgets_within(limits),
        )
        return await run.run()


async def _compact(tables: ResultTables, output: str, progress: SweepProgress) -> None:
    """Ends a run whose results are stored, and counts as it did whatever comes of this."""
    if reason := await in_thread(lambda: try_to_compact(tables)):
        progress.note(
            "the results are stored, but their small files could not be joined: "
            f"{reason}; expart sweep compact {output} does it later"
        )


@asynccontextmanager
async def _clients(
    plan: SweepPlan, endpoints: Endpoints, settings: SweepSettings
) -> AsyncIterator[tuple[GenerationClient, ScoringClient]]:
    async with AsyncExitStack() as open_ones:
        channels = [
            await open_ones.enter_async_context(
                open_channel(endpoints.generation, endpoints.security, connection=number)
            )
            for number in range(settings.channels)
        ]
        scoring = await open_ones.enter_async_context(
            open_channel(endpoints.scoring, endpoints.security)
        )
        generation = GenerationClient(channels, Pictures(picture_store(plan.spec)))
        open_ones.push_async_callback(generation.close)
        yield generation, ScoringClient.of_spec(scoring, plan.spec)


def _nothing_to_do(plan: SweepPlan, progress: SweepProgress) -> SweepOutcome:
    snapshot = SweepCounts(plan).snapshot()
    progress.update(snapshot)
    return SweepOutcome(models=snapshot.models, unscored=0, to_ask_again=0, stopped=False)
