"""The options of ``expart sweep rescore`` that say how to score; by default as the spec does."""

from typing import Annotated

import typer

from services.core.errors import UserInputError
from services.metrics.options import (
    BoundaryRule,
    CaseRule,
    NoPairsRule,
    PartialMatchRule,
    ScoringOptions,
    TokenizerRule,
)
from services.metrics.registry import METRICS
from services.sweep.review.rescore import ScoringChoice
from services.sweep.spec.key_advice import nearest
from services.sweep.spec.scoring_options import options_of, section_of
from services.sweep.spec.sections import ScoringSection
from services.sweep.spec.spec import SweepSpec

_DEFAULT = "the spec's"

Metrics = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME,...",
        help="Metrics to compute, comma-separated, repeatable.",
        show_default="the spec's, or else the service's",
    ),
]
Case = Annotated[
    CaseRule | None,
    typer.Option(help="Whether upper and lower case differ in entities.", show_default=_DEFAULT),
]
Boundary = Annotated[
    BoundaryRule | None,
    typer.Option(help="Whether entities match whole words, or anywhere.", show_default=_DEFAULT),
]
Tokenizer = Annotated[
    TokenizerRule | None,
    typer.Option(
        help="What a token is to length, length penalty and partial match.",
        show_default=_DEFAULT,
    ),
]
PartialMatch = Annotated[
    PartialMatchRule | None,
    typer.Option(help="How much of an entity a partial match counts.", show_default=_DEFAULT),
]
NoPairs = Annotated[
    NoPairsRule | None,
    typer.Option(
        help="What ECooc says of a reference without a pair of entities.", show_default=_DEFAULT
    ),
]


def chosen_metrics(given: list[str] | None) -> tuple[str, ...]:
    """The metrics that were named, each once.

    Raises:
        UserInputError: There is no such metric.
    """
    names = [name.strip() for part in given or () for name in part.split(",")]
    for name in names:
        if name not in METRICS:
            advice = nearest(name, list(METRICS)) or f"; known metrics: {', '.join(METRICS)}"
            raise UserInputError(f"--metrics: there is no metric '{name}'{advice}")
    return tuple(dict.fromkeys(names))


def chosen_options(
    section: ScoringSection,
    *,
    case: CaseRule | None,
    boundary: BoundaryRule | None,
    tokenizer: TokenizerRule | None,
    partial_match: PartialMatchRule | None,
    no_pairs: NoPairsRule | None,
) -> ScoringOptions:
    """What was given, and for the rest what the spec says."""
    by_spec = options_of(section)
    return ScoringOptions(
        case=case or by_spec.case,
        boundary=boundary or by_spec.boundary,
        tokenizer=tokenizer or by_spec.tokenizer,
        partial_match=partial_match or by_spec.partial_match,
        no_pairs=no_pairs or by_spec.no_pairs,
    )


def are_the_specs(choice: ScoringChoice, spec: SweepSpec) -> bool:
    """Whether the spec asks for such scores."""
    return (
        set(choice.metrics) == set(spec.metrics)
        and section_of(choice.options) == spec.scoring_options
    )


def as_in_a_spec(choice: ScoringChoice) -> str:
    """The keys by which a spec asks for such scores."""
    section = section_of(choice.options).model_dump(exclude_defaults=True)
    options = ", ".join(f"{name}: {value}" for name, value in section.items())
    return f"metrics: [{', '.join(choice.metrics)}] and scoring_options: {{{options}}}"
