"""Holds the committed files of ExpArt-mini to what its README promises."""

import json
import re
from collections import Counter
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import pytest
import yaml
from nltk.tokenize.punkt import PunktSentenceTokenizer

from deploy.expart_mini import build
from deploy.expart_mini.artwork_files import ArtworkFileError, occurs, read_artworks

FOLDER = Path(build.__file__).parent

DEV = {"on-white-ii", "vertical-horizontal-composition"}
UNSEEN = {
    "black-cross",
    "castle-and-sun",
    "red-square",
    "space-force-construction",
    "telephone-picture",
    "yellow-red-blue",
}
# Kept apart from the artwork files, as a second witness of why the works may be redrawn.
YEAR_OF_DEATH = {
    "El Lissitzky": 1941,
    "Hilma af Klint": 1944,
    "Kazimir Malevich": 1935,
    "Lyubov Popova": 1924,
    "László Moholy-Nagy": 1946,
    "Olga Rozanova": 1918,
    "Paul Klee": 1940,
    "Piet Mondrian": 1944,
    "Robert Delaunay": 1941,
    "Sophie Taeuber-Arp": 1943,
    "Theo van Doesburg": 1931,
    "Wassily Kandinsky": 1944,
}


def load(name: str) -> list[build.Record]:
    records: list[build.Record] = json.loads((FOLDER / name).read_text(encoding="utf-8"))
    return records


FILES = {name: load(name) for name in build.FILE_NAMES}
RECORDS = [record for records in FILES.values() for record in records]


def slug_of(record: build.Record) -> str:
    return record["question_id"].rpartition("_")[0]


def slugs(name: str) -> set[str]:
    return {slug_of(record) for record in FILES[name]}


def instruction_of(record: build.Record) -> str:
    return record["conversations"][0]["value"].removeprefix("<image>\n")


def reference_of(record: build.Record) -> str:
    return record["conversations"][1]["value"]


def test_regenerating_gives_the_committed_files_byte_for_byte() -> None:
    rendered = build.render_files(read_artworks(FOLDER / "artworks"))

    committed = {name: (FOLDER / name).read_bytes() for name in build.FILE_NAMES}
    assert {name: text.encode("utf-8") for name, text in rendered.items()} == committed


def test_record_counts_are_those_of_the_readme() -> None:
    # train 20 artworks x 3 sections x 2 settings; test_seen 20 x 1 x 2; dev 2 x 4 x 2;
    # test_unseen 6 x 4 x 2
    assert {name: len(records) for name, records in FILES.items()} == {
        "train.json": 120,
        "dev.json": 16,
        "test_seen.json": 40,
        "test_unseen.json": 48,
    }
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    for name, records in FILES.items():
        row = f"| `{name}` | {len(slugs(name))} | {len(records) // 2} | {len(records)} |"
        assert row in readme


def test_record_ids_are_unique() -> None:
    assert max(Counter(record["id"] for record in RECORDS).values()) == 1


def test_a_title_names_one_artwork_only() -> None:
    pairs = {(record["title"], slug_of(record)) for record in RECORDS}

    assert len({title for title, _ in pairs}) == len(pairs) == 28


def test_seen_artworks_are_those_of_train_and_the_others_occur_once() -> None:
    assert slugs("test_seen.json") == slugs("train.json")
    assert len(slugs("train.json")) == 20
    assert slugs("dev.json") == DEV
    assert slugs("test_unseen.json") == UNSEEN
    for one, other in combinations(("train.json", "dev.json", "test_unseen.json"), 2):
        assert slugs(one).isdisjoint(slugs(other))


def test_no_reference_occurs_in_two_files() -> None:
    for one, other in combinations(build.FILE_NAMES, 2):
        texts = {reference_of(record) for record in FILES[one]}
        assert texts.isdisjoint(reference_of(record) for record in FILES[other])


def test_sections_of_test_seen_are_not_in_train() -> None:
    trained = {record["question_id"] for record in FILES["train.json"]}
    asked = {record["question_id"] for record in FILES["test_seen.json"]}

    assert trained.isdisjoint(asked)
    assert len(trained) == 60
    assert len(asked) == 20


def test_the_section_kept_back_rotates_evenly_over_the_four_positions() -> None:
    positions = Counter(
        [section.heading for section in artwork.sections].index(artwork.seen_section)
        for artwork in read_artworks(FOLDER / "artworks")
        if artwork.seen_section is not None
    )

    assert positions == {0: 5, 1: 5, 2: 5, 3: 5}


def test_both_settings_of_a_question_stand_together_and_differ_only_in_the_instruction() -> None:
    for records in FILES.values():
        for first, second in zip(records[::2], records[1::2], strict=True):
            assert (first["setting"], second["setting"]) == ("with_title", "without_title")
            assert first["id"] == f"{first['question_id']}_with_title"
            assert second["id"] == f"{first['question_id']}_without_title"
            assert instruction_of(first) != instruction_of(second)
            for key in ("question_id", "title", "artist", "year", "section", "image", "entities"):
                assert first[key] == second[key]
            assert reference_of(first) == reference_of(second)


