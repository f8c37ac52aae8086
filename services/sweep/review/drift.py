"""Asks a sample of answered questions again, and says how far the answers have drifted."""

import asyncio
import hashlib
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import structlog

from services.core.errors import ErrorReason
from services.rpc.channel import open_channel
from services.sweep.plan.plan import Job, SweepPlan
from services.sweep.plan.prepare import picture_store, stored_tables
from services.sweep.remote.clients import GenerationClient, ScoringClient
from services.sweep.remote.endpoints import Endpoints
from services.sweep.remote.messages import ScoringAnswer
from services.sweep.remote.retry import RetryLimits, budgets_within
from services.sweep.remote.uploads import Pictures
from services.sweep.results.rows import GenerationRow, Table
from services.sweep.results.tables import ResultTables
from services.sweep.review.drift_report import (
    DriftedAnswer,
    ModelDrift,
    first_difference,
    score_drifts,
)
from services.sweep.run.asking import Asker, Failed
from services.sweep.run.concurrency import ConcurrencyController
from services.sweep.run.error_groups import first_error
from services.sweep.run.model_run import ModelRun
from services.sweep.run.scoring_pipe import ScoringPipe
from services.sweep.run.settings import SweepSettings

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class SampleChoice:
    """Which questions are asked again.

    Attributes:
        count: How many of each model; as many as are answered, if fewer are.
        seed: Draws them.
    """

    count: int
    seed: int


class _Pair(NamedTuple):
    """A question that was asked again, with both answers."""

    job: Job
    stored: str
    again: str


async def measure_drift(
    plan: SweepPlan,
    choice: SampleChoice,
    endpoints: Endpoints,
    *,
    stop: asyncio.Event,
    note: Callable[[str], None],
    settings: SweepSettings,
) -> tuple[ModelDrift, ...]:
    """Asks questions again, compares the answers, and scores where they differ.

    Every request has an id of its own, so that no service answers from memory. Nothing is stored.

    Args:
        plan: The sweep as it would be asked now.
        choice: Which questions to ask.
        endpoints: Where the services listen.
        stop: When set, nothing more is asked.
        note: Takes a remark for people, such as that a model is left.
        settings: Settings of the driver.

    Returns:
        One entry a model of the plan, in its order.

    Raises:
        UserInputError: The stored answers cannot be read.
    """
    samples = {
        model.label: draw_sample(
            (job for job in plan.jobs if job.model is model and job.key in plan.stored.generated),
            choice,
        )
        for model in plan.models
    }
    keys = [job.key for sample in samples.values() for job in sample]
    stored = await asyncio.to_thread(_texts, stored_tables(plan.spec), keys)
    async with AsyncExitStack() as opened:
        generation, scoring = [
            await opened.enter_async_context(open_channel(address, endpoints.security))
            for address in (endpoints.generation, endpoints.scoring)
        ]
        client = GenerationClient([generation], Pictures(picture_store(plan.spec)))
        opened.push_async_callback(client.close)
        measuring = _Measuring(client, plan, stop, note=note, settings=settings)
        try:
            pairs = {
                label: await measuring.ask(label, sample, stored)
                for label, sample in samples.items()
            }
            scorer = ScoringClient.of_spec(scoring, plan.spec)
            scores = await measuring.score(scorer, [pair for of in pairs.values() for pair in of])
        except BaseExceptionGroup as group:
            raise first_error(group) from group
    return tuple(
        ModelDrift(
            label=label,
            asked=len(of) + sum(measuring.failures[label].values()),
            identical=sum(pair.stored == pair.again for pair in of),
            failures=dict(measuring.failures[label]),
            drifted=tuple(_drifted(pair) for pair in of if pair.stored != pair.again),
            metrics=score_drifts(
                (scores.get(_stored_id(pair)), scores.get(_again_id(pair)))
                for pair in of
                if pair.stored != pair.again
            ),
        )
        for label, of in pairs.items()
    )


def draw_sample(jobs: Iterable[Job], choice: SampleChoice) -> list[Job]:
    """Draws jobs, the same ones whatever their order; fewer where there are not as many."""

    def rank(job: Job) -> bytes:
        return hashlib.sha256(f"drift/{choice.seed}/{job.key}".encode()).digest()

    return sorted(jobs, key=rank)[: choice.count]


