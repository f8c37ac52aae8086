"""Field mappings: which field of a record holds what. They are YAML files, not code."""

from importlib import resources
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator

from services.benchmark.patterns import compile_pattern
from services.benchmark.records import Setting
from services.core.errors import UserInputError


def _one_or_many(value: object) -> object:
    return [value] if isinstance(value, str) else value


# Names of columns, the first one present in the record is taken.
Columns = Annotated[tuple[str, ...], BeforeValidator(_one_or_many), Field(min_length=1)]


class _Declared(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ColumnNames(_Declared):
    """Names of the columns that hold a question's fields.

    ``instruction`` and ``reference`` are wanted only where there are no conversations, ``image``
    only where no pattern finds the picture in the instruction.
    """

    id: Columns
    title: Columns
    entities: Columns
    image: Columns | None = None
    instruction: Columns | None = None
    reference: Columns | None = None
    # Taken where present: the id, the title and nothing stand in for them. Where no question_id
    # is named, rows about one artwork, section and reference are one question in two settings.
    question_id: Columns | None = None
    artwork: Columns | None = None
    section: Columns | None = None


class Conversations(_Declared):
    """A column that holds turns of a conversation: the instruction, then the reference.

    ``image_pattern`` is a regular expression for the image marker, which is cut out of the
    instruction and must occur in it; its group ``image``, if any, is the picture's path or URL.
    """

    column: str
    role_key: str = "from"
    text_key: str = "value"
    instruction_roles: Columns = ("human", "user")
    reference_roles: Columns = ("gpt", "assistant")
    image_pattern: str | None = None

    @field_validator("image_pattern")
    @classmethod
    def _compiles(cls, pattern: str | None) -> str | None:
        if pattern is not None:
            compile_pattern(pattern)
        return pattern


class ValueMap(_Declared):
    """A column says the setting, in words of its own."""

    rule: Literal["value_map"]
    column: str
    values: dict[str, Setting]


class TitleInInstruction(_Declared):
    """A question is With Title exactly where its instruction names the title."""

    rule: Literal["title_in_instruction"]


class TwoInstructions(_Declared):
    """A record holds an instruction for each setting and so gives two questions."""

    rule: Literal["two_instructions"]
    with_title: Columns
    without_title: Columns


class FieldMapping(_Declared):
    """Says how to read records of one shape."""

    name: str = Field(min_length=1)
    description: str = ""
    columns: ColumnNames
    conversations: Conversations | None = None
    setting: Annotated[ValueMap | TitleInInstruction | TwoInstructions, Field(discriminator="rule")]

    def wanted(self) -> tuple[tuple[str, ...], ...]:
        """The columns without which a record cannot be read; of each group, one is enough."""
        columns = self.columns
        groups = [columns.id, columns.title, columns.entities]
        if columns.image is not None:
            groups.append(columns.image)
        if self.conversations is not None:
            groups.append((self.conversations.column,))
        groups.extend(
            names for names in (columns.instruction, columns.reference) if names is not None
        )
        match self.setting:
            case ValueMap(column=column):
                groups.append((column,))
            case TwoInstructions(with_title=first, without_title=second):
                groups.extend((first, second))
            case TitleInInstruction():
                pass
        return tuple(groups)

    def incompleteness(self) -> str | None:
        """Says what this mapping fails to say, or nothing."""
        pattern = self.conversations.image_pattern if self.conversations is not None else None
        if self.columns.image is None and (
            pattern is None or "image" not in compile_pattern(pattern).groupindex
        ):
            return (
                "it says nowhere where the picture is: give columns.image, or an image_pattern "
                "with a group named image"
            )
        if self.conversations is not None:
            return None
        if self.columns.reference is None:
            return "it says nowhere where the reference is: give columns.reference or conversations"
        if self.columns.instruction is None and not isinstance(self.setting, TwoInstructions):
            return (
                "it says nowhere where the instruction is: give columns.instruction, "
                "conversations or the rule two_instructions"
            )
        return None


def load_mapping(path: Path) -> FieldMapping:
    """Reads a field mapping from a YAML file.

    Raises:
        UserInputError: The file cannot be read, is no YAML, or is no complete mapping.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UserInputError(f"{path}: the field mapping is no UTF-8 text") from error
    except OSError as error:
        reason = error.strerror or error
        raise UserInputError(f"{path}: cannot read the field mapping: {reason}") from error
    return _parse(text, str(path))


def built_in_mappings() -> tuple[FieldMapping, ...]:
    """The mappings that come with the project, in the order in which they are tried."""
    folder = resources.files("services.benchmark") / "mappings"
    files = sorted(
        (file for file in folder.iterdir() if file.name.endswith(".yaml")),
        key=lambda file: file.name,
    )
    return tuple(_parse(file.read_text(encoding="utf-8"), file.name) for file in files)


def _parse(text: str, origin: str) -> FieldMapping:
    try:
        mapping = FieldMapping.model_validate(yaml.safe_load(text))
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())
        raise UserInputError(f"{origin}: the field mapping is no YAML: {reason}") from error
    except ValidationError as error:
        problems = error.errors(include_url=False)
        # A misspelt key is the cause of the missing one beside it: say that first.
        unknown = [problem for problem in problems if problem["type"] == "extra_forbidden"]
        first = (unknown or problems)[0]
        key = ".".join(str(step) for step in first["loc"])
        reason = "there is no such key" if unknown else first["msg"]
        raise UserInputError(f"{origin}: field mapping, key '{key}': {reason}") from error
    missing = mapping.incompleteness()
    if missing is not None:
        raise UserInputError(f"{origin}: field mapping '{mapping.name}': {missing}")
    return mapping
