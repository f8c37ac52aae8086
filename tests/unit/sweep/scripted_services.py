"""Scripted clients of the two services, and a small plan to be run with them."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path

from services.benchmark.records import Dataset, Question, Setting, Split
from services.core.errors import ServiceError
from services.sweep.plan.directory import ModelDescription
from services.sweep.plan.jobs import make_jobs
from services.sweep.plan.plan import PlannedModel, SweepPlan, make_plan
from services.sweep.plan.planned_manifest import new_manifest
from services.sweep.plan.stored import StoredResults
from services.sweep.plan.variants import variants_of
from services.sweep.progress.progress import SilentProgress, SweepProgress
from services.sweep.remote.clients import GenerationClient, ScoringClient
from services.sweep.remote.messages import (
    Explanation,
    ExplanationRequest,
    MetricScore,
    ScoringAnswer,
    ScoringRequest,
)
from services.sweep.remote.retry import RetryBudget, RetryLimits
from services.sweep.results.keys import signatures_digest
from services.sweep.results.rows import FinishReason, Table
from services.sweep.results.tables import ResultTables
from services.sweep.run.settings import SweepSettings
from services.sweep.run.sweep_run import SweepRun
from services.sweep.spec.controls import ShownPictures
from services.sweep.spec.spec import DatasetSpec, ModelChoice, SamplingSpec, SweepSpec

SIGNATURE = "bleu|v:1"


class ScriptedGeneration(GenerationClient):
    """Answers every question, once it may.

    Attributes:
        asked: How often each key was asked.
        answered: How many questions were answered.
        flowing: While it is not set, nothing is answered.
        asked_so_many: Set once ``expected`` questions were asked.
    """

    def __init__(self, expected: int = 0) -> None:
        self.asked = Counter[str]()
        self.answered = 0
        self.flowing = asyncio.Event()
        self.flowing.set()
        self.expected = expected
        self.asked_so_many = asyncio.Event()

    async def explain(self, request: ExplanationRequest, deadline_s: float) -> Explanation:
        self.asked[request.request_id] += 1
        if len(self.asked) >= self.expected:
            self.asked_so_many.set()
        await asyncio.sleep(0)
        await self.flowing.wait()
        self.answered += 1
        return Explanation(
            text="A swan.",
            finish_reason=FinishReason.STOP,
            truncated=False,
            prompt_token_count=1,
            image_token_count=0,
            generated_token_count=2,
            admission_s=0.0,
            queue_s=0.0,
            prefill_s=0.0,
            decode_s=0.0,
            first_token_s=0.0,
            total_s=0.0,
            model=request.model,
            revision="r1",
            adapter=request.adapter,
            engine="scripted",
            engine_version="1",
            dtype="float32",
            quantization="",
            sampling="{}",
            image_digest=request.image_digest,
            chat_template_digest="",
            gpu_count=0.0,
            configuration_digest="",
            adapter_revision="",
        )


class ScriptedScoring(ScoringClient):
    """Scores every explanation, or answers as it is told.

    Attributes:
        fault: Says what goes wrong with an item, if anything.
    """

    def __init__(self, fault: Callable[[str], ServiceError | None] | None = None) -> None:
        self.fault = fault

    async def signatures(self) -> dict[str, str]:
        return {"bleu": SIGNATURE}

    async def score(self, requests: AsyncIterator[ScoringRequest]) -> AsyncGenerator[ScoringAnswer]:
        async for request in requests:
            error = self.fault(request.item_id) if self.fault else None
            scores = () if error else (MetricScore("bleu", 0.5, None, (), SIGNATURE),)
            yield ScoringAnswer(request.item_id, scores, error)


def small_plan(questions: int, concurrency: int = 4) -> SweepPlan:
    """So many questions to one model, none answered yet."""
    spec = SweepSpec(
        dataset=DatasetSpec(folder=Path("data")),
        models=(ModelChoice(model="alpha"),),
        sampling=SamplingSpec(temperature=0),
        output="out",
        concurrency=concurrency,
    )
    asked = tuple(
        Question(
            id=f"{number}",
            question_id=f"{number}",
            artwork=f"work {number}",
            title=f"work {number}",
            section="History",
            setting=Setting.WITH_TITLE,
            split=Split.TEST_SEEN,
            instruction="Explain.",
            reference="It is old.",
            entities=(),
            image=f"{number}.png",
        )
        for number in range(questions)
    )
    models = [PlannedModel(choice, ModelDescription(choice.model, "r1")) for choice in spec.models]
    pictures = ShownPictures(asked, spec.seed, lambda image: f"sha256:{image}")
    return make_plan(
        spec,
        Dataset("data", "flat", "sha256:0", asked),
        models,
        make_jobs(asked, models, variants_of(spec), pictures),
        missing_pictures={},
        stored=StoredResults(),
    )


def small_run(
    plan: SweepPlan,
    tables: ResultTables,
    generation: ScriptedGeneration,
    *,
    scoring: ScriptedScoring | None = None,
    progress: SweepProgress | None = None,
    stop: asyncio.Event | None = None,
    settings: SweepSettings | None = None,
) -> SweepRun:
    """A run of the plan with the scripted services."""
    return SweepRun(
        plan,
        score_again=(),
        signed=signatures_digest({"bleu": SIGNATURE}),
        generation=generation,
        scoring=scoring or ScriptedScoring(),
        tables=tables,
        readable=(tables,),
        manifest=new_manifest(plan, datetime(2026, 1, 1, tzinfo=UTC), None),
        progress=progress or SilentProgress(),
        stop=stop or asyncio.Event(),
        settings=settings or SweepSettings(commit_interval_s=0.02),
        new_budget=lambda: RetryBudget(RetryLimits(3, 1.0), random.Random(0)),
    )


def stored_keys(tables: ResultTables, table: Table) -> list[str]:
    """The keys of all the rows of a table, in order."""
    return sorted(
        key for batch in tables.batches(table, ["key"]) for key in batch.column("key").to_pylist()
    )
