"""What the page is handed: by hand, for a sweep of two questions."""

import base64
import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from services.metrics.options import ScoringOptions
from services.sweep.plan.plan import Job
from services.sweep.report.evidence import Evidence
from services.sweep.report.gathering import gather_evidence
from services.sweep.report.references import References, find_references
from services.sweep.report.sources import open_sources
from services.sweep.report.viewer import data
from services.sweep.report.viewer.data import ViewerData, ViewerOptions
from services.sweep.report.viewer.packing import DataScript, ShownAnswer, ShownQuestion
from services.sweep.report.viewer.packing_processes import chunk_scripts
from tests.unit.sweep.report.asked_dataset import Asked, write_questions
from tests.unit.sweep.report.reported_sweep import finish_sweep

QUESTIONS = (
    Asked("one", "Rome, Paris and Rome.", ("Rome", "Paris", "Piet Mondrian")),
    Asked("two", "It is in the Louvre.", ()),
)
HOSTILE = "</script><script>alert(1)</script>\u2028 Rome"
SAID = {
    ("alpha", "one"): "Mondrian went to Rome.",
    ("alpha", "two"): "",
    ("beta", "one"): HOSTILE,
    ("beta", "two"): None,
}


def content(script: DataScript) -> Any:
    """What the page reads of a script."""
    found = re.fullmatch(r'expart\.add\("([\w/]+)","([\w+/=]+)"\);\n', script.text)
    assert found is not None
    assert found[1] == script.name
    return json.loads(gzip.decompress(base64.b64decode(found[2])))


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("viewer")
    finish_sweep(
        folder / "out",
        answer=lambda job: SAID[job.model.label, job.question.id],
        dataset=write_questions(folder / "dataset", QUESTIONS),
        splits=["test_seen"],
        metrics=["ef1", "ec_exact", "length"],
        controls=["none", "no_image"],
    )
    return folder / "out"


@pytest.fixture(scope="module")
def evidence(output: Path) -> Evidence:
    return gather_evidence(open_sources([str(output)]))


@pytest.fixture(scope="module")
def references(evidence: Evidence) -> References:
    found = find_references(evidence).references
    assert found is not None
    return found


@pytest.fixture(scope="module")
def contents(evidence: Evidence, references: References) -> dict[str, Any]:
    return {one.name: content(one) for one in ViewerData(evidence, references).scripts()}


def test_there_are_an_index_chunks_and_pictures(contents: dict[str, Any]) -> None:
    assert list(contents) == ["pictures/0", "chunk/0", "index"]


def test_the_index_says_of_each_question_what_it_can_be_found_by(contents: dict[str, Any]) -> None:
    questions = contents["index"]["questions"]
    assert questions == {
        "name": [
            *("test_seen/one/with_title", "test_seen/one/without_title"),
            *("test_seen/two/with_title", "test_seen/two/without_title"),
        ],
        "question_id": questions["question_id"],
        "title": ["Study one"] * 2 + ["Study two"] * 2,
        "artwork": ["Study one"] * 2 + ["Study two"] * 2,
        "section": ["History"] * 4,
        "setting": [0, 1, 0, 1],
        "part": [0] * 4,
        "chunk": [0] * 4,
        "offset": [0, 1, 2, 3],
    }
    ids = questions["question_id"]
    assert ids[0] == ids[1] != ids[2] == ids[3]


def test_the_index_has_the_answers_in_columns(contents: dict[str, Any]) -> None:
    index = contents["index"]
    assert (index["version"], index["shown"], index["total"], index["note"]) == (1, 16, 16, "")
    assert index["contenders"] == ["alpha", "alpha, no image", "beta", "beta, no image"]
    assert index["metrics"] == ["ef1", "ec_exact", "length"]
    answers = index["answers"]
    assert answers["question"] == [0] * 4 + [1] * 4 + [2] * 4 + [3] * 4
    assert answers["contender"] == [0, 1, 2, 3] * 4
    assert answers["replicate"] == [0] * 16
    assert answers["truncated"] == [0] * 16
    # Of the first question all are scored; of the other one alpha's have no value by the entity
    # metrics, as there are no entities, and beta's have failed.
    assert answers["status"] == [0] * 8 + [1, 1, 2, 2] * 2
    # One of three entities, times 100; "Mondrian went to Rome." has five tokens.
    assert answers["values"]["ec_exact"] == [33.33] * 8 + [None] * 8
    assert answers["values"]["length"][0] == 5
    assert answers["values"]["length"][8:12] == [0, 0, None, None]


