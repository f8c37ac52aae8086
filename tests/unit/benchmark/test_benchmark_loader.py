"""Reading datasets: every shape that a mapping describes, and every fault with its place."""

import json
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from services.benchmark.loader import load_dataset
from services.benchmark.mapping import built_in_mappings, load_mapping
from services.benchmark.records import Part, Question, Setting, Split
from services.core.errors import UserInputError

PROJECT = Path(__file__).resolve().parents[3]

MINI = {
    "id": "swan_history_with_title",
    "question_id": "swan_history",
    "setting": "with_title",
    "title": "The Swan",
    "section": "History",
    "image": "images/swan.png",
    "conversations": [
        {"from": "human", "value": "<image>\nExplain the history of The Swan."},
        {"from": "gpt", "value": "Painted in 1915."},
    ],
    "entities": ["1915"],
}


def write(folder: Path, records: object, name: str = "test_seen.json") -> Path:
    (folder / name).write_text(json.dumps(records))
    return folder


def load(folder: Path, *splits: Split) -> tuple[Question, ...]:
    return load_dataset(folder, splits or (Split.TEST_SEEN,)).questions


def failure(folder: Path) -> str:
    with pytest.raises(UserInputError) as caught:
        load(folder)
    assert "\n" not in caught.value.message
    return caught.value.message


def test_expart_mini_loads_whole_in_both_settings() -> None:
    dataset = load_dataset(PROJECT / "deploy" / "expart_mini", tuple(Split))
    assert dataset.mapping == "conversations-with-setting"
    by_setting = {
        setting: {q.question_id for q in dataset.questions if q.setting is setting}
        for setting in Setting
    }
    assert by_setting[Setting.WITH_TITLE] == by_setting[Setting.WITHOUT_TITLE]
    assert {question.split for question in dataset.questions} == set(Split)
    assert all("<image>" not in question.instruction for question in dataset.questions)
    assert all(question.entities for question in dataset.questions)


def test_a_record_of_expart_mini_becomes_one_question(tmp_path: Path) -> None:
    assert load(write(tmp_path, [MINI])) == (
        Question(
            id="swan_history_with_title",
            question_id="swan_history",
            artwork="The Swan",
            title="The Swan",
            section="History",
            setting=Setting.WITH_TITLE,
            split=Split.TEST_SEEN,
            instruction="Explain the history of The Swan.",
            reference="Painted in 1915.",
            entities=("1915",),
            image="images/swan.png",
        ),
    )


def test_without_a_setting_column_the_title_in_the_instruction_decides(tmp_path: Path) -> None:
    def record(number: int, instruction: str, title: str) -> dict[str, object]:
        turns = [
            {"from": "user", "value": f"<image>\n{instruction}"},
            {"from": "assistant", "value": "Painted in 1915."},
        ]
        rest = {"title": title, "image": "a.png", "entities": []}
        return {"id": number, "conversations": turns, **rest}

    questions = load(
        write(
            tmp_path,
            [
                record(1, "Explain the history of The Swan.", "The Swan"),
                record(2, "Explain the history of this artwork.", "The Swan"),
                record(3, "Explain the history of The Kiss.", "The Kiss (Klimt)"),
                # "Composition" is the title, "composition" the topic: not the same word.
                record(4, "Explain the composition of this artwork.", "Composition"),
                record(5, "Explain the Swansong of this artwork.", "Swan"),
            ],
        )
    )
    assert [question.setting for question in questions] == [
        Setting.WITH_TITLE,
        Setting.WITHOUT_TITLE,
        Setting.WITH_TITLE,
        Setting.WITHOUT_TITLE,
        Setting.WITHOUT_TITLE,
    ]
    assert questions[0].id == "1"
    assert questions[0].entities == ()


@pytest.mark.parametrize("shape", ["marker", "tag", "flat"])
def test_rows_of_one_question_in_two_settings_share_its_name(tmp_path: Path, shape: str) -> None:
    def record(number: int, instruction: str, section: str, reference: str) -> dict[str, object]:
        rest = {"id": number, "title": "The Swan", "section": section, "entities": []}
        if shape == "flat":
            return {**rest, "image": "a.png", "instruction": instruction, "reference": reference}
        if shape == "marker":
            marker, picture = "<image>", {"image": "a.png"}
        else:
            marker, picture = "<img>a.png</img>", {}
        turns = [
            {"from": "human", "value": f"{marker}\n{instruction}"},
            {"from": "gpt", "value": reference},
        ]
        return {**rest, **picture, "conversations": turns}

    questions = load(
        write(
            tmp_path,
            [
                record(1, "Explain the history of The Swan.", "History", "Painted in 1915."),
                record(2, "Explain the history of this artwork.", "History", "Painted in 1915."),
                record(3, "Explain the legacy of The Swan.", "Legacy", "Painted in 1915."),
                record(4, "Explain the history of The Swan.", "History", "Shown in 1986."),
            ],
        )
    )
    first, second, *others = [question.question_id for question in questions]
    assert first == second
    assert len({first, *others}) == 3
    assert len({question.name for question in questions}) == 4


