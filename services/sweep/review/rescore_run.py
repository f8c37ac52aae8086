"""Scores the answers that are stored in the shards of an output, one shard after the other."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from services.benchmark.records import Question
from services.core.errors import ServiceError
from services.sweep.remote.clients import ScoringClient
from services.sweep.remote.messages import ScoringAnswer
from services.sweep.remote.retry import RetryLimits, budgets_within, is_final
from services.sweep.results.batch import ResultBatch
from services.sweep.results.compaction import try_to_compact
from services.sweep.results.manifest import read_manifest, write_manifest
from services.sweep.results.rows import FailureRow, Stage, Table
from services.sweep.results.scorings import Scoring
from services.sweep.results.store import ResultStore
from services.sweep.results.stored_plan import StoredPlan
from services.sweep.results.stored_texts import stored_texts
from services.sweep.results.tables import ResultTables
from services.sweep.run.error_groups import first_error
from services.sweep.run.holding import holding
from services.sweep.run.journal import ResultJournal
from services.sweep.run.score_rows import score_rows
from services.sweep.run.scoring_pipe import ScoringPipe
from services.sweep.run.settings import SweepSettings
from services.sweep.run.threads import in_thread
from services.sweep.spec.sharding import Shard


class RescoreProgress(Protocol):
    """Watches. Called on the event loop: must return at once."""

    def begin(self, to_score: int, answers: int) -> None:
        """Takes how many answers there are to score, of how many that are stored."""
        ...

    def scored(self, count: int) -> None:
        """Takes how many more have durable scores."""
        ...


@dataclass(frozen=True, slots=True)
class _StoredAnswer:
    key: str
    question: Question
    reference_digest: str
    place: int


class Rescoring:
    """Scores shard after shard.

    Args:
        client: The scoring service.
        plan: The present plan.
        wanted: Keys of the answers to be scored, with their places in the plan.
        scoring: How the client scores.
        questions: The dataset's questions by their names.
        progress: Watches.
        stop: When set, nothing more is read; what was read is still scored.
        settings: Settings of the driver.

    Attributes:
        scored: Answers that have durable scores now.
        failed: Answers that cannot be scored.
        lost: Why the service was given up; empty if it was not.
    """

    def __init__(
        self,
        client: ScoringClient,
        plan: StoredPlan,
        wanted: Mapping[str, int],
        *,
        scoring: Scoring,
        questions: Mapping[str, Question],
        progress: RescoreProgress,
        stop: asyncio.Event,
        settings: SweepSettings,
    ) -> None:
        self._client = client
        self._plan = plan
        self._wanted = dict(wanted)
        self._scoring = scoring
        self._questions = questions
        self._progress = progress
        self._stop = stop
        self._settings = settings
        limits = RetryLimits(settings.max_attempts, settings.max_wait_s)
        self._new_budget = budgets_within(limits)
        self.scored = self.failed = 0
        self.lost = ""

    async def score_shard(self, store: ResultStore, shard: Shard) -> None:
        """Scores the wanted answers that are stored in a shard.

        Raises:
            UserInputError: It cannot be read or written, or a driver is writing there.
        """
        if self._stop.is_set() or self.lost or not self._wanted:
            return
        if not await asyncio.to_thread(self._has_wanted, store.tables(shard)):
            return
        async with holding(store, shard) as tables:
            await in_thread(lambda: self._note_scoring(tables))
            before = self.scored
            try:
                await self._score(tables)
            except BaseExceptionGroup as group:
                raise first_error(group) from group
            if self.scored > before and not self._stop.is_set():
                await in_thread(lambda: try_to_compact(tables))

    def _note_scoring(self, tables: ResultTables) -> None:
        """Says how answers are scored before the first one is, lest a kill leave that unsaid."""
        manifest = read_manifest(tables.folder)
        if manifest is not None and manifest.note_scoring(self._scoring):
            write_manifest(manifest, tables)

    def _has_wanted(self, tables: ResultTables) -> bool:
        return any(
            key in self._wanted
            for batch in tables.batches(Table.GENERATIONS, ["key"])
            for key in batch.column("key").to_pylist()
        )

    async def _score(self, tables: ResultTables) -> None:
        journal = ResultJournal(
            tables,
            commit_rows=self._settings.commit_rows,
            commit_interval_s=self._settings.commit_interval_s,
            committed=self._count,
        )

        def take(answered: _StoredAnswer, answer: ScoringAnswer, attempts: int) -> None:
            if answer.error is None:
                journal.add_scores(score_rows(answered, answer))
            else:
                journal.add_failure(self._failure(answered, answer.error, attempts))

        pipe: ScoringPipe[_StoredAnswer] = ScoringPipe(
            self._client,
            new_budget=self._new_budget,
            window=self._settings.scoring_window,
            answered=take,
            stop=self._stop,
        )
        try:
            async with asyncio.TaskGroup() as group:
                committing = group.create_task(journal.run())
                scoring = group.create_task(pipe.run())
                await self._feed(tables, pipe, journal)
                pipe.close()
                await scoring
                committing.cancel()
        finally:
            await journal.flush()
        if pipe.lost is not None:
            self.lost = pipe.lost.message

    async def _feed(
        self, tables: ResultTables, pipe: ScoringPipe[_StoredAnswer], journal: ResultJournal
    ) -> None:
        texts = stored_texts([tables], self._wanted)
        while (batch := await asyncio.to_thread(next, texts, None)) is not None:
            for key, text in batch:
                place = self._wanted.pop(key, None)
                if place is None:
                    continue
                answered = _StoredAnswer(
                    key=key,
                    question=self._questions[self._plan.question_name(place)],
                    reference_digest=self._plan.text("reference_digest", place),
                    place=place,
                )
                await journal.room(self._stop)
                if self._stop.is_set() or not await pipe.submit_patiently(answered, text):
                    return

    def _failure(self, answered: _StoredAnswer, error: ServiceError, attempts: int) -> FailureRow:
        plan, place, question = self._plan, answered.place, answered.question
        return FailureRow(
            key=answered.key,
            model=plan.text("model", place),
            adapter=plan.text("adapter", place),
            question=question.id,
            setting=question.setting,
            split=question.split,
            stage=Stage.SCORING,
            reason=error.reason,
            final=is_final(error),
            message=error.message,
            attempts=attempts,
            reference_digest=answered.reference_digest,
            failed_at=datetime.now(UTC),
        )

    def _count(self, batch: ResultBatch) -> None:
        # Of a service that is upgraded meanwhile: the next run makes all scores alike.
        signed = self._scoring.signatures_digest
        scored = len({row.key for row in batch.scores if row.signatures_digest == signed})
        self.scored += scored
        self.failed += sum(row.final for row in batch.failures)
        self._progress.scored(scored)
