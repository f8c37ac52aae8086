"""Computes what a sweep needs, from its plan, the catalog and what is known of paces."""

import heapq
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from services.core.errors import UserInputError
from services.sweep.capacity.needs import FrontLimits, Known, ModelNeeds, Wish
from services.sweep.capacity.pace import (
    DRIVER_QUESTIONS_PER_S,
    FRONT_QUESTIONS_PER_S,
    Figure,
    ReplicaPace,
    answer_size,
    load_basis,
    load_time,
    replica_pace,
    scoring_pace,
)
from services.sweep.plan.estimate import GivenRates, ModelEstimate, estimate, makespan
from services.sweep.plan.plan import ModelPlan, SweepPlan
from services.sweep.progress.costs import money_of

_SECONDS_AN_HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class ModelCapacity:
    """What one model needs.

    Attributes:
        plan: How much of the sweep falls to it.
        needs: What the catalog says of it.
        fits: Names of the GPU types that a replica fits on.
        replicas: Replicas.
        pace: How fast each of them answers.
        questions_per_s: Answers a second of all of them, as far as the drivers keep them busy.
        in_flight: Questions that have to be on their way at a time for it to be busy.
        load_s: How long loading it takes.
        input_tokens: Tokens of the prompts, with the pictures'.
        output_tokens: Tokens of the answers.
        seconds: How long it takes, loading included; 0 where nothing is left to ask.
        held_s: How long its GPUs are held: that, and until they are given back.
        cost: In the currency of the spec's prices; None without a price.
    """

    plan: ModelPlan
    needs: ModelNeeds
    fits: tuple[str, ...]
    replicas: int
    pace: ReplicaPace
    questions_per_s: float
    in_flight: int
    load_s: float
    input_tokens: int
    output_tokens: int
    seconds: float
    held_s: float
    cost: float | None

    @property
    def gpus(self) -> float:
        """GPUs of all replicas."""
        return self.replicas * self.needs.memory.gpus

    @property
    def gpu_hours(self) -> float:
        """Hours that its GPUs are held, added up."""
        return self.gpus * self.held_s / _SECONDS_AN_HOUR


@dataclass(frozen=True, slots=True)
class SweepCapacity:
    """What a sweep needs.

    Attributes:
        models: Each model, in the order of the spec.
        at_a_time: Most models that are asked at the same time.
        seconds: How long it takes in all.
        gpus: GPUs that are held at the same time, at most.
        questions_per_s: Answers a second, at most.
        in_flight: Questions on their way at the same time, at most.
        drivers: Drivers.
        fronts: Generation fronts.
        scoring_pods: Pods of the scoring service.
        store_bytes: Size of the result tables in the end, answers of before included.
        load: What the times of loading rest on.
        scoring: How many answers a scoring pod scores a second.
        answer_size: How many bytes an answer takes.
    """

    models: tuple[ModelCapacity, ...]
    at_a_time: int
    seconds: float
    gpus: float
    questions_per_s: float
    in_flight: int
    drivers: int
    fronts: int
    scoring_pods: int
    store_bytes: int
    load: Figure
    scoring: Figure
    answer_size: Figure

    @property
    def figures(self) -> tuple[Figure, ...]:
        """What the result rests on, besides the models' paces."""
        return self.load, self.scoring, self.answer_size

    @property
    def gpu_hours(self) -> float:
        """Hours that GPUs are held, added up."""
        return sum(model.gpu_hours for model in self.models)

    @property
    def cost(self) -> float | None:
        """What the models that have a price cost together; None if none has."""
        costs = [model.cost for model in self.models if model.cost is not None]
        return sum(costs) if costs else None


def plan_capacity(
    plan: SweepPlan, needs: Mapping[str, ModelNeeds], front: FrontLimits, wish: Wish, known: Known
) -> SweepCapacity:
    """Computes what is left of a sweep needs.

    Models that take turns get equal shares of the time, and each waits for the GPUs of the one
    before. No sweep is faster than one of its questions.

    Args:
        plan: The sweep's plan.
        needs: What the catalog says, by the models' names.
        front: What a front lets in.
        wish: What is wanted.
        known: What is known of paces and sizes.

    Raises:
        UserInputError: The hours do not even suffice to load a model and have one answer.
    """
    asked = sum(model.to_generate > 0 for model in plan.by_model())
    at_a_time = max(1, min(plan.spec.max_parallel_models or asked, asked))
    turns = max(1, math.ceil(asked / at_a_time))
    waits_s = (turns - 1) * max((one.idle_s for one in needs.values()), default=0.0)
    share_s = None if wish.hours is None else (wish.hours * _SECONDS_AN_HOUR - waits_s) / turns
    drafts = [
        _draft(model, estimated, needs[planned.choice.model], wish, known, share_s=share_s)
        for model, estimated, planned in zip(
            plan.by_model(), _estimates(plan, known), plan.models, strict=True
        )
    ]
    drivers = wish.drivers or _drivers(drafts, plan.spec.concurrency, at_a_time)
    models = tuple(_settle(draft, plan, drivers, known) for draft in drafts)
    rate = _most(at_a_time, (model.questions_per_s for model in models))
    sent = (float(min(model.in_flight, drivers * plan.spec.concurrency)) for model in models)
    in_flight = math.ceil(_most(at_a_time, sent))
    scoring, size = scoring_pace(known, plan.spec.metrics), answer_size(known)
    return SweepCapacity(
        models=models,
        at_a_time=at_a_time,
        seconds=waits_s + makespan([model.seconds for model in models if model.seconds], at_a_time),
        gpus=_most(at_a_time, (model.gpus for model in models)),
        questions_per_s=rate,
        in_flight=in_flight,
        drivers=drivers,
        fronts=max(
            1, _ceil(rate / FRONT_QUESTIONS_PER_S), _ceil(in_flight / front.calls_per_client)
        ),
        scoring_pods=max(1, _ceil(rate / scoring.value)),
        store_bytes=round(len(plan.jobs) * size.value),
        load=load_basis(known),
        scoring=scoring,
        answer_size=size,
    )