def test_an_image_tag_in_the_instruction_gives_the_picture(tmp_path: Path) -> None:
    turns = [
        {"from": "user", "value": "<img>https://a.org/w/Swan.jpg</img>\nExplain The Swan."},
        {"from": "assistant", "value": "Painted in 1915."},
    ]
    record = {"id": "7", "title": "The Swan", "conversations": turns, "entities": ["1915"]}
    dataset = load_dataset(write(tmp_path, [record]), [Split.TEST_SEEN])
    assert dataset.mapping == "conversations-image-tag"
    (question,) = dataset.questions
    assert question.image == "https://a.org/w/Swan.jpg"
    assert question.instruction == "Explain The Swan."


FLAT = {
    "id": "7",
    "title": "The Swan",
    "section": "History",
    "image_url": "https://a.org/w/Swan.jpg",
    "instruction_with_title": "Explain the history of The Swan.",
    "instruction_without_title": "Explain the history of this artwork.",
    "reference": "Painted in 1915.",
    "entities": ["1915", "1915", " Af Klint "],
}


@pytest.mark.parametrize("suffix", [".json", ".jsonl", ".parquet"])
def test_two_instructions_of_a_flat_record_become_two_questions(
    tmp_path: Path, suffix: str
) -> None:
    file = tmp_path / f"test_seen{suffix}"
    if suffix == ".parquet":
        parquet.write_table(pa.Table.from_pylist([FLAT]), file)
    elif suffix == ".jsonl":
        file.write_text(json.dumps(FLAT) + "\n\n")
    else:
        file.write_text(json.dumps([FLAT]))
    with_title, without_title = load(tmp_path)
    assert with_title.setting is Setting.WITH_TITLE
    assert without_title.instruction == "Explain the history of this artwork."
    assert with_title.question_id == without_title.question_id == "7"
    assert with_title.name != without_title.name
    # A set in the record's order, without stray blanks.
    assert with_title.entities == ("1915", "Af Klint")


def test_parts_come_from_the_files_names(tmp_path: Path) -> None:
    write(tmp_path, [MINI])
    write(tmp_path, [MINI], "test_unseen.json")
    seen, unseen = load(tmp_path, Split.TEST_SEEN, Split.TEST_UNSEEN)
    assert (seen.split.part, unseen.split.part) == (Part.SEEN, Part.UNSEEN)
    assert Split.TRAIN.part is None


def test_a_missing_file_is_named_with_the_files_that_are_there(tmp_path: Path) -> None:
    write(tmp_path, [MINI], "test.json")
    message = failure(tmp_path)
    assert "test_seen.json" in message
    assert "is missing; found: test.json" in message


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    assert f"{tmp_path / 'no'}: there is no such dataset folder" in failure(tmp_path / "no")


def test_a_record_that_fits_no_mapping_is_shown_with_what_each_wants(tmp_path: Path) -> None:
    message = failure(write(tmp_path, [{"id": 1, "name": "The Swan", "text": "Painted."}]))
    assert "test_seen.json: record 1 fits no built-in field mapping" in message
    assert "fields found: id, name, text" in message
    for mapping in built_in_mappings():
        assert f"for '{mapping.name}' it lacks" in message
    assert "dataset.mapping" in message


def test_a_later_record_of_another_shape_is_named_with_its_number(tmp_path: Path) -> None:
    odd = {key: value for key, value in MINI.items() if key != "entities"} | {"terms": []}
    message = failure(write(tmp_path, [MINI, odd]))
    assert "test_seen.json: record 2 does not fit" in message
    assert "'conversations-with-setting'" in message
    assert "it lacks entities" in message
    fields = "id, question_id, setting, title, section, image, conversations, terms"
    assert f"fields found: {fields};" in message
    assert "fields wanted: id, title, entities, image, conversations, setting" in message


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"title": "  "}, "column 'title' is empty"),
        ({"title": ["The Swan"]}, "column 'title' is no text"),
        ({"setting": "both"}, "column 'setting' is 'both', which is none of with_title, without"),
        ({"entities": "1915"}, "column 'entities' is no list of texts"),
        ({"entities": ["1915", ""]}, "column 'entities' holds an empty entity"),
        ({"entities": [1915]}, "column 'entities' is no list of texts"),
        (
            {"conversations": [{"from": "human", "value": "<image>\n "}, MINI["conversations"][1]]},
            "the instruction is empty",
        ),
        (
            {"conversations": [MINI["conversations"][0], {"from": "gpt", "value": ""}]},
            "the reference is empty",
        ),
        (
            {"conversations": [{"from": "human", "value": "No."}, MINI["conversations"][1]]},
            "its instruction holds no image marker",
        ),
        ({"conversations": [MINI["conversations"][0]]}, "no turn whose 'from' is gpt or assistant"),
        ({"conversations": "text"}, "column 'conversations' is no list of turns"),
        ({"image": None}, "it lacks image"),
    ],
)
def test_a_planted_fault_is_named_with_file_and_record(
    tmp_path: Path, change: dict[str, object], complaint: str
) -> None:
    other = {**MINI, "id": "other"}
    message = failure(write(tmp_path, [other, {**MINI, **change}]))
    assert "test_seen.json: record 2" in message
    assert complaint in message
    assert "'conversations-with-setting'" in message


