"""Crosses questions with models and ways of asking."""

from collections.abc import Iterator, Sequence

from services.benchmark.records import Question
from services.sweep.plan.plan import Job, PlannedModel
from services.sweep.plan.variants import Variant
from services.sweep.results.keys import (
    AskingIngredients,
    ModelIngredients,
    QuestionIngredients,
    question_key,
    reference_digest,
)
from services.sweep.spec.controls import Shown, ShownPictures


def make_jobs(
    questions: Sequence[Question],
    models: Sequence[PlannedModel],
    variants: Sequence[Variant],
    pictures: ShownPictures,
) -> tuple[Job, ...]:
    """Makes a job of every question to every model in every way, model by model.

    Args:
        questions: The questions to ask, artwork by artwork.
        models: The models to ask.
        variants: The ways to ask.
        pictures: Says which picture each question is shown with.

    Raises:
        UserInputError: A question is to be shown with a wrong picture, and there is none.
    """
    asked = [_Asked(question, variants, pictures) for question in questions]
    ways = [(variant, _asking_digest(variant)) for variant in variants]
    return tuple(job for model in models for job in _jobs_of(model, asked, ways))


def model_digest(model: PlannedModel) -> str:
    """Names everything of a model that is part of its results' keys."""
    description = model.description
    return ModelIngredients(
        description.name,
        description.revision,
        model.choice.adapter,
        description.chat_template_digest,
        model.adapter_revision,
        description.configuration_digest,
    ).digest


class _Asked:
    """A question with what all the jobs that ask it share."""

    __slots__ = ("digests", "question", "reference_digest", "seeds", "shown")

    def __init__(
        self, question: Question, variants: Sequence[Variant], pictures: ShownPictures
    ) -> None:
        self.question = question
        self.reference_digest = reference_digest(question.reference, question.entities)
        name = question.name
        self.seeds = [variant.seed_for(name) for variant in variants]
        self.shown: dict[str, Shown] = {}
        self.digests: dict[str, str] = {}
        for control in dict.fromkeys(variant.control for variant in variants):
            shown = pictures.of(question, control)
            self.shown[control] = shown
            ingredients = QuestionIngredients(name, question.instruction, shown.digest)
            self.digests[control] = ingredients.digest


def _jobs_of(
    model: PlannedModel, asked: Sequence[_Asked], ways: Sequence[tuple[Variant, str]]
) -> Iterator[Job]:
    digest = model_digest(model)
    for item in asked:
        question = item.question
        for (variant, asking), seed in zip(ways, item.seeds, strict=True):
            shown = item.shown[variant.control]
            yield Job(
                question_key(digest, asking, item.digests[variant.control], seed),
                question,
                model,
                variant,
                shown.image,
                shown.digest,
                item.reference_digest,
            )


def _asking_digest(variant: Variant) -> str:
    return AskingIngredients(
        variant.prompt, variant.sampling.parameters, variant.control, variant.replicate
    ).digest
