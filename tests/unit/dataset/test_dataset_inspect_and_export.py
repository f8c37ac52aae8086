"""Guessing mappings, exporting for training, and the commands end to end."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from services.benchmark.loader import load_dataset
from services.benchmark.mapping import load_mapping
from services.benchmark.records import Setting, Split
from services.core.errors import UserInputError
from services.dataset.export import ExportFormat, export
from services.dataset.inspection import inspect_file
from tests.unit.dataset.hostile_server import Exchange, content, hostile_server, picture

PROJECT = Path(__file__).resolve().parents[3]
# Nothing here takes so long; it only keeps a fault of ours from stopping the whole suite.
WAIT_S = 120
MINI = PROJECT / "deploy" / "expart_mini"

STRANGE = [
    {
        "uid": number,
        "artwork_title": "The Swan",
        "hyperlinks": ["1915"],
        "photo_url": f"http://127.0.0.1:{{port}}/{number}.png",
        "user_prompt": "Explain the history.",
        "gold_answer": f"Painted in 1915, text {number}.",
        "mode": ("with", "without")[number % 2],
    }
    for number in range(4)
]


def expart(*arguments: object, code: int = 0) -> str:
    command = [sys.executable, "-m", "services.cli", "dataset", *map(str, arguments)]
    done = subprocess.run(
        command, cwd=PROJECT, capture_output=True, text=True, timeout=WAIT_S, check=False
    )
    assert done.returncode == code, done.stderr
    return done.stdout


def test_a_guess_is_a_mapping_that_reads_the_file(tmp_path: Path) -> None:
    (tmp_path / "test_seen.json").write_text(json.dumps(STRANGE))
    found = inspect_file(tmp_path / "test_seen.json")
    assert (found.is_complete, found.fitting, found.records) == (True, 4, 4)
    (tmp_path / "guess.yaml").write_text(found.text)
    mapping = load_mapping(tmp_path / "guess.yaml")
    questions = load_dataset(tmp_path, [Split.TEST_SEEN], mapping).questions
    assert [question.setting for question in questions] == [
        Setting.WITH_TITLE, Setting.WITHOUT_TITLE, Setting.WITH_TITLE, Setting.WITHOUT_TITLE
    ]  # fmt: skip
    assert questions[0].reference == "Painted in 1915, text 0."
    assert questions[0].entities == ("1915",)


def test_a_conversation_in_an_unknown_dress_is_guessed(tmp_path: Path) -> None:
    records = [
        {
            "key": f"k{number}",
            "name": "The Swan",
            "links": ["1915"],
            "dialogue": [
                {"role": "curator", "content": "<img>a.png</img>\nExplain The Swan."},
                {"role": "expert", "content": f"Painted in 1915, text {number}."},
            ],
        }
        for number in range(3)
    ]
    (tmp_path / "test_seen.json").write_text(json.dumps(records))
    found = inspect_file(tmp_path / "test_seen.json")
    assert (found.is_complete, found.fitting) == (True, 3)
    (tmp_path / "guess.yaml").write_text(found.text)
    mapping = load_mapping(tmp_path / "guess.yaml")
    question = load_dataset(tmp_path, [Split.TEST_SEEN], mapping).questions[0]
    assert (question.image, question.instruction) == ("a.png", "Explain The Swan.")


def test_what_cannot_be_guessed_is_said(tmp_path: Path) -> None:
    (tmp_path / "rows.json").write_text(json.dumps([{"id": 1, "blob": "x\n: y"}]))
    found = inspect_file(tmp_path / "rows.json")
    assert not found.is_complete
    assert "FILL_IN" in found.text


def test_a_file_that_a_built_in_mapping_reads_says_so() -> None:
    found = inspect_file(MINI / "train.json")
    assert "built-in mapping 'conversations-with-setting' reads them" in found.text
    assert found.fitting == found.records == 120


@pytest.mark.parametrize("shape", list(ExportFormat))
def test_the_training_split_is_exported_whole_in_every_shape(
    tmp_path: Path, shape: ExportFormat
) -> None:
    out = tmp_path / "train.out"
    done = export(MINI, out, shape)
    assert (done.written, done.without_picture) == (120, 0)
    question = load_dataset(MINI, [Split.TRAIN]).questions[0]
    text = out.read_text()
    if shape is ExportFormat.LLAVA:
        examples = json.loads(text)
        first = examples[0]
        assert first["image"] == question.image
        assert first["conversations"] == [
            {"from": "human", "value": f"<image>\n{question.instruction}"},
            {"from": "gpt", "value": question.reference},
        ]
        assert len({item["id"] for item in examples}) == len(examples) == 120
        return
    lines = text.splitlines()
    first = json.loads(lines[0])
    assert len(lines) == 120
    assert first["images"] == [question.image]
    asked, answer = (message["content"] for message in first["messages"])
    if shape is ExportFormat.MESSAGES:
        assert (asked, answer) == (f"<image>\n{question.instruction}", question.reference)
    else:
        assert asked == [{"type": "image"}, {"type": "text", "text": question.instruction}]
        assert answer == [{"type": "text", "text": question.reference}]


def test_a_new_shape_goes_from_inspect_to_export_without_code(tmp_path: Path) -> None:
    with hostile_server() as server:
        for number in range(4):
            server.serve(f"/{number}.png", content(picture(number)))
        raw = tmp_path / "raw"
        raw.mkdir()
        text = json.dumps(STRANGE).replace("{port}", str(server.port))
        (raw / "train.json").write_text(text)
        mapping, folder, out = tmp_path / "m.yaml", tmp_path / "out", tmp_path / "train.json"
        mapping.write_text(expart("inspect", raw / "train.json"))
        shown = expart(
            "prepare", folder, "--from", raw, "--split", "train", "--mapping", mapping,
            "--allow-network", "127.0.0.1/32", "--contact", "a@example.org",
            "--requests-per-second", "1000",
        )  # fmt: skip
        assert "4 of 4 pictures" in shown
        assert "4 examples" in expart("export", folder, out)
        for number, example in enumerate(json.loads(out.read_text())):
            assert (folder / example["image"]).read_bytes() == picture(number)


def test_ctrl_c_ends_a_download_with_one_line_and_the_next_run_goes_on(tmp_path: Path) -> None:
    with hostile_server() as server:
        goes_on = threading.Event()

        def script(ask: Exchange, number: int) -> None:
            goes_on.wait(WAIT_S)
            ask.answer(200, picture(2))

        server.serve("/0.png", lambda ask, _: ask.answer(200, picture(1)))
        server.serve("/1.png", script)
        raw = tmp_path / "raw"
        raw.mkdir()
        text = json.dumps(STRANGE[:2]).replace("{port}", str(server.port))
        (raw / "train.json").write_text(text)
        mapping, folder = tmp_path / "m.yaml", tmp_path / "out"
        mapping.write_text(inspect_file(raw / "train.json").text)
        command = [
            "prepare", folder, "--from", raw, "--split", "train", "--mapping", mapping,
            "--allow-network", "127.0.0.1/32", "--contact", "a@example.org",
        ]  # fmt: skip
        process = subprocess.Popen(
            [sys.executable, "-m", "services.cli", "dataset", *map(str, command)],
            cwd=PROJECT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "EXPART_DATASET_READ_TIMEOUT_S": str(WAIT_S)},
        )
        try:
            deadline = time.monotonic() + WAIT_S
            journal = folder / "images.jsonl"
            while not (journal.exists() and server.requests["/1.png"]):
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.05)
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=WAIT_S)
        finally:
            goes_on.set()
            process.kill()
            process.wait()
        assert process.returncode == 130
        assert errors.endswith("expart: interrupted\n")
        assert "Traceback" not in errors
        assert "2 of 2 pictures" in expart(*command)
        assert len(server.requests["/0.png"]) == 1


def test_a_mapping_that_reads_everything_is_not_called_a_guess(tmp_path: Path) -> None:
    assert "a first guess" not in inspect_file(MINI / "test_seen.json").text
    empty = tmp_path / "empty.json"
    empty.write_text("[]")
    with pytest.raises(UserInputError, match="it holds no record"):
        inspect_file(empty)


def test_an_export_to_a_folder_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(UserInputError, match=r"there is no folder .*nowhere"):
        export(MINI, tmp_path / "nowhere" / "train.json", ExportFormat.LLAVA)
