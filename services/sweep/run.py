"""One run of a sweep: the models side by side, the scores behind them, the journal below."""

import asyncio
import json
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

import pyarrow.compute as pc
import structlog

from services.benchmark.images import PictureStore
from services.sweep.asking import Answered, Asker, Failed, service_failure
from services.sweep.clients import GenerationClient, ScoringClient
from services.sweep.counts import ModelState, SweepCounts
from services.sweep.journal import ResultBatch, ResultJournal
from services.sweep.keys import signatures_digest
from services.sweep.manifest import Attestation, Manifest, write_manifest
from services.sweep.messages import ScoringAnswer
from services.sweep.outcome import SweepOutcome
from services.sweep.plan import Job, SweepPlan
from services.sweep.progress import SweepProgress
from services.sweep.retry import RetryBudget
from services.sweep.rows import GenerationRow, ScoreRow, Stage, Table
from services.sweep.scoring_pipe import ScoringPipe
from services.sweep.settings import SweepSettings
from services.sweep.tables import ResultTables

_log = structlog.get_logger()

# How often watchers hear of questions that have started.
_TICK_S = 0.5

# Up to here a filter by keys is faster than reading every text.
_MOST_FILTERED = 10_000


class SweepRun:
    """Runs what is left of a plan, once. The collaborators are those of ``run_sweep``.

    Args:
        plan: What to do.
        score_again: Jobs whose scores carry outdated signatures.
        generation: The generation service.
        scoring: The scoring service.
        pictures: The artworks' pictures.
        tables: Where results go.
        manifest: Takes what the generation service attests.
        progress: Watches.
        stop: When set, nothing more is asked.
        settings: Settings of the driver.
        new_budget: Makes a retry budget.
    """

    def __init__(
        self,
        plan: SweepPlan,
        *,
        score_again: Sequence[Job],
        generation: GenerationClient,
        scoring: ScoringClient,
        pictures: PictureStore,
        tables: ResultTables,
        manifest: Manifest,
        progress: SweepProgress,
        stop: asyncio.Event,
        settings: SweepSettings,
        new_budget: Callable[[], RetryBudget],
    ) -> None:
        self._plan = plan
        self._tables = tables
        self._manifest = manifest
        self._progress = progress
        self._stop = stop
        self._settings = settings
        self._asker = Asker(generation, pictures, plan.spec, new_budget=new_budget, stop=stop)
        self._pipe = ScoringPipe(
            scoring,
            new_budget=new_budget,
            window=settings.scoring_window,
            answered=self._take_scores,
            stop=stop,
        )
        self._journal = ResultJournal(
            tables,
            commit_rows=settings.commit_rows,
            commit_interval_s=settings.commit_interval_s,
            committed=self._count,
        )
        self._counts = SweepCounts(plan)
        # Stored explanations that still need scores, to be read back from the tables.
        self._unfed = {job.key: job for job in (*plan.to_score, *score_again)}
        self._rescored = {job.key for job in score_again}
        self._unscored = set(self._unfed)
        self._to_ask_again = 0

    async def run(self) -> SweepOutcome:
        """Runs until all is done, or until stopped."""
        try:
            async with asyncio.TaskGroup() as group:
                helpers = [
                    group.create_task(self._journal.run()),
                    group.create_task(self._report()),
                ]
                scoring = group.create_task(self._pipe.run())
                await self._ask_and_feed()
                self._pipe.close()
                await scoring
                for helper in helpers:
                    helper.cancel()
        finally:
            await self._journal.flush()
        self._progress.update(self._counts.snapshot())
        if self._pipe.lost is not None:
            self._progress.note(
                f"scoring was given up: {self._pipe.lost.message}; run again to score the rest"
            )
        return SweepOutcome(
            models=self._counts.snapshot().models,
            unscored=len(self._unscored),
            to_ask_again=self._to_ask_again,
            stopped=self._stop.is_set(),
        )

    async def _ask_and_feed(self) -> None:
        most = self._plan.spec.max_parallel_models or len(self._plan.models)
        turn = asyncio.Semaphore(most)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._feed_stored())
            for model in self._plan.models:
                jobs = [job for job in self._plan.to_generate if job.model is model]
                group.create_task(self._ask_model(jobs, turn))
        while self._unfed and self._pipe.lost is None and not self._stop.is_set():
            await self._journal.flush()  # what the pipe had no room for is read back from there
            await self._feed_stored()

    async def _ask_model(self, jobs: Sequence[Job], turn: asyncio.Semaphore) -> None:
        async with turn, asyncio.TaskGroup() as group:
            waiting = iter(jobs)
            for _ in range(min(self._plan.spec.concurrency, len(jobs))):
                group.create_task(self._ask_in_turn(waiting))

    async def _ask_in_turn(self, waiting: Iterator[Job]) -> None:
        """Asks one question after the other; several of these share the same iterator."""
        for job in waiting:
            state = self._counts.of(job)
            if self._stop.is_set() or state.set_aside:
                return
            state.in_flight += 1
            try:
                result = await self._asker.ask(job)
            finally:
                state.in_flight -= 1
            match result:
                case Answered(row=row):
                    self._take_answer(job, row, state)
                case Failed():
                    self._take_failure(job, result, state)
                case None:
                    return

    def _take_answer(self, job: Job, row: GenerationRow, state: ModelState) -> None:
        state.failures_in_a_row = 0
        self._journal.add_generation(row)
        if self._manifest.attest(state.label, _attestation(row)):
            write_manifest(self._manifest, self._tables.folder)  # once or twice a model
        self._unscored.add(job.key)
        if not self._pipe.submit(job, row.text):
            self._unfed[job.key] = job

    def _take_failure(self, job: Job, failed: Failed, state: ModelState) -> None:
        row = failed.row
        self._journal.add_failure(row)
        self._to_ask_again += not row.final
        _log.warning(
            "question_failed",
            model=state.label,
            question=job.question.name,
            reason=row.reason,
            attempts=row.attempts,
        )
        state.failures_in_a_row += not failed.is_questions_own
        too_many = state.failures_in_a_row >= self._settings.set_aside_after
        if not (failed.sets_model_aside or too_many) or state.set_aside:
            return
        state.set_aside = f"{row.reason}: {row.message}"
        count = "" if failed.sets_model_aside else f"{state.failures_in_a_row} failures in a row; "
        self._progress.note(f"{state.label} is set aside for this run: {count}{state.set_aside}")

    async def _feed_stored(self) -> None:
        """Submits stored explanations that have no scores, as fast as there is room."""
        wanted, self._unfed = self._unfed, {}
        if not wanted:
            return
        where = pc.field("key").isin(list(wanted)) if len(wanted) <= _MOST_FILTERED else None
        batches = self._tables.batches(Table.GENERATIONS, ["key", "text"], where)
        while (batch := await asyncio.to_thread(next, batches, None)) is not None:
            for key, text in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                job = wanted.pop(key, None)
                if job is not None and not await self._pipe.submit_patiently(job, text):
                    return

    def _take_scores(self, job: Job, answer: ScoringAnswer, attempts: int) -> None:
        self._unscored.discard(job.key)
        if answer.error is not None:
            failure = service_failure(job, answer.error, attempts, Stage.SCORING)
            if not failure.final:
                self._unscored.add(job.key)
            self._journal.add_failure(failure)
            return
        now = datetime.now(UTC)
        computed = signatures_digest({score.metric: score.signature for score in answer.scores})
        self._journal.add_scores(
            [
                ScoreRow(
                    key=job.key,
                    reference_digest=job.reference_digest,
                    signatures_digest=computed,
                    metric=score.metric,
                    value=score.value,
                    unscorable=score.unscorable,
                    statistics=score.statistics,
                    signature=score.signature,
                    scored_at=now,
                )
                for score in answer.scores
            ]
        )

    def _count(self, batch: ResultBatch) -> None:
        scored = {row.key for row in batch.scores}
        self._counts.add(batch, scored=len(scored - self._rescored))
        self._progress.update(self._counts.snapshot())

    async def _report(self) -> None:
        while True:
            self._progress.update(self._counts.snapshot())
            await asyncio.sleep(_TICK_S)


def _attestation(row: GenerationRow) -> Attestation:
    return Attestation(
        revision=row.revision,
        engine=row.engine,
        engine_version=row.engine_version,
        dtype=row.dtype,
        quantization=row.quantization,
        sampling=json.loads(row.sampling),
    )