class _Measuring:
    """Asks and scores.

    Attributes:
        failures: For each model, how many questions failed now, by reason.
    """

    def __init__(
        self,
        client: GenerationClient,
        plan: SweepPlan,
        stop: asyncio.Event,
        *,
        note: Callable[[str], None],
        settings: SweepSettings,
    ) -> None:
        self._spec = plan.spec
        self._note = note
        self._client = client
        self._stop = stop
        self._settings = settings
        limits = RetryLimits(settings.max_attempts, settings.max_wait_s)
        self._new_budget = budgets_within(limits)
        self.failures: dict[str, Counter[str]] = {model.label: Counter() for model in plan.models}

    async def ask(
        self, label: str, sample: Sequence[Job], stored: Mapping[str, str]
    ) -> list[_Pair]:
        """Asks one model its sample again."""
        # The key is the request's id: another one, or the service would answer from memory.
        fresh = {f"again-{uuid.uuid4().hex}": job for job in sample}
        pairs: list[_Pair] = []

        def answered(job: Job, row: GenerationRow) -> None:
            first = fresh[job.key]
            pairs.append(_Pair(first, stored[first.key], row.text))

        def failed(_: Job, failure: Failed) -> None:
            self.failures[label][failure.row.reason] += 1

        run = ModelRun(
            label,
            [replace(job, key=key) for key, job in fresh.items()],
            asker=Asker(
                self._client,
                self._spec,
                new_budget=self._new_budget,
                retried=_note_retry,
            ),
            controller=ConcurrencyController(self._spec.min_concurrency, self._spec.concurrency),
            most=self._spec.concurrency,
            set_aside_after=self._spec.set_aside_after,
            answered=answered,
            failed=failed,
            note=self._note,
        )

        async def stop_when_told() -> None:
            await self._stop.wait()
            run.stop()

        stopping = asyncio.create_task(stop_when_told())
        try:
            await run.run()
        finally:
            stopping.cancel()
        return pairs

    async def score(
        self, client: ScoringClient, pairs: Sequence[_Pair]
    ) -> dict[str, ScoringAnswer]:
        """Scores both answers of every pair that differs; by the item's id."""
        found: dict[str, ScoringAnswer] = {}

        def take(job: Job, answer: ScoringAnswer, _: int) -> None:
            found[job.key] = answer

        pipe: ScoringPipe[Job] = ScoringPipe(
            client,
            new_budget=self._new_budget,
            window=self._settings.scoring_window,
            answered=take,
            stop=self._stop,
        )
        async with asyncio.TaskGroup() as group:
            group.create_task(pipe.run())
            for pair in pairs:
                if pair.stored != pair.again:
                    stored = replace(pair.job, key=_stored_id(pair))
                    again = replace(pair.job, key=_again_id(pair))
                    await pipe.submit_patiently(stored, pair.stored)
                    await pipe.submit_patiently(again, pair.again)
            pipe.close()
        return found


def _note_retry(model: str, reason: ErrorReason, delay_s: float) -> None:
    _log.debug("question_retried", model=model, reason=reason, delay_s=delay_s)


def _stored_id(pair: _Pair) -> str:
    return f"{pair.job.key}/stored"


def _again_id(pair: _Pair) -> str:
    return f"{pair.job.key}/again"


def _drifted(pair: _Pair) -> DriftedAnswer:
    place = first_difference(pair.stored, pair.again)
    return DriftedAnswer(
        key=pair.job.key,
        question=pair.job.question.name,
        first_difference=place,
        stored=pair.stored,
        again=pair.again,
    )


def _texts(shards: Sequence[ResultTables], keys: Sequence[str]) -> dict[str, str]:
    """The stored answers: the earliest, should there be several."""
    found: dict[str, tuple[datetime, str]] = {}
    where = pc.field("key").isin(pa.array(keys, pa.string()))
    for tables in shards:
        for batch in tables.batches(Table.GENERATIONS, ["key", "text", "generated_at"], where):
            for row in batch.to_pylist():
                answer = (row["generated_at"], row["text"])
                found[row["key"]] = min(answer, found.get(row["key"], answer))
    return {key: text for key, (_, text) in found.items()}
