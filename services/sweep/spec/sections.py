"""The sections of a sweep spec."""

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    field_validator,
    model_validator,
)

from services.sweep.spec.prompts import PLACEHOLDER, Prompt

# The contract's fields are 32 and 64 bits wide.
_MOST_INT32 = 2**31 - 1
_MOST_INT64 = 2**63 - 1

# Template engines write their fields so; one that nothing fills would be sent as it stands.
_FIELD = re.compile(r"\{[A-Za-z_][A-Za-z0-9_]*\}")

# Names that stand in tables, and in metrics' labels.
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=63)]
_Text = Annotated[str, StringConstraints(min_length=1)]


class Section(BaseModel):
    """Keys that belong together: unknown ones are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class DatasetSpec(Section):
    """Where the questions come from."""

    folder: Path = Field(
        description="Holds the benchmark's files, named by their splits; relative to this file."
    )
    mapping: Path | None = Field(
        default=None,
        description="YAML file with a field mapping; without it the built-in ones are tried.",
    )
    image_folder: Path | None = Field(
        default=None, description="Holds the downloaded pictures of records that name a URL."
    )


class ModelChoice(Section):
    """A model of the catalog, with one of its adapters or none."""

    model: str = Field(min_length=1, description="Its name in the catalog.")
    adapter: str = Field(default="", description="Its LoRA adapter; empty for none.")

    @property
    def label(self) -> str:
        """How tables name it: ``model`` or ``model+adapter``."""
        return f"{self.model}+{self.adapter}" if self.adapter else self.model


class PromptSpec(Section):
    """What is said around a record's own instruction."""

    system_text: str = Field(
        default="", description="Placed before it; empty leaves that to the model's template."
    )
    template: str = Field(
        default=PLACEHOLDER,
        description="What is sent; ``{instruction}`` in it becomes the record's instruction.",
    )

    @field_validator("template")
    @classmethod
    def _takes_the_instruction(cls, template: str) -> str:
        unknown = [found for found in _FIELD.findall(template) if found != PLACEHOLDER]
        if unknown:
            raise ValueError(f"nothing fills {unknown[0]}; the one field is {PLACEHOLDER}")
        if PLACEHOLDER not in template:
            raise ValueError(f"it must hold {PLACEHOLDER}, or no question would be asked")
        return template

    def named(self, name: str) -> Prompt:
        """Gives it the name that the spec has for it."""
        return Prompt(name, self.system_text, self.template)


class SamplingSpec(Section):
    """How tokens are chosen; what is left out takes the model's default.

    Ranges and meanings are those of ``expart.generation.v1.SamplingParameters``.
    """

    max_tokens: int | None = Field(
        default=None, ge=1, le=_MOST_INT32, description="Most tokens to generate."
    )
    temperature: float | None = Field(
        default=None, ge=0, le=2, description="Randomness; 0 is greedy."
    )
    top_p: float | None = Field(
        default=None, gt=0, le=1, description="Nucleus sampling: probability mass."
    )
    top_k: int | None = Field(
        default=None, ge=0, le=_MOST_INT32, description="Only the k likeliest tokens; 0 means all."
    )
    seed: int | None = Field(
        default=None,
        ge=0,
        le=_MOST_INT64,
        description="Seed of the first replicate; without it one is derived, see ``replicates``.",
    )
    stop: tuple[_Text, ...] = Field(default=(), max_length=16, description="Texts that end it.")
    repetition_penalty: float | None = Field(
        default=None, gt=0, le=2, description="Above 1 discourages repeats."
    )
    presence_penalty: float | None = Field(
        default=None, ge=-2, le=2, description="Discourages tokens that occurred."
    )
    frequency_penalty: float | None = Field(
        default=None, ge=-2, le=2, description="The same, by how often."
    )
    min_tokens: int | None = Field(
        default=None,
        ge=0,
        le=_MOST_INT32,
        description="Fewest tokens before the model may stop.",
    )

    @property
    def is_greedy(self) -> bool:
        """Whether chance plays no part, as far as the spec says."""
        return self.temperature == 0 or self.top_k == 1

    @model_validator(mode="after")
    def _least_is_not_above_most(self) -> "SamplingSpec":
        least, most = self.min_tokens, self.max_tokens
        if least is not None and most is not None and least > most:
            raise ValueError(f"min_tokens {least} is above max_tokens {most}")
        return self


class FiltersSpec(Section):
    """Which questions to ask; a question has to pass all that are given."""

    artworks: tuple[_Text, ...] = Field(default=(), description="Artworks or their titles.")
    sections: tuple[_Text, ...] = Field(default=(), description="Sections asked for.")
    question_ids: tuple[_Text, ...] = Field(
        default=(), description="Ids of records, or of questions in both settings."
    )
    has_entities: bool | None = Field(
        default=None, description="Only questions with entities (true), or without (false)."
    )


class LimitsSpec(Section):
    """How much to ask of what the filters leave.

    Drawn by ``seed`` alone, whatever the order of the file: a greater limit keeps the questions of
    a smaller one. Every kept question is asked in every setting.
    """

    max_artworks_per_split: int | None = Field(
        default=None, ge=1, description="Most artworks of each split."
    )
    max_questions_per_artwork: int | None = Field(
        default=None, ge=1, description="Most questions about one artwork in a split."
    )
    max_questions_per_split: int | None = Field(
        default=None, ge=1, description="Most questions of each split."
    )


class ScoringSection(Section):
    """The choices that the benchmark leaves open, as ``expart score --help`` explains them.

    Each is part of the signatures that it can change.
    """

    # The values of services.metrics.options, whose libraries no plan should wait for.
    case: Literal["sensitive", "insensitive"] = Field(
        default="sensitive", description="Whether upper and lower case differ in entities."
    )
    boundary: Literal["word", "substring"] = Field(
        default="word", description="Whether entities match whole words, or anywhere."
    )
    tokenizer: Literal["nltk", "wordpunct", "whitespace"] = Field(
        default="nltk",
        description="What a token is to length, length penalty and partial match.",
    )
    partial_match: Literal["token-lcs", "exact-or-token-lcs"] = Field(
        default="token-lcs", description="How much of an entity a partial match counts."
    )
    no_pairs: Literal["unscorable", "zero"] = Field(
        default="unscorable", description="What ECooc says of a reference without a pair."
    )


class PriceSpec(Section):
    """What a model costs, in units of the currency."""

    input_per_million_tokens: float | None = Field(
        default=None, ge=0, description="Price of a million prompt tokens, the picture's included."
    )
    output_per_million_tokens: float | None = Field(
        default=None, ge=0, description="Price of a million generated tokens."
    )
    per_gpu_hour: float | None = Field(
        default=None, ge=0, description="Price of one GPU for an hour."
    )


class PricesSpec(Section):
    """What the models cost; a model without a price is counted without money."""

    currency: str = Field(default="USD", min_length=1, description="What the prices are in.")
    models: dict[str, PriceSpec] = Field(
        default={}, description="Prices by model, or by ``model+adapter``."
    )
