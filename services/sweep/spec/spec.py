"""The sweep spec: a YAML file that says which questions to ask of which models."""

from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field, PrivateAttr, field_validator, model_validator

from services.benchmark.records import Setting, Split
from services.sweep.spec.controls import Control
from services.sweep.spec.key_advice import nearest
from services.sweep.spec.prompts import Prompt
from services.sweep.spec.sections import (
    DatasetSpec,
    FiltersSpec,
    LimitsSpec,
    ModelChoice,
    Name,
    PriceSpec,
    PricesSpec,
    PromptSpec,
    SamplingSpec,
    ScoringSection,
    Section,
)
from services.sweep.spec.yaml_file import parse, read_yaml

__all__ = [
    "DatasetSpec",
    "FiltersSpec",
    "LimitsSpec",
    "ModelChoice",
    "PriceSpec",
    "PricesSpec",
    "PromptSpec",
    "SamplingSpec",
    "ScoringSection",
    "SweepSpec",
    "load_spec",
]

# The name of the sampling of a spec that has only one.
DEFAULT_SAMPLING = "default"

# Most questions in flight that a driver may be told to have for each model.
MAX_CONCURRENCY = 1024


def _as_choice(value: object) -> object:
    return {"model": value} if isinstance(value, str) else value


class SweepSpec(Section):
    """One sweep: which questions, in how many ways, of which models, and where results go.

    Every model is asked every question in every setting, by every prompt, with every sampling,
    under every control, ``replicates`` times.
    """

    name: Name = Field(
        default="sweep",
        description="Names the sweep in logs and metrics; by default the file's name.",
    )
    dataset: DatasetSpec = Field(description="The benchmark's files, and how to read them.")
    splits: tuple[Split, ...] = Field(
        default=(Split.TEST_SEEN, Split.TEST_UNSEEN), min_length=1, description="Files to read."
    )
    settings: tuple[Setting, ...] = Field(
        default=(Setting.WITH_TITLE, Setting.WITHOUT_TITLE),
        min_length=1,
        description="With the artwork's title, without it, or both.",
    )
    models: tuple[Annotated[ModelChoice, BeforeValidator(_as_choice)], ...] = Field(
        min_length=1,
        description="Names of the catalog, or ``{model: NAME, adapter: NAME}``.",
    )
    prompts: dict[Name, PromptSpec] = Field(
        default={"plain": PromptSpec()},
        min_length=1,
        description="Ways of asking, by names of your choice; by default the record's own words.",
    )
    sampling: SamplingSpec = Field(
        default=SamplingSpec(), description="How tokens are chosen, where there is one way."
    )
    samplings: dict[Name, SamplingSpec] = Field(
        default={},
        description="How tokens are chosen, several ways by names of your choice; instead of "
        "``sampling``.",
    )
    controls: tuple[Control, ...] = Field(
        default=(Control.NONE,),
        min_length=1,
        description="Grounding controls: with the artwork's own picture, with another artwork's "
        "of the same split, without a picture.",
    )
    replicates: int = Field(
        default=1,
        ge=1,
        le=1000,
        description="How often to ask each question. Where sampling is not greedy, every replicate "
        "has a seed of its own, derived from the sampling's or else the sweep's seed, the "
        "replicate's number and the question; a seed given for a sampling is used as it is by "
        "replicate 0.",
    )
    filters: FiltersSpec = Field(default=FiltersSpec(), description="Which questions to ask.")
    limits: LimitsSpec = Field(default=LimitsSpec(), description="How much of them to ask.")
    shuffle: bool = Field(
        default=False,
        description="Ask in an order drawn by ``seed`` instead of the file's; the questions about "
        "one artwork follow each other in either.",
    )
    seed: int = Field(
        default=0,
        ge=0,
        le=2**63 - 1,
        description="Decides what limits keep, the order of shuffling, wrong pictures and seeds "
        "of sampling.",
    )
    concurrency: int = Field(
        default=8, ge=1, le=MAX_CONCURRENCY, description="Most questions in flight for each model."
    )
    min_concurrency: int = Field(
        default=1,
        ge=1,
        le=MAX_CONCURRENCY,
        description="Fewest questions in flight for each model, however full the service says it "
        "is.",
    )
    max_parallel_models: int | None = Field(
        default=None,
        ge=1,
        description="Most models asked at the same time, the others follow; by default all.",
    )
    deadline_s: float = Field(
        default=300.0, gt=0, description="Seconds that one attempt at one question may take."
    )
    set_aside_after: int = Field(
        default=20,
        ge=1,
        description="Questions of one model that fail in a row by the service's fault before the "
        "sweep leaves that model for this run.",
    )
    prices: PricesSpec = Field(default=PricesSpec(), description="What the models cost.")
    metrics: tuple[str, ...] = Field(
        default=(), description="Metrics to compute; by default the scoring service's own choice."
    )
    scoring_options: ScoringSection = Field(
        default=ScoringSection(), description="How metrics are computed."
    )
    output: str = Field(
        min_length=1,
        description="Where results go: a folder, relative to this file, or a URI such as "
        "``s3://bucket/prefix``.",
    )

    # The file it was read from, for messages.
    _path: Path = PrivateAttr(default=Path("sweep.yaml"))

    @property
    def path(self) -> Path:
        """The file that this spec was read from."""
        return self._path

    @property
    def named_samplings(self) -> dict[str, SamplingSpec]:
        """The ways of choosing tokens, by name."""
        return self.samplings or {DEFAULT_SAMPLING: self.sampling}

    @property
    def named_prompts(self) -> tuple[Prompt, ...]:
        """The ways of asking."""
        return tuple(prompt.named(name) for name, prompt in self.prompts.items())

    @field_validator("splits", "settings", "controls", "metrics")
    @classmethod
    def _distinct(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(values)) < len(values):
            raise ValueError("each may be named once only")
        return values

    @field_validator("metrics")
    @classmethod
    def _metrics_are_known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if not names:
            return names
        # Late: a sweep that leaves the choice to the service is planned without metrics' libraries.
        from services.metrics.registry import METRICS  # noqa: PLC0415 - as said above

        for name in names:
            if name not in METRICS:
                known = list(METRICS)
                advice = nearest(name, known) or f"; known metrics: {', '.join(known)}"
                raise ValueError(f"there is no metric '{name}'{advice}")
        return names

    @field_validator("prompts", "samplings")
    @classmethod
    def _differ(cls, declared: dict[str, Section]) -> dict[str, Section]:
        names: dict[str, str] = {}
        for name, section in declared.items():
            first = names.setdefault(section.model_dump_json(), name)
            if first != name:
                raise ValueError(f"'{first}' and '{name}' are the same")
        return declared

    @model_validator(mode="after")
    def _models_are_distinct(self) -> "SweepSpec":
        labels = [choice.label for choice in self.models]
        twice = sorted({label for label in labels if labels.count(label) > 1})
        if twice:
            raise ValueError(f"models names {', '.join(twice)} more than once")
        for label in self.prices.models:
            if label not in labels:
                advice = nearest(label, labels) or f"; it has {', '.join(labels)}"
                raise ValueError(f"prices.models: the sweep has no model '{label}'{advice}")
        return self

    @model_validator(mode="after")
    def _agrees(self) -> "SweepSpec":
        if {"sampling", "samplings"} <= self.model_fields_set:
            raise ValueError("give either sampling or samplings, not both")
        if self.min_concurrency > self.concurrency:
            raise ValueError(
                f"min_concurrency {self.min_concurrency} is above concurrency {self.concurrency}"
            )
        return self

    def resolved_against(self, path: Path) -> "SweepSpec":
        """Remembers the file and makes its relative paths relative to that file's folder."""
        folder = path.parent
        dataset = self.dataset.model_copy(
            update={
                name: (folder / given).resolve()
                for name in ("folder", "mapping", "image_folder")
                if (given := getattr(self.dataset, name)) is not None
            }
        )
        is_uri = "://" in self.output
        output = self.output.rstrip("/") if is_uri else str((folder / self.output).resolve())
        name = self.name if "name" in self.model_fields_set else path.stem
        resolved = self.model_copy(update={"dataset": dataset, "output": output, "name": name})
        resolved._path = path  # noqa: SLF001 - its own private attribute
        return resolved


def load_spec(path: Path) -> SweepSpec:
    """Reads a sweep spec.

    Raises:
        UserInputError: The file cannot be read or a key is unknown, missing, given twice or wrong;
            the message names the file and the key, and for an unknown key the nearest right one.
    """
    declared = read_yaml(path)
    return parse(declared, SweepSpec, path).resolved_against(path.resolve())
