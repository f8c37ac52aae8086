"""Reads and checks the artwork files of ExpArt-mini (`artworks/<slug>.yaml`)."""

import re
from dataclasses import dataclass
from pathlib import Path

import yaml

SECTION_COUNT = 4
WORD_COUNT_MIN = 50
WORD_COUNT_MAX = 150
ENTITY_COUNT_MIN = 5
SPLITS = ("train", "dev", "unseen")

# Works from before 1930 whose makers died by 1953: out of copyright after life plus 70 years
# and, as publications before 1930, in the United States.
WORK_BEFORE_YEAR = 1930
ARTIST_DIED_BY_YEAR = 1953

# Terms too common to show knowledge of the artwork when they turn up in an explanation.
BARE_WORDS = frozenset(
    {
        "art",
        "artist",
        "artwork",
        "canvas",
        "castle",
        "circle",
        "colour",
        "contrast",
        "cross",
        "dancer",
        "exhibition",
        "force",
        "form",
        "frame",
        "girders",
        "image",
        "line",
        "maker",
        "museum",
        "paint",
        "painter",
        "painting",
        "panel",
        "peasant",
        "picture",
        "plane",
        "ring",
        "shading",
        "shape",
        "square",
        "style",
        "symbol",
        "target",
        "title",
        "work",
    }
)

_TOP_KEYS = {"slug", "title", "artist", "year", "artist_died", "split", "sections"}
_SECTION_KEYS = {"heading", "text", "entities"}


class ArtworkFileError(ValueError):
    """An artwork file breaks a rule of the data set; the message names file and rule."""


@dataclass(frozen=True, slots=True)
class Section:
    """One topic of an artwork: its heading, reference explanation and entities."""

    heading: str
    text: str
    entities: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Artwork:
    """One artwork with its sections; `seen_section` is the heading kept for test_seen."""

    slug: str
    title: str
    artist: str
    year: str
    split: str
    seen_section: str | None
    sections: tuple[Section, ...]


def occurs(term: str, text: str) -> bool:
    """Says whether the term stands in the text verbatim, on word boundaries."""
    return re.search(rf"(?<!\w){re.escape(term)}(?!\w)", text) is not None


def split_sentences(text: str) -> list[str]:
    """Splits after every full stop, question or exclamation mark that a capital follows.

    Splits at least as often as a trained splitter would, so two terms found together here
    share a sentence there as well.
    """
    return re.split(r"(?<=[.!?])\s+(?=[A-Z])", text)


def read_artworks(folder: Path) -> list[Artwork]:
    """Reads every artwork file of the folder, sorted by slug.

    Raises:
        ArtworkFileError: a file is not as the data set's README describes it.
    """
    paths = sorted(folder.glob("*.yaml"))
    if not paths:
        raise ArtworkFileError(f"{folder}: no artwork files (*.yaml) found")
    artworks = [_read_artwork(path) for path in paths]
    titles = [artwork.title for artwork in artworks]
    for title in titles:
        if titles.count(title) > 1:
            raise ArtworkFileError(f"{folder}: two artworks have the title {title!r}")
    return artworks


def _read_artwork(path: Path) -> Artwork:
    try:
        loaded: object = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ArtworkFileError(f"{path.name}: not valid YAML: {error}") from error
    fields = _mapping(loaded, path.name, _TOP_KEYS, optional={"seen_section"})
    slug = _string(fields, "slug", path.name)
    if slug != path.stem:
        raise ArtworkFileError(f"{path.name}: slug is {slug!r}, but must equal the file name")
    split = _string(fields, "split", path.name)
    if split not in SPLITS:
        raise ArtworkFileError(f"{path.name}: split is {split!r}, but must be one of {SPLITS}")
    year = _string(fields, "year", path.name)
    _check_dates(year, fields["artist_died"], path.name)
    sections = _read_sections(fields["sections"], path.name)
    return Artwork(
        slug=slug,
        title=_string(fields, "title", path.name),
        artist=_string(fields, "artist", path.name),
        year=year,
        split=split,
        seen_section=_read_seen_section(fields, split, sections, path.name),
        sections=sections,
    )


