"""Estimates what is left of a sweep: tokens, time and money.

What is given goes before what was measured in the stored results, and that before what is assumed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from services.sweep.plan.plan import Job, PlannedModel, SweepPlan
from services.sweep.plan.rates import MeasuredRates
from services.sweep.spec.prompts import PLACEHOLDER
from services.sweep.spec.spec import PriceSpec, SweepSpec

# English text: tokenizers of large models make a token of four characters, more or less.
CHARS_PER_TOKEN = 4

# What a chat template adds: roles, separators and, in many, a system line of its own.
TEMPLATE_TOKENS = 30

# Models cut a picture of one megapixel into 576 (LLaVA-1.5) to 2,880 (LLaVA-NeXT) tokens.
IMAGE_TOKENS = 1000

# Published answers have 82 and 91 words and marks in the mean (ExpArt-KG, table 1), which are
# about 120 tokens; other models say more.
OUTPUT_TOKENS = 150

# Tokens a second of each question in flight: what a 7B model gives on one GPU in a full batch.
TOKENS_PER_S = 20

_SECONDS_AN_HOUR = 3600
_MILLION = 1e6


@dataclass(frozen=True, slots=True)
class GivenRates:
    """What the caller knows better than any assumption.

    Attributes:
        questions_per_s: Answers a second of each model.
        image_tokens: Tokens of a picture.
        output_tokens: Tokens of an answer.
    """

    questions_per_s: float | None = None
    image_tokens: float | None = None
    output_tokens: float | None = None


@dataclass(frozen=True, slots=True)
class ModelEstimate:
    """What the questions that are left for one model will take.

    Attributes:
        label: How tables name the model.
        questions: How many are left.
        input_tokens: Tokens of their prompts, with the pictures'.
        output_tokens: Tokens of their answers.
        seconds: How long that takes while the model works on nothing else.
        cost: In the currency of the spec's prices; None without a price.
        basis: Where the numbers come from, for people.
    """

    label: str
    questions: int
    input_tokens: int
    output_tokens: int
    seconds: float
    cost: float | None
    basis: str


@dataclass(frozen=True, slots=True)
class SweepEstimate:
    """What is left of a sweep will take.

    Attributes:
        models: The models, in the order of the spec.
        seconds: How long it takes in all, as many models at a time as the spec says; scoring runs
            beside.
    """

    models: tuple[ModelEstimate, ...]
    seconds: float

    @property
    def input_tokens(self) -> int:
        """Tokens of all prompts."""
        return sum(model.input_tokens for model in self.models)

    @property
    def output_tokens(self) -> int:
        """Tokens of all answers."""
        return sum(model.output_tokens for model in self.models)

    @property
    def cost(self) -> float | None:
        """What the models that have a price cost together; None if none has."""
        costs = [model.cost for model in self.models if model.cost is not None]
        return sum(costs) if costs else None


def estimate(
    plan: SweepPlan, measured: Mapping[str, MeasuredRates], given: GivenRates
) -> SweepEstimate:
    """Estimates what a plan's unanswered questions take.

    Args:
        plan: The plan.
        measured: What was measured of each model, by label.
        given: What the caller knows.
    """
    left: dict[int, list[Job]] = {id(model): [] for model in plan.models}
    for job in plan.to_generate:
        left[id(job.model)].append(job)
    models = tuple(
        _estimate(model, left[id(model)], plan.spec, measured.get(model.label), given)
        for model in plan.models
    )
    durations = [model.seconds for model in models if model.questions]
    return SweepEstimate(models, makespan(durations, plan.spec.max_parallel_models))


def _estimate(
    model: PlannedModel,
    jobs: Sequence[Job],
    spec: SweepSpec,
    measured: MeasuredRates | None,
    given: GivenRates,
) -> ModelEstimate:
    inputs = _input_tokens(jobs, measured, given)
    outputs = sum(_output_tokens(jobs, measured, given))
    rate = given.questions_per_s or (measured and measured.questions_per_s)
    seconds = len(jobs) / rate if rate else outputs / (TOKENS_PER_S * spec.concurrency)
    return ModelEstimate(
        label=model.label,
        questions=len(jobs),
        input_tokens=round(inputs),
        output_tokens=round(outputs),
        seconds=seconds,
        cost=_cost(
            spec.prices.models.get(model.label),
            inputs,
            outputs,
            gpu_hours=seconds / _SECONDS_AN_HOUR * model.description.gpu_count,
        ),
        basis=_basis(measured, given),
    )


def _input_tokens(jobs: Sequence[Job], measured: MeasuredRates | None, given: GivenRates) -> float:
    shown = sum(job.image is not None for job in jobs)
    image = given.image_tokens
    if image is None:
        image = (measured and measured.image_tokens) or IMAGE_TOKENS
    if measured is not None:
        return len(jobs) * measured.text_tokens + shown * image
    return sum(map(_text_tokens, jobs)) + shown * image


def _text_tokens(job: Job) -> float:
    prompt = job.variant.prompt
    chars = len(prompt.system_text) + len(prompt.template)
    chars += len(job.question.instruction) - len(PLACEHOLDER)
    return TEMPLATE_TOKENS + chars / CHARS_PER_TOKEN


def _output_tokens(
    jobs: Sequence[Job], measured: MeasuredRates | None, given: GivenRates
) -> list[float]:
    expected = given.output_tokens
    if expected is None:
        expected = measured.output_tokens if measured is not None else OUTPUT_TOKENS
    limits = (job.variant.sampling.parameters.max_tokens for job in jobs)
    return [expected if most is None else min(expected, most) for most in limits]


def _cost(
    price: PriceSpec | None, input_tokens: float, output_tokens: float, gpu_hours: float
) -> float | None:
    if price is None:
        return None
    return (
        (price.input_per_million_tokens or 0) * input_tokens / _MILLION
        + (price.output_per_million_tokens or 0) * output_tokens / _MILLION
        + (price.per_gpu_hour or 0) * gpu_hours
    )


def _basis(measured: MeasuredRates | None, given: GivenRates) -> str:
    values = (given.questions_per_s, given.image_tokens, given.output_tokens)
    names = ("questions/s", "tokens a picture", "tokens an answer")
    told = [f"{value:g} {name}" for value, name in zip(values, names, strict=True) if value]
    parts = [f"given: {', '.join(told)}"] if told else []
    if measured is not None:
        parts.append(f"measured over {measured.answers} stored answers")
    elif len(told) < len(values):
        parts.append("assumed")
    return "; ".join(parts)


def makespan(durations: Sequence[float], most: int | None) -> float:
    """When the last model ends, each beginning as soon as one of the places is free.

    Args:
        durations: How long each takes, in the order in which they begin.
        most: Most that go on at the same time; None for all.
    """
    ends = [0.0] * max(1, min(most or len(durations), len(durations)))
    for duration in durations:
        ends[ends.index(min(ends))] += duration
    return max(ends)