def test_a_question_has_its_reference_entities_and_answers(contents: dict[str, Any]) -> None:
    question = contents["chunk/0"][0]
    assert question["instruction"] == "Explain the history of Study one."
    assert question["reference"] == [
        *(["Rome", 1, 0], [", ", 0, -1], ["Paris", 1, 1], [" and ", 0, -1], ["Rome", 1, 0]),
        [".", 0, -1],
    ]
    assert question["entities"] == [
        {"text": "Rome", "tokens": 1},
        {"text": "Paris", "tokens": 1},
        {"text": "Piet Mondrian", "tokens": 2},
    ]
    answer = question["answers"][0]
    assert answer["spans"] == [
        ["Mondrian", 2, 2],
        [" went to ", 0, -1],
        ["Rome", 1, 0],
        [".", 0, -1],
    ]
    assert answer["found"] == [2, 0, 1]
    assert (answer["contender"], answer["replicate"], answer["failure"]) == (0, 0, None)
    # The only entity that is found counts once of once, and once of the reference's three.
    assert answer["metrics"] == {"ef1": 50.0, "ec_exact": 33.33, "length": 5.0}


def test_the_other_setting_has_its_own_instruction(contents: dict[str, Any]) -> None:
    assert contents["chunk/0"][1]["instruction"] == "Explain the history of this artwork."


def test_texts_are_whole_however_hostile(contents: dict[str, Any]) -> None:
    answer = contents["chunk/0"][0]["answers"][2]
    assert "".join(text for text, _, _ in answer["spans"]) == HOSTILE
    assert answer["found"] == [2, 0, 0]


def test_an_empty_answer_is_none_that_failed(contents: dict[str, Any]) -> None:
    empty, _, failed, _ = contents["chunk/0"][2]["answers"]
    assert (empty["spans"], empty["found"], empty["failure"]) == ([], [], None)
    assert empty["metrics"] == {"ef1": "NO_ENTITIES", "ec_exact": "NO_ENTITIES", "length": 0}
    assert (failed["spans"], failed["found"], failed["metrics"]) == ([], [], {})
    assert failed["failure"] == "PROMPT_TOO_LONG: too long"


def test_answers_say_how_they_came_about(contents: dict[str, Any], evidence: Evidence) -> None:
    provenance = contents["chunk/0"][0]["answers"][0]["provenance"]
    assert provenance.items() >= {
        ("Sweep", "out"),
        ("Model", "alpha"),
        ("Revision", "r1"),
        ("Engine", "scripted 1"),
        ("Number format", "float32"),
        ("Tokens of the prompt", "20, 10 of them of the picture"),
        ("Tokens generated", "4"),
        ("Ended", "by itself"),
        ("Generated", "2026-01-01 00:00:01 UTC"),
        ("Key", evidence.key(0)),
    }
    assert "Quantisation" not in provenance


def test_a_picture_is_there_once_and_not_where_none_was_shown(contents: dict[str, Any]) -> None:
    [url] = contents["pictures/0"]
    assert base64.b64decode(url.removeprefix("data:image/webp;base64,"))[8:12] == b"WEBP"
    for question in contents["chunk/0"]:
        assert question["image"] == [0, 0]
        assert [answer.get("image", "as the question") for answer in question["answers"]] == [
            *("as the question", None, "as the question", None)
        ]


def test_without_the_dataset_there_are_texts_and_numbers(evidence: Evidence) -> None:
    found = {one.name: content(one) for one in ViewerData(evidence, None).scripts()}
    assert list(found) == ["chunk/0", "index"]
    question = found["chunk/0"][0]
    assert (question["reference"], question["entities"], question["image"]) == ([], [], None)
    assert question["instruction"] == "Explain the history of Study one."
    assert question["answers"][0]["spans"] == [["Mondrian went to Rome.", 0, -1]]
    assert question["answers"][0]["metrics"]["ec_exact"] == 33.33