def _check_dates(year: str, died: object, where: str) -> None:
    found = re.search(r"\d{4}", year)
    if found is None or int(found.group()) >= WORK_BEFORE_YEAR:
        raise ArtworkFileError(f"{where}: year is {year!r}, but must lie before 1930")
    if not isinstance(died, int) or died > ARTIST_DIED_BY_YEAR:
        raise ArtworkFileError(f"{where}: artist_died is {died!r}, but must be a year up to 1953")


def _read_seen_section(
    fields: dict[str, object], split: str, sections: tuple[Section, ...], where: str
) -> str | None:
    if split != "train":
        if "seen_section" in fields:
            raise ArtworkFileError(f"{where}: seen_section is only for artworks of split train")
        return None
    heading = _string(fields, "seen_section", where)
    headings = [section.heading for section in sections]
    if heading not in headings:
        raise ArtworkFileError(f"{where}: seen_section {heading!r} is not one of {headings}")
    return heading


def _read_sections(value: object, where: str) -> tuple[Section, ...]:
    if not isinstance(value, list) or len(value) != SECTION_COUNT:
        raise ArtworkFileError(f"{where}: sections must be a list of {SECTION_COUNT}")
    sections = tuple(_read_section(item, where) for item in value)
    headings = {section.heading.lower() for section in sections}
    if len(headings) != SECTION_COUNT:
        raise ArtworkFileError(f"{where}: two sections have the same heading")
    return sections


def _read_section(value: object, where: str) -> Section:
    fields = _mapping(value, f"{where}: section", _SECTION_KEYS)
    heading = _string(fields, "heading", f"{where}: section")
    where = f"{where}: {heading}"
    text = _string(fields, "text", where)
    word_count = len(text.split())
    if not WORD_COUNT_MIN <= word_count <= WORD_COUNT_MAX:
        raise ArtworkFileError(
            f"{where}: text has {word_count} words, but must have "
            f"{WORD_COUNT_MIN} to {WORD_COUNT_MAX}"
        )
    return Section(heading, text, _read_entities(fields["entities"], text, where))


def _read_entities(value: object, text: str, where: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ArtworkFileError(f"{where}: entities must be a list of strings (quote numbers)")
    entities = tuple(str(item) for item in value)
    if len(entities) < ENTITY_COUNT_MIN:
        raise ArtworkFileError(
            f"{where}: {len(entities)} entities, but at least {ENTITY_COUNT_MIN} are needed"
        )
    for entity in entities:
        if entity.lower() in BARE_WORDS:
            raise ArtworkFileError(f"{where}: entity {entity!r} is a bare common word")
        if not occurs(entity, text):
            raise ArtworkFileError(f"{where}: entity {entity!r} does not occur in the text")
        if sum(occurs(entity.lower(), other.lower()) for other in entities) > 1:
            raise ArtworkFileError(f"{where}: entity {entity!r} is repeated or part of another")
    if not any(
        sum(occurs(entity, sentence) for entity in entities) > 1
        for sentence in split_sentences(text)
    ):
        raise ArtworkFileError(f"{where}: no two entities share a sentence")
    return entities


def _mapping(
    value: object, where: str, required: set[str], optional: frozenset[str] | set[str] = frozenset()
) -> dict[str, object]:
    if not isinstance(value, dict):
        raise ArtworkFileError(f"{where}: must be a mapping")
    fields = {str(key): item for key, item in value.items()}
    missing = sorted(required - set(fields))
    unknown = sorted(set(fields) - required - optional)
    if missing or unknown:
        raise ArtworkFileError(f"{where}: missing keys {missing}, unknown keys {unknown}")
    return fields


def _string(fields: dict[str, object], key: str, where: str) -> str:
    value = fields.get(key)
    if not isinstance(value, str) or not value.strip():
        raise ArtworkFileError(f"{where}: {key} must be a non-empty string (quote years)")
    return value.strip()