def test_two_records_of_the_same_question_are_refused(tmp_path: Path) -> None:
    message = failure(write(tmp_path, [MINI, MINI]))
    assert "two records of test_seen have id 'swan_history_with_title'" in message


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("[{", "no JSON"),
        ('{"data":\n [1]}', "it is one JSON object with data; records must be a JSON list"),
        ("[" * 100_000, "nested too deeply"),
        (json.dumps(MINI) + '\n{"id"', "line 2 is no JSON"),
        ("[1]", "record 1 is no object but a value of type int"),
        ("[]", "no record at all"),
        ("", "no record at all"),
    ],
)
def test_a_file_that_is_no_list_of_records_is_named(
    tmp_path: Path, content: str, complaint: str
) -> None:
    (tmp_path / "test_seen.json").write_text(content)
    message = failure(tmp_path)
    assert complaint in message
    assert "test_seen.json" in message


def test_the_digest_follows_the_content(tmp_path: Path) -> None:
    before = load_dataset(write(tmp_path, [MINI]), [Split.TEST_SEEN]).digest
    assert load_dataset(tmp_path, [Split.TEST_SEEN]).digest == before
    write(tmp_path, [{**MINI, "section": "Legacy"}])
    assert load_dataset(tmp_path, [Split.TEST_SEEN]).digest != before


MAPPING = """
name: museum
columns: {id: number, title: work, entities: terms, image: file, instruction: ask, reference: text}
setting: {rule: value_map, column: mode, values: {named: with_title, unnamed: without_title}}
"""


def test_a_users_mapping_reads_a_shape_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "museum.yaml").write_text(MAPPING)
    mapping = load_mapping(tmp_path / "museum.yaml")
    record = {"number": 4, "work": "The Swan", "terms": [], "file": "s.png", "ask": "Why?"}
    record |= {"text": "Because.", "mode": "unnamed"}
    (question,) = load_dataset(write(tmp_path, [record]), [Split.TEST_SEEN], mapping).questions
    assert (question.id, question.setting) == ("4", Setting.WITHOUT_TITLE)


def test_a_users_mapping_that_does_not_fit_is_not_replaced_by_another(tmp_path: Path) -> None:
    (tmp_path / "museum.yaml").write_text(MAPPING)
    mapping = load_mapping(tmp_path / "museum.yaml")
    with pytest.raises(UserInputError, match="record 1 does not fit the field mapping 'museum'"):
        load_dataset(write(tmp_path, [MINI]), [Split.TEST_SEEN], mapping)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (MAPPING.replace("columns:", "colums:"), "colums"),
        (MAPPING.replace(", reference: text", ""), "nowhere where the reference is"),
        (MAPPING.replace(", instruction: ask", ""), "nowhere where the instruction is"),
        (MAPPING.replace(", image: file", ""), "nowhere where the picture is"),
        (MAPPING.replace("rule: value_map", "rule: guess"), "setting"),
        ("name: [", "no YAML"),
    ],
)
def test_a_mapping_that_is_incomplete_is_refused_with_its_file(
    tmp_path: Path, text: str, complaint: str
) -> None:
    file = tmp_path / "museum.yaml"
    file.write_text(text)
    with pytest.raises(UserInputError) as caught:
        load_mapping(file)
    assert str(file) in caught.value.message
    assert complaint in caught.value.message


def test_a_mapping_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserInputError, match=r"no\.yaml: cannot read the field mapping"):
        load_mapping(tmp_path / "no.yaml")


def test_a_byte_order_mark_is_no_part_of_the_records(tmp_path: Path) -> None:
    (tmp_path / "test_seen.json").write_bytes(b"\xef\xbb\xbf" + json.dumps([MINI]).encode())
    assert len(load_dataset(tmp_path, [Split.TEST_SEEN]).questions) == 1


def test_a_file_in_place_of_the_folder_is_told_apart_from_none(tmp_path: Path) -> None:
    file = tmp_path / "test_seen.json"
    file.write_text(json.dumps([MINI]))
    with pytest.raises(UserInputError, match="this is a file; name the folder that holds it"):
        load_dataset(file, [Split.TEST_SEEN])
