"""Turns one record into questions, by a field mapping."""

from collections.abc import Mapping
from typing import NamedTuple

from services.benchmark.mapping import (
    Conversations,
    FieldMapping,
    TitleInInstruction,
    TwoInstructions,
    ValueMap,
)
from services.benchmark.patterns import compile_pattern, names_title
from services.benchmark.records import Question, Setting, Split
from services.core.digests import digest_of

Record = Mapping[str, object]


class MisfitError(ValueError):
    """A record has another shape than the mapping describes."""


class FaultError(ValueError):
    """A record has the mapping's shape, and a value in it is wrong."""


class _Asked(NamedTuple):
    setting: Setting
    instruction: str


class _Texts(NamedTuple):
    instruction: str
    reference: str
    image: str | None


def read_questions(record: Record, mapping: FieldMapping, split: Split) -> tuple[Question, ...]:
    """Reads the questions of one record: one, or two where it holds an instruction a setting.

    Raises:
        MisfitError: The record has another shape than the mapping describes.
        FaultError: A value is empty or of the wrong type.
    """
    missing = [group for group in mapping.wanted() if _find(record, group) is None]
    if missing:
        names = ", ".join(" or ".join(group) for group in missing)
        raise MisfitError(f"it lacks {names}")
    texts = _texts(record, mapping)
    columns = mapping.columns
    title = _text(record, columns.title)
    identifier = _text(record, columns.id)
    image = texts.image or (columns.image and _text(record, columns.image)) or ""
    if not image:
        raise FaultError("the picture's path or URL is empty")
    artwork = _optional_text(record, columns.artwork) or title
    section = _optional_text(record, columns.section)
    question_id = _optional_text(record, columns.question_id) or identifier
    if columns.question_id is None and not isinstance(mapping.setting, TwoInstructions):
        # The row of the other setting has an id of its own: both ask for the same explanation.
        shared = f"{artwork}\0{section}\0{texts.reference}"
        question_id = digest_of(shared.encode())
    return tuple(
        Question(
            id=identifier,
            question_id=question_id,
            artwork=artwork,
            title=title,
            section=section,
            setting=asked.setting,
            split=split,
            instruction=asked.instruction,
            reference=texts.reference,
            entities=_entities(record, columns.entities),
            image=image,
        )
        for asked in _asked(record, mapping, texts.instruction, title)
    )


def _asked(
    record: Record, mapping: FieldMapping, instruction: str, title: str
) -> tuple[_Asked, ...]:
    match mapping.setting:
        case TwoInstructions(with_title=with_title, without_title=without_title):
            return (
                _Asked(Setting.WITH_TITLE, _text(record, with_title)),
                _Asked(Setting.WITHOUT_TITLE, _text(record, without_title)),
            )
        case ValueMap(column=column, values=values):
            value = str(record[column])
            if value not in values:
                known = ", ".join(values)
                raise FaultError(f"column '{column}' is '{value}', which is none of {known}")
            return (_Asked(values[value], instruction),)
        case TitleInInstruction():
            named = names_title(instruction, title)
            return (_Asked(Setting.WITH_TITLE if named else Setting.WITHOUT_TITLE, instruction),)


def _texts(record: Record, mapping: FieldMapping) -> _Texts:
    if mapping.conversations is not None:
        return _conversation(record, mapping.conversations)
    columns = mapping.columns
    assert columns.reference is not None  # an incomplete mapping is not loaded
    instruction = _text(record, columns.instruction) if columns.instruction is not None else ""
    return _Texts(instruction, _text(record, columns.reference), None)


def _conversation(record: Record, shape: Conversations) -> _Texts:
    turns = record[shape.column]
    if not isinstance(turns, list):
        raise MisfitError(f"column '{shape.column}' is no list of turns")
    instruction = _turn(turns, shape, shape.instruction_roles)
    reference = _turn(turns, shape, shape.reference_roles)
    image = None
    if shape.image_pattern is not None:
        pattern = compile_pattern(shape.image_pattern)
        found = pattern.search(instruction)
        if found is None:
            raise MisfitError(f"its instruction holds no image marker {shape.image_pattern}")
        image = found.groupdict().get("image")
        instruction = pattern.sub("", instruction).strip()
    if not instruction:
        raise FaultError("the instruction is empty")
    if not reference:
        raise FaultError("the reference is empty")
    return _Texts(instruction, reference, image)


def _turn(turns: list[object], shape: Conversations, roles: tuple[str, ...]) -> str:
    for turn in turns:
        if isinstance(turn, Mapping) and turn.get(shape.role_key) in roles:
            text = turn.get(shape.text_key)
            if not isinstance(text, str):
                raise MisfitError(f"a turn of '{shape.column}' has no text in '{shape.text_key}'")
            return _unicode(text.strip(), f"a turn of '{shape.column}'")
    wanted = " or ".join(roles)
    raise MisfitError(f"'{shape.column}' has no turn whose '{shape.role_key}' is {wanted}")


def _entities(record: Record, names: tuple[str, ...]) -> tuple[str, ...]:
    column = _find(record, names)
    assert column is not None
    values = record[column]
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise FaultError(f"column '{column}' is no list of texts")
    entities = [_unicode(value.strip(), f"column '{column}'") for value in values]
    if not all(entities):
        raise FaultError(f"column '{column}' holds an empty entity")
    return tuple(dict.fromkeys(entities))  # a set in the order of the record


def _find(record: Record, names: tuple[str, ...]) -> str | None:
    return next((name for name in names if record.get(name) is not None), None)


def _optional_text(record: Record, names: tuple[str, ...] | None) -> str:
    if names is None or _find(record, names) is None:
        return ""
    return _text(record, names)


def _text(record: Record, names: tuple[str, ...]) -> str:
    column = _find(record, names)
    assert column is not None
    value = record[column]
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise FaultError(f"column '{column}' is no text")
    text = str(value).strip()
    if not text:
        raise FaultError(f"column '{column}' is empty")
    return _unicode(text, f"column '{column}'")


def _unicode(text: str, place: str) -> str:
    """Refuses what JSON can write but nobody can send: half of a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise FaultError(f"{place} holds half of a surrogate pair, which is no text") from error
    return text
