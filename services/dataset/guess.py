"""Guesses a field mapping from names and values of records."""

import re
from collections.abc import Iterator, Mapping, Sequence

from services.benchmark.reading import Record

# Stands where nothing could be guessed.
FILL_IN = "FILL_IN"

_IMAGE_VALUE = re.compile(r"https?://\S+|\S.*\.(jpe?g|png|webp|gif|tiff?)", re.IGNORECASE)
_TAG = re.compile(r"<img>\s*[^<]+?\s*</img>")
_IMAGE_TAG = r"(?:Picture \d+:\s*)?<img>\s*(?P<image>[^<]+?)\s*</img>\s*"
_IMAGE_MARKER = r"<image>\s*"
_MOST_SETTINGS = 4


def guess_mapping(records: Sequence[Record]) -> dict[str, object]:
    """Guesses a mapping, as its YAML file would declare it."""
    names = list(dict.fromkeys(str(name) for record in records for name in record))
    text = [name for name in names if _is_text(records, name)]
    columns: dict[str, object] = {
        "id": _named(text, r"^id$|_id$|^uid$|^(number|index|key)$") or _unique(records, text),
        "title": _named(text, r"title|^name$|^(art)?work$") or FILL_IN,
        "entities": _named(
            [name for name in names if _is_list_of_texts(records, name)],
            r"entit|term|link|keyword",
        )
        or next((name for name in names if _is_list_of_texts(records, name)), FILL_IN),
    }
    section = _named(text, r"section|topic|aspect|heading|subject")
    if section:
        columns["section"] = section
    declared: dict[str, object] = {"name": "guessed", "columns": columns}
    turns = next((name for name in names if _is_conversation(records, name)), None)
    image = _image_column(records, text)
    if turns is not None:
        conversation = _conversation(records, turns)
        declared["conversations"] = conversation
        if "image" not in str(conversation.get("image_pattern", "")).partition("?P<")[2]:
            columns["image"] = image or FILL_IN
    else:
        columns["image"] = image or FILL_IN
        columns["reference"] = (
            _named(text, r"reference|explanation|answer|response|output|^text$") or FILL_IN
        )
    declared["setting"] = _setting(records, text, columns, is_flat=turns is None)
    return declared


def _setting(
    records: Sequence[Record], text: Sequence[str], columns: dict[str, object], *, is_flat: bool
) -> dict[str, object]:
    with_title = _named(text, r"(?<!out)_with_title$|^with_title|_with_?title")
    without_title = _named(text, r"without_?title|no_?title")
    if is_flat and with_title and without_title:
        return {
            "rule": "two_instructions",
            "with_title": with_title,
            "without_title": without_title,
        }
    if is_flat:
        instruction = _named(text, r"instruction|question|prompt|query|ask|input")
        columns["instruction"] = instruction or FILL_IN
    for name in text:
        values = list(dict.fromkeys(str(value) for value in _values(records, name)))
        settings = {value: _setting_of(value) for value in values[: _MOST_SETTINGS + 1]}
        found = set(settings.values())
        if len(values) <= _MOST_SETTINGS and found == {"with_title", "without_title"}:
            return {"rule": "value_map", "column": name, "values": settings}
    return {"rule": "title_in_instruction"}


def _setting_of(value: str) -> str:
    word = value.lower().replace("-", "_").replace(" ", "_")
    if word in {"without_title", "without", "no_title", "untitled", "unnamed", "w/o", "nt"}:
        return "without_title"
    if word in {"with_title", "with", "title", "titled", "named", "w/", "t"}:
        return "with_title"
    return ""


def _conversation(records: Sequence[Record], name: str) -> dict[str, object]:
    turns = [turn for value in _values(records, name) for turn in _turns(value)]
    role_key = "role" if "role" in turns[0] else "from"
    text_key = "content" if "content" in turns[0] else "value"
    roles = list(dict.fromkeys(str(turn.get(role_key)) for turn in turns))
    spoken = [role for role in roles if role != "system"]
    found: dict[str, object] = {
        "column": name,
        "role_key": role_key,
        "text_key": text_key,
        "instruction_roles": spoken[:1] or [FILL_IN],
        "reference_roles": spoken[1:2] or [FILL_IN],
    }
    texts = [str(turn.get(text_key)) for turn in turns]
    if any(_TAG.search(text) for text in texts):
        found["image_pattern"] = _IMAGE_TAG
    elif any("<image>" in text for text in texts):
        found["image_pattern"] = _IMAGE_MARKER
    return found


def _is_conversation(records: Sequence[Record], name: str) -> bool:
    values = list(_values(records, name))
    turns = [turn for value in values for turn in _turns(value)]
    return bool(turns) and all(
        ("from" in turn and "value" in turn) or ("role" in turn and "content" in turn)
        for turn in turns
    )


def _turns(value: object) -> list[Mapping[str, object]]:
    if not isinstance(value, list):
        return []
    return [turn for turn in value if isinstance(turn, Mapping)]


def _image_column(records: Sequence[Record], text: Sequence[str]) -> str | None:
    fitting = [
        name
        for name in text
        if all(_IMAGE_VALUE.fullmatch(str(value)) for value in _values(records, name))
    ]
    return _named(fitting, r"image|img|picture|photo|url|file") or next(iter(fitting), None)


def _is_list_of_texts(records: Sequence[Record], name: str) -> bool:
    values = list(_values(records, name))
    return bool(values) and all(
        isinstance(value, list) and all(isinstance(item, str) for item in value) for value in values
    )


def _unique(records: Sequence[Record], text: Sequence[str]) -> str:
    for name in text:
        values = [str(value) for value in _values(records, name)]
        if len(values) == len(set(values)) == len(records):
            return name
    return FILL_IN


def _is_text(records: Sequence[Record], name: str) -> bool:
    values = list(_values(records, name))
    return bool(values) and all(
        isinstance(value, str | int) and not isinstance(value, bool) for value in values
    )


def _values(records: Sequence[Record], name: str) -> Iterator[object]:
    return (record[name] for record in records if record.get(name) is not None)


def _named(names: Sequence[str], pattern: str) -> str | None:
    return next((name for name in names if re.search(pattern, name, re.IGNORECASE)), None)