def test_pictures_can_be_left_out(evidence: Evidence, references: References) -> None:
    shown = ViewerData(evidence, references, ViewerOptions(with_pictures=False))
    found = {one.name: content(one) for one in shown.scripts()}
    assert list(found) == ["chunk/0", "index"]
    assert all("image" not in answer for answer in found["chunk/0"][0]["answers"])


def test_a_sample_says_that_it_is_one(evidence: Evidence, references: References) -> None:
    shown = ViewerData(evidence, references, ViewerOptions(most_answers=8, with_pictures=False))
    index = content(list(shown.scripts())[-1])
    assert (index["shown"], index["total"], len(index["answers"]["status"])) == (8, 16, 8)
    assert (shown.shown, shown.total) == (8, 16)
    assert index["note"].startswith(
        "The answers shown are all those to a random sample of questions"
    )
    assert len(index["questions"]["name"]) == 2


def test_a_missing_picture_is_said_to_be(evidence: Evidence, output: Path, tmp_path: Path) -> None:
    folder = tmp_path / "moved"
    write_questions(folder, QUESTIONS)
    (folder / "images" / "one.png").unlink()
    shown = ViewerData(evidence, find_references(evidence, folder).references)
    found = {one.name: content(one) for one in shown.scripts()}
    assert list(found) == ["chunk/0", "index"]
    assert found["index"]["note"] == "1 of 1 pictures are left out: 1 missing."
    assert found["chunk/0"][0]["image"] is None


def test_a_chunk_ends_after_so_many_questions_or_answers(
    evidence: Evidence, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = {one.name: content(one) for one in ViewerData(evidence, None).scripts()}
    # Each question has four answers.
    for limit, value in (("_QUESTIONS_A_CHUNK", 3), ("_ANSWERS_A_CHUNK", 9)):
        with monkeypatch.context() as patch:
            patch.setattr(data, limit, value)
            found = {one.name: content(one) for one in ViewerData(evidence, None).scripts()}
        assert list(found) == ["chunk/0", "chunk/1", "index"]
        assert found["index"]["questions"]["chunk"] == [0, 0, 0, 1]
        assert found["index"]["questions"]["offset"] == [0, 1, 2, 0]
        assert found["index"]["answers"] == whole["index"]["answers"]
        assert found["chunk/0"] + found["chunk/1"] == whole["chunk/0"]


def test_answers_of_several_sweeps_stand_side_by_side(tmp_path: Path) -> None:
    dataset = write_questions(tmp_path / "dataset", QUESTIONS[:1])

    def says(job: Job) -> str:
        return f"{job.model.label} was in Paris."

    for name in ("first", "second"):
        finish_sweep(
            tmp_path / name,
            models=(name,),
            answer=says,
            dataset=dataset,
            splits=["test_seen"],
            settings=["with_title"],
            metrics=["length"],
            replicates=2,
            sampling={"temperature": 0.5},
        )
    evidence = gather_evidence(open_sources([str(tmp_path / "first"), str(tmp_path / "second")]))
    found = {one.name: content(one) for one in ViewerData(evidence, None).scripts()}
    answers = found["chunk/0"][0]["answers"]
    assert [(one["contender"], one["replicate"]) for one in answers] == [
        *((0, 0), (0, 1), (1, 0), (1, 1))
    ]
    assert [one["spans"][0][0].split()[0] for one in answers] == ["first"] * 2 + ["second"] * 2
    assert found["index"]["answers"]["replicate"] == [0, 1, 0, 1]
    assert found["index"]["questions"]["name"] == ["test_seen/one/with_title"]


def chunks_of(count: int) -> Iterator[list[ShownQuestion]]:
    for number in range(count):
        answer = ShownAnswer(0, 0, f"{number} Rome", None, {"length": 2.0}, {"Key": "k"}, None)
        yield [ShownQuestion("Explain.", "Rome.", ("Rome",), (0, number), (answer,))]


def test_processes_pack_the_same_in_the_same_order() -> None:
    here = list(chunk_scripts(chunks_of(12), ScoringOptions(), answers=12))
    there = list(chunk_scripts(chunks_of(12), ScoringOptions(), answers=100_000))
    assert here == there
    assert [script.name for script in here] == [f"chunk/{number}" for number in range(12)]
    assert content(here[3])[0]["answers"][0]["spans"] == [["3 ", 0, -1], ["Rome", 1, 0]]