@dataclass(frozen=True, slots=True)
class _Draft:
    """A model with its replicas, before anybody knows how busy the drivers keep them."""

    plan: ModelPlan
    estimate: ModelEstimate
    needs: ModelNeeds
    pace: ReplicaPace
    load_s: float
    replicas: int

    @property
    def most_per_s(self) -> float:
        return self.most_in_flight / self.pace.s_per_question

    @property
    def most_in_flight(self) -> float:
        # Little's law: what is on its way is how many come a second times how long each takes.
        kept_busy = self.replicas * self.pace.questions_per_s * self.pace.s_per_question
        return min(kept_busy, self.plan.to_generate)


def _draft(
    model: ModelPlan,
    estimated: ModelEstimate,
    needs: ModelNeeds,
    wish: Wish,
    known: Known,
    *,
    share_s: float | None,
) -> _Draft:
    load_s = load_time(needs, known)
    tokens = estimated.output_tokens / estimated.questions if estimated.questions else 1.0
    pace = replica_pace(model.label, needs, max(1.0, tokens), known)
    if not model.to_generate:
        replicas = 0
    elif share_s is None:
        replicas = wish.replicas.get(model.label, needs.max_replicas)
    else:
        budget_s = _budget(model.label, share_s, load_s, pace)
        replicas = max(1, _ceil(model.to_generate / (budget_s * pace.questions_per_s)))
    return _Draft(model, estimated, needs, pace, load_s, replicas)


def _settle(draft: _Draft, plan: SweepPlan, drivers: int, known: Known) -> ModelCapacity:
    """Lets the drivers keep the replicas as busy as they can, and says what that takes."""
    questions = draft.plan.to_generate
    in_flight = min(draft.most_in_flight, drivers * plan.spec.concurrency)
    rate = in_flight / draft.pace.s_per_question
    seconds = draft.load_s + questions / rate if questions else 0.0
    held_s = seconds + draft.needs.idle_s if questions else 0.0
    gpu_s = held_s * draft.replicas * draft.needs.memory.gpus
    price = plan.spec.prices.models.get(draft.plan.label)
    cost = None
    if price is not None:
        cost = money_of(
            price,
            prompt_tokens=draft.estimate.input_tokens,
            generated_tokens=draft.estimate.output_tokens,
            gpu_s=gpu_s,
        )
    return ModelCapacity(
        plan=draft.plan,
        needs=draft.needs,
        fits=tuple(gpu.name for gpu in known.gpus if draft.needs.memory.fits(gpu)),
        replicas=draft.replicas,
        pace=draft.pace,
        questions_per_s=rate,
        in_flight=_ceil(draft.most_in_flight),
        load_s=draft.load_s,
        input_tokens=draft.estimate.input_tokens,
        output_tokens=draft.estimate.output_tokens,
        seconds=seconds,
        held_s=held_s,
        cost=cost,
    )


def _estimates(plan: SweepPlan, known: Known) -> tuple[ModelEstimate, ...]:
    tokens = known.earlier.tokens if known.earlier is not None else {}
    given = GivenRates(None, known.image_tokens, known.output_tokens)
    return estimate(plan, tokens, given).models


def _budget(label: str, share_s: float, load_s: float, pace: ReplicaPace) -> float:
    """Seconds that a model may be asked for, of its share of the hours.

    Raises:
        UserInputError: They do not suffice for one question.
    """
    if share_s < load_s + pace.s_per_question:
        raise UserInputError(
            f"--hours: {label} takes {load_s:.0f} s to load and "
            f"{pace.s_per_question:.2g} s for an answer, and has {max(0.0, share_s):.0f} s; "
            "give more hours, let more models run at the same time (max_parallel_models), or say "
            "by --load-s that it loads faster"
        )
    return share_s - load_s


def _drivers(drafts: Iterable[_Draft], concurrency: int, at_a_time: int) -> int:
    """As many drivers as keep every replica busy."""
    found = list(drafts)
    rate = _most(at_a_time, (draft.most_per_s for draft in found))
    most = max((draft.most_in_flight for draft in found), default=0.0)
    return max(1, _ceil(rate / DRIVER_QUESTIONS_PER_S), _ceil(most / concurrency))


def _most(count: int, values: Iterable[float]) -> float:
    """The sum of the largest so many."""
    return sum(heapq.nlargest(count, values))


def _ceil(value: float) -> int:
    """Rounds up, but for what is only the rounding of floating point."""
    return math.ceil(round(value, 9))