def test_both_settings_use_the_same_pair_of_instructions() -> None:
    used = set()
    for first, second in zip(RECORDS[::2], RECORDS[1::2], strict=True):
        fill = {"section": first["section"].lower(), "title": first["title"]}
        pairs = [
            (with_title.format(**fill), without_title.format(**fill))
            for with_title, without_title in build.INSTRUCTION_PAIRS
        ]
        used.add(pairs.index((instruction_of(first), instruction_of(second))))

    assert used == set(range(len(build.INSTRUCTION_PAIRS)))
    assert len(used) >= 5


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: str(record["id"]))
def test_instruction_names_the_title_only_where_the_setting_says_so(record: build.Record) -> None:
    asked = instruction_of(record).lower()

    assert record["section"].lower() in asked
    if record["setting"] == "with_title":
        assert record["title"].lower() in asked
    else:
        assert record["title"].lower() not in asked
        surname = record["artist"].split()[-1].lower()
        assert surname not in asked
        # Apart from the section, the sentence is one of the fixed templates, which know nothing
        # of the artwork: no other hint at it can slip in.
        bare = asked.replace(record["section"].lower(), "{section}")
        templates = [template.lower() for _, template in build.INSTRUCTION_PAIRS]
        assert bare in templates


@pytest.mark.parametrize("record", RECORDS[::2], ids=lambda record: str(record["question_id"]))
def test_reference_and_entities_keep_their_promises(record: build.Record) -> None:
    text = reference_of(record)
    entities = record["entities"]

    assert 50 <= len(text.split()) <= 150
    assert len(entities) >= 5
    assert len(set(entities)) == len(entities)
    for entity in entities:
        assert re.search(rf"(?<!\w){re.escape(entity)}(?!\w)", text), entity
        assert entity.lower() not in {"art", "artist", "painting", "colour", "museum", "work"}
    sentences = PunktSentenceTokenizer().tokenize(text)
    shared = [sum(occurs(entity, sentence) for entity in entities) for sentence in sentences]
    assert max(shared) >= 2
    assert record["title"] in text or any(word in text for word in record["artist"].split())


def test_conversations_have_the_two_turns_of_the_field() -> None:
    for record in RECORDS:
        human, gpt = record["conversations"]
        assert (human["from"], gpt["from"]) == ("human", "gpt")
        assert human["value"].startswith("<image>\n")
        assert human["value"].count("<image>") == 1
        assert human["value"].count("\n") == 1
        assert "<" not in gpt["value"]


def test_every_record_has_its_picture() -> None:
    for record in RECORDS:
        assert record["image"] == f"images/{slug_of(record)}.png"
        assert (FOLDER / record["image"]).is_file()


def test_works_date_from_before_1930_and_their_makers_died_by_1953() -> None:
    for record in RECORDS:
        years = [int(year) for year in re.findall(r"\d{4}", record["year"])]
        assert years
        assert max(years) < 1930
        assert YEAR_OF_DEATH[record["artist"]] <= 1953
    for path in (FOLDER / "artworks").glob("*.yaml"):
        fields = yaml.safe_load(path.read_text(encoding="utf-8"))
        assert fields["artist_died"] == YEAR_OF_DEATH[fields["artist"]]


TEXT = (FOLDER / "artworks" / "black-square.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (
            lambda text: text.replace("slug: black-square", "slug: other"),
            "must equal the file name",
        ),
        (lambda text: text.replace("split: train", "split: test"), "split is 'test'"),
        (lambda text: text.replace('year: "1915"', 'year: "1930"'), "must lie before 1930"),
        (
            lambda text: text.replace('year: "1915"', "year: 1915"),
            "year must be a non-empty string",
        ),
        (lambda text: text.replace("_died: 1935", "_died: 1954"), "artist_died is 1954"),
        (lambda text: text.replace("title:", "tilte:"), "unknown keys ['tilte']"),
        (lambda text: text.replace("seen_section: Legacy", "seen_section: X"), "'X' is not one of"),
        (lambda text: text.replace("heading: History", "heading: Legacy"), "same heading"),
        (lambda text: text.replace("- craquelure", "- crackle"), "'crackle' does not occur"),
        (lambda text: text.replace("- craquelure", "- Moscow"), "'Moscow' is repeated"),
        (lambda text: text.replace("- craquelure", "- Gallery"), "'Gallery' is repeated or part"),
        (lambda text: text.replace("- craquelure", "- painting"), "bare common word"),
        (lambda text: text.replace("      - oil paint\n      - craquelure\n", ""), "4 entities"),
        (lambda text: text.replace("- craquelure", "- 0.10"), "must be a list of strings"),
        (
            lambda text: re.sub(
                r"text: >-.*?entities", "text: x\n    entities", text, flags=re.DOTALL
            ),
            "1 words",
        ),
        (lambda text: re.sub(r"  - heading: Legacy.*", "", text, flags=re.DOTALL), "list of 4"),
        (lambda text: text + "\t: [", "not valid YAML"),
    ],
)
def test_a_broken_artwork_file_is_refused_in_words(
    tmp_path: Path, edit: Callable[[str], str], message: str
) -> None:
    path = tmp_path / "black-square.yaml"
    path.write_text(TEXT, encoding="utf-8")
    assert [artwork.slug for artwork in read_artworks(tmp_path)] == ["black-square"]

    path.write_text(edit(TEXT), encoding="utf-8")
    with pytest.raises(ArtworkFileError, match=re.escape(message)):
        read_artworks(tmp_path)


def test_an_artwork_without_picture_is_refused_by_name(tmp_path: Path) -> None:
    artworks = read_artworks(FOLDER / "artworks")
    for artwork in artworks:
        if artwork.slug != "senecio":
            (tmp_path / f"{artwork.slug}.png").touch()

    with pytest.raises(ArtworkFileError, match="no picture for senecio; draw them first"):
        build.check_images(artworks, tmp_path)


def test_a_template_that_names_the_artwork_without_title_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    artwork = read_artworks(FOLDER / "artworks")[0]
    leaky = (("Explain {title}.", "Explain {title}, {section}."),)
    monkeypatch.setattr(build, "INSTRUCTION_PAIRS", leaky)

    with pytest.raises(ArtworkFileError, match="names 'Airplane Flying'"):
        build.instruction(artwork, artwork.sections[0], "without_title")
