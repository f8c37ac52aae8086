"""The sweep spec: a YAML file that says which questions to ask of which models."""

import difflib
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    field_validator,
    model_validator,
)

from services.benchmark.records import Setting, Split
from services.core.errors import UserInputError

# The contract's fields are 32 and 64 bits wide.
_MOST_INT32 = 2**31 - 1
_MOST_INT64 = 2**63 - 1

# What YAML people call the keys of a mapping may be of any scalar type.
_Declarations = dict[object, object]


class _Declared(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DatasetSpec(_Declared):
    """Where the questions come from.

    Attributes:
        folder: Holds the benchmark's files; relative to the spec file.
        mapping: YAML file with a field mapping; without it the built-in ones are tried.
        image_folder: Holds downloaded pictures, named by the last part of their URL.
    """

    folder: Path
    mapping: Path | None = None
    image_folder: Path | None = None


class ModelChoice(_Declared):
    """A model of the catalog, with one of its adapters or none."""

    model: str = Field(min_length=1)
    adapter: str = ""

    @property
    def label(self) -> str:
        """How tables name it: ``model`` or ``model+adapter``."""
        return f"{self.model}+{self.adapter}" if self.adapter else self.model


class SamplingSpec(_Declared):
    """How tokens are chosen; what is left out takes the model's default.

    Ranges and meanings are those of ``expart.generation.v1.SamplingParameters``.
    """

    max_tokens: int | None = Field(default=None, ge=1, le=_MOST_INT32)
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, gt=0, le=1)
    top_k: int | None = Field(default=None, ge=0, le=_MOST_INT32)
    seed: int | None = Field(default=None, ge=0, le=_MOST_INT64)
    stop: tuple[Annotated[str, Field(min_length=1)], ...] = Field(default=(), max_length=16)
    repetition_penalty: float | None = Field(default=None, gt=0, le=2)
    presence_penalty: float | None = Field(default=None, ge=-2, le=2)
    frequency_penalty: float | None = Field(default=None, ge=-2, le=2)
    min_tokens: int | None = Field(default=None, ge=0, le=_MOST_INT32)

    @model_validator(mode="after")
    def _least_is_not_above_most(self) -> "SamplingSpec":
        least, most = self.min_tokens, self.max_tokens
        if least is not None and most is not None and least > most:
            raise ValueError(f"min_tokens {least} is above max_tokens {most}")
        return self


class LimitsSpec(_Declared):
    """How much of the dataset to ask.

    Attributes:
        max_questions_per_split: Most questions of each split, each in every setting asked for;
            which ones is decided by ``seed`` alone, not by the order of the file.
    """

    max_questions_per_split: int | None = Field(default=None, ge=1)


def _as_choice(value: object) -> object:
    return {"model": value} if isinstance(value, str) else value


class SweepSpec(_Declared):
    """One sweep: dataset by models by settings, how to ask, and where the results go.

    Attributes:
        dataset: Where the questions come from.
        splits: The files to read.
        settings: With the artwork's title, without it, or both.
        models: Names of the catalog, or ``{model, adapter}``.
        sampling: How tokens are chosen.
        system_text: Placed before every instruction; empty leaves it to the model's template.
        concurrency: Most questions in flight for each model.
        max_parallel_models: Most models asked at the same time; all of them when left out.
        deadline_s: Seconds that one attempt at one question may take.
        limits: How much of the dataset to ask.
        seed: Decides which questions a limit keeps.
        output: Folder of the results; relative to the spec file.
    """

    dataset: DatasetSpec
    splits: tuple[Split, ...] = Field(default=(Split.TEST_SEEN, Split.TEST_UNSEEN), min_length=1)
    settings: tuple[Setting, ...] = Field(
        default=(Setting.WITH_TITLE, Setting.WITHOUT_TITLE), min_length=1
    )
    models: tuple[Annotated[ModelChoice, BeforeValidator(_as_choice)], ...] = Field(min_length=1)
    sampling: SamplingSpec = SamplingSpec()
    system_text: str = ""
    concurrency: int = Field(default=8, ge=1, le=1024)
    max_parallel_models: int | None = Field(default=None, ge=1)
    deadline_s: float = Field(default=300.0, gt=0)
    limits: LimitsSpec = LimitsSpec()
    seed: int = Field(default=0, ge=0)
    output: Path

    # The file it was read from, for messages.
    _path: Path = PrivateAttr(default=Path("sweep.yaml"))

    @property
    def path(self) -> Path:
        """The file that this spec was read from."""
        return self._path

    @field_validator("splits", "settings")
    @classmethod
    def _distinct(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(values)) < len(values):
            raise ValueError("each may be named once only")
        return values

    @model_validator(mode="after")
    def _models_are_distinct(self) -> "SweepSpec":
        labels = [choice.label for choice in self.models]
        twice = sorted({label for label in labels if labels.count(label) > 1})
        if twice:
            raise ValueError(f"models names {', '.join(twice)} more than once")
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
        output = (folder / self.output).resolve()
        resolved = self.model_copy(update={"dataset": dataset, "output": output})
        resolved._path = path  # noqa: SLF001 - its own private attribute
        return resolved


_SECTIONS: dict[str, type[BaseModel]] = {
    "dataset": DatasetSpec,
    "models": ModelChoice,
    "sampling": SamplingSpec,
    "limits": LimitsSpec,
}


def load_spec(path: Path) -> SweepSpec:
    """Reads a sweep spec.

    Raises:
        UserInputError: The file cannot be read or a key is unknown, missing or wrong; the message
            names the file and the key, and for an unknown key the nearest right one.
    """
    try:
        declared = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UserInputError(f"{path}: cannot read the sweep spec: {error}") from error
    except yaml.YAMLError as error:
        raise UserInputError(f"{path}: no YAML: {' '.join(str(error).split())}") from error
    if not isinstance(declared, dict):
        raise UserInputError(f"{path}: a sweep spec is a mapping of keys such as dataset, models")
    return _parse(declared, path).resolved_against(path.resolve())


def _parse(declared: _Declarations, path: Path) -> SweepSpec:
    try:
        return SweepSpec.model_validate(declared)
    except ValidationError as error:
        problems = error.errors(include_url=False)
        # A misspelt key is the cause of the missing one beside it: say that first.
        unknown = [item for item in problems if item["type"] == "extra_forbidden"]
        problem = (unknown or problems)[0]
        place = tuple(problem["loc"])
        key = ".".join(str(step) for step in place)
        if unknown:
            raise UserInputError(f"{path}: unknown key '{key}'{_suggestion(place)}") from error
        if problem["type"] == "missing":
            raise UserInputError(f"{path}: key '{key}' is missing") from error
        reason = problem["msg"].removeprefix("Value error, ")
        where = f"key '{key}': " if key else ""
        given = problem["input"]
        shown = f", not {given!r}" if isinstance(given, str | int | float | bool) else ""
        raise UserInputError(f"{path}: {where}{reason}{shown}") from error


def _suggestion(place: tuple[int | str, ...]) -> str:
    kind = _SECTIONS[str(place[0])] if len(place) > 1 else SweepSpec
    keys = list(kind.model_fields)
    near = difflib.get_close_matches(str(place[-1]), keys, n=1, cutoff=0.5)
    return f"; did you mean '{near[0]}'?" if near else f"; known keys: {', '.join(keys)}"
