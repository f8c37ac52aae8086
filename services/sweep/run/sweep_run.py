"""One run of a sweep: the models side by side, the scores behind them, the journal below."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import structlog

from services.core.errors import ErrorReason
from services.sweep.plan.plan import Job, PlannedModel, SweepPlan
from services.sweep.progress.counts import SweepCounts
from services.sweep.progress.outcome import SweepOutcome
from services.sweep.progress.progress import SweepProgress
from services.sweep.progress.snapshot import SweepSnapshot
from services.sweep.remote.clients import GenerationClient, ScoringClient
from services.sweep.remote.messages import ScoringAnswer
from services.sweep.remote.retry import RetryBudget
from services.sweep.results.batch import ResultBatch
from services.sweep.results.manifest import FILE_NAME, Attestation, Manifest, manifest_text
from services.sweep.results.rows import GenerationRow, Stage
from services.sweep.results.stored_texts import stored_texts
from services.sweep.results.tables import ResultTables
from services.sweep.run.asking import Asker, Failed, service_failure
from services.sweep.run.attestations import Attestations
from services.sweep.run.concurrency import ConcurrencyController
from services.sweep.run.journal import ResultJournal
from services.sweep.run.model_run import ModelRun
from services.sweep.run.score_rows import score_rows
from services.sweep.run.scoring_pipe import ScoringPipe
from services.sweep.run.settings import SweepSettings

_log = structlog.get_logger()

# How often watchers hear of questions that have started.
_TICK_S = 0.5


class SweepRun:
    """Runs what is left of a plan, once. The collaborators are those of ``run_sweep``.

    Args:
        plan: What to do.
        score_again: Jobs whose scores carry outdated signatures.
        signed: Digest of the signatures that the scores of this run are to carry.
        generation: The generation service.
        scoring: The scoring service.
        tables: Where results go.
        readable: Where stored explanations are found, of all shards.
        manifest: Takes what the generation service attests of a model.
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
        signed: str,
        generation: GenerationClient,
        scoring: ScoringClient,
        tables: ResultTables,
        readable: Sequence[ResultTables],
        manifest: Manifest,
        progress: SweepProgress,
        stop: asyncio.Event,
        settings: SweepSettings,
        new_budget: Callable[[], RetryBudget],
    ) -> None:
        self._plan = plan
        self._manifest = manifest
        self._signed = signed
        self._is_signed_otherwise = False
        self._readable = readable
        self._progress = progress
        self._stop = stop
        self._drain_s = settings.drain_s
        asker = Asker(generation, plan.spec, new_budget=new_budget, retried=self._note_retry)
        self._models = [self._model_run(model, asker) for model in plan.models]
        self._pipe: ScoringPipe[Job] = ScoringPipe(
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
        self._attestations = Attestations(self._note_attested)

    async def run(self) -> SweepOutcome:
        """Runs until all is done, or until stopped and what was in flight has ended."""
        try:
            async with asyncio.TaskGroup() as group:
                helpers = [
                    group.create_task(self._journal.run()),
                    group.create_task(self._report()),
                ]
                await self._ask_and_score()
                for helper in helpers:
                    helper.cancel()
        finally:
            await self._journal.flush()
        last = self._snapshot()
        self._progress.update(last)
        if self._pipe.lost is not None:
            self._progress.note(
                f"scoring was given up: {self._pipe.lost.message}; run again to score the rest"
            )
        return SweepOutcome(
            models=last.models,
            unscored=len(self._unscored),
            to_ask_again=self._to_ask_again,
            stopped=self._stop.is_set(),
        )

    def _model_run(self, model: PlannedModel, asker: Asker) -> ModelRun:
        spec = self._plan.spec
        return ModelRun(
            model.label,
            [job for job in self._plan.to_generate if job.model is model],
            asker=asker,
            controller=ConcurrencyController(spec.min_concurrency, spec.concurrency),
            most=spec.concurrency,
            set_aside_after=spec.set_aside_after,
            answered=self._take_answer,
            failed=self._take_failure,
            note=self._progress.note,
            room=self._room,
        )

    async def _room(self, over: asyncio.Event) -> None:
        await self._journal.room(over)

    async def _ask_and_score(self) -> None:
        """Does all there is to do; once the sweep is stopped, for a bounded time."""
        patience = asyncio.timeout(None)
        try:
            async with patience:
                with self._stopping(patience):
                    async with asyncio.TaskGroup() as group:
                        group.create_task(self._pipe.run())
                        await self._ask_and_feed()
                        self._pipe.close()
        except TimeoutError:
            if not patience.expired():
                raise
            self._progress.note(
                f"what was in flight took longer than {self._drain_s:g} s: the next run does it"
            )

    @contextmanager
    def _stopping(self, patience: asyncio.Timeout) -> Iterator[None]:
        """Passes a stop on to the models, and bounds what follows."""

        async def wait() -> None:
            await self._stop.wait()
            patience.reschedule(asyncio.get_running_loop().time() + self._drain_s)
            for model in self._models:
                model.stop()

        waiting = asyncio.get_running_loop().create_task(wait())
        try:
            yield
        finally:
            waiting.cancel()

    async def _ask_and_feed(self) -> None:
        most = self._plan.spec.max_parallel_models or len(self._models)
        turn = asyncio.Semaphore(most)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._feed_stored())
            for model in self._models:
                group.create_task(_in_turn(model, turn))
        while self._unfed and self._pipe.lost is None and not self._stop.is_set():
            await self._journal.flush()  # what the pipe had no room for is read back from there
            await self._feed_stored()

    async def _feed_stored(self) -> None:
        """Submits stored explanations that have no scores, as fast as there is room."""
        wanted, self._unfed = self._unfed, {}
        texts = stored_texts(self._readable, wanted)
        while (batch := await asyncio.to_thread(next, texts, None)) is not None:
            for key, text in batch:
                job = wanted.pop(key, None)
                await self._journal.room(self._stop)
                if job is not None and not await self._pipe.submit_patiently(job, text):
                    return

    def _take_answer(self, job: Job, row: GenerationRow) -> None:
        self._journal.add_generation(row)
        self._attestations.note(job.model.label, row)
        self._unscored.add(job.key)
        if not self._pipe.submit(job, row.text):
            self._unfed[job.key] = job

    def _note_attested(self, label: str, attestation: Attestation) -> None:
        if self._manifest.attest(label, attestation):  # once or twice a model
            self._journal.add_file(FILE_NAME, manifest_text(self._manifest))

    def _take_failure(self, job: Job, failed: Failed) -> None:
        row = failed.row
        self._journal.add_failure(row)
        self._to_ask_again += not row.final
        _log.warning(
            "question_failed",
            model=job.model.label,
            question=job.question.name,
            reason=row.reason,
            attempts=row.attempts,
        )

    def _note_retry(self, model: str, reason: ErrorReason, delay_s: float) -> None:
        self._counts.retried(model, reason)
        _log.debug("question_retried", model=model, reason=reason, delay_s=delay_s)

    def _take_scores(self, job: Job, answer: ScoringAnswer, attempts: int) -> None:
        self._unscored.discard(job.key)
        if answer.error is not None:
            failure = service_failure(job, answer.error, attempts, Stage.SCORING)
            _log.warning(
                "question_not_scored",
                request_id=job.key,
                model=job.model.label,
                reason=failure.reason,
                attempts=attempts,
            )
            if not failure.final:
                self._unscored.add(job.key)
            self._journal.add_failure(failure)
            return
        rows = score_rows(job, answer)
        self._journal.add_scores(rows)
        if any(row.signatures_digest != self._signed for row in rows[:1]):
            self._unscored.add(job.key)
            self._note_signed_otherwise()

    def _note_signed_otherwise(self) -> None:
        if not self._is_signed_otherwise:
            self._is_signed_otherwise = True
            self._progress.note(
                "the scoring service has other signatures than when this run began: was it "
                "upgraded? The same command, run again, makes all scores alike"
            )

    def _count(self, batch: ResultBatch) -> None:
        scored = {row.key for row in batch.scores}
        self._counts.add(batch, scored=len(scored - self._rescored))
        self._progress.update(self._snapshot())

    def _snapshot(self) -> SweepSnapshot:
        for model, run in zip(self._plan.models, self._models, strict=True):
            state = self._counts.of_model(model)
            state.in_flight, state.concurrency = run.gate.in_flight, run.gate.limit
            state.set_aside = run.set_aside
        return self._counts.snapshot()

    async def _report(self) -> None:
        while True:
            self._progress.update(self._snapshot())
            await asyncio.sleep(_TICK_S)


async def _in_turn(model: ModelRun, turn: asyncio.Semaphore) -> None:
    async with turn:
        await model.run()
