"""Preparing folders: from a folder, from a stand-in for the hub, and again."""

import io
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet
from rich.console import Console

from services.benchmark.images import PictureStore
from services.benchmark.loader import load_dataset
from services.benchmark.prepared import dataset_revision, read_lines
from services.benchmark.records import Split
from services.cli.settings import child_environment
from services.core.errors import UserInputError
from services.dataset.prepare import Preparation, Prepared, prepare
from services.dataset.source import Source
from tests.unit.dataset.fake_hub import COMMIT, OTHER_COMMIT, fake_hub
from tests.unit.dataset.hostile_server import HostileServer, hostile_server, picture, quick

PROJECT = Path(__file__).resolve().parents[3]


def record(name: str, image: str, instruction: str = "Explain The Swan.") -> dict[str, object]:
    turns = [
        {"from": "human", "value": f"<image>\n{instruction}"},
        {"from": "gpt", "value": "Painted in 1915."},
    ]
    rest = {"title": "The Swan", "image": image, "entities": ["1915"]}
    return {"id": name, "conversations": turns, **rest}


@pytest.fixture
def server() -> Iterator[HostileServer]:
    with hostile_server() as state:
        yield state


def run(
    folder: Path, source: Source, console: Console | None = None, **changes: object
) -> Prepared:
    job = Preparation(folder, source, (Split.TEST_SEEN,), **changes)  # type: ignore[arg-type]
    return prepare(job, quick(), console or Console(quiet=True))


def write(folder: Path, records: object) -> Source:
    folder.mkdir(exist_ok=True)
    (folder / "test_seen.json").write_text(json.dumps(records))
    return Source(folder)


def test_a_second_run_asks_only_for_what_is_worth_it(tmp_path: Path, server: HostileServer) -> None:
    good = server.serve("/good.png", lambda ask, _: ask.answer(200, picture()))
    gone = server.serve("/gone.png", lambda ask, _: ask.answer(404))
    moody = server.serve(
        "/moody.png", lambda ask, n: ask.answer(*((200, picture(3)) if n > 1 else (500, b"")))
    )
    images = {"1": good, "2": gone, "3": moody}
    source = write(tmp_path / "raw", [record(name, url) for name, url in images.items()])
    first = run(tmp_path / "out", source)
    assert first == Prepared(3, 1, {"NOT_FOUND": 1, "SERVER_ERROR": 1}, 1)
    second = run(tmp_path / "out", source)
    assert second == Prepared(3, 2, {"NOT_FOUND": 1}, 0)
    asked = {path: len(requests) for path, requests in server.requests.items()}
    # moody: twice in the first run, which has two attempts, and once in the second.
    assert asked == {"/good.png": 1, "/gone.png": 1, "/moody.png": 3}
    run(tmp_path / "out", source, retry_dead=True)
    assert len(server.requests["/gone.png"]) == 2
    manifest = json.loads((tmp_path / "out" / "dataset.json").read_text())
    assert manifest["images"]["held"] == 2
    dataset = load_dataset(tmp_path / "out", [Split.TEST_SEEN])
    assert manifest["digest"] == dataset.digest
    assert PictureStore(tmp_path / "out").read(moody) == picture(3)


def test_every_faulty_record_is_named(tmp_path: Path) -> None:
    records = [record(str(number), "a.png") for number in range(4)]
    records[1]["title"] = " "
    records[3]["entities"] = "1915"
    records.append(record("0", "a.png"))
    console = Console(record=True, quiet=False, width=200, file=(tmp_path / "shown").open("w"))
    with pytest.raises(
        UserInputError, match=r"3 of 5 records are faulty, the first: test_seen.json: record 2"
    ):
        run(tmp_path / "out", write(tmp_path / "raw", records), console)
    shown = console.export_text()
    assert "record 2: column 'title' is empty" in shown
    assert "record 4: column 'entities' is no list of texts" in shown
    assert "record 5: id '0' is there twice in with_title" in shown
    console.file.close()


def shapes_of(records: list[object]) -> dict[str, bytes]:
    """The same records in each shape of file that can hold them."""
    lines = [record if isinstance(record, str) else json.dumps(record) for record in records]
    rows = [pa.Table.from_pylist([item]) for item in records if isinstance(item, dict)]
    table = io.BytesIO()
    parquet.write_table(pa.concat_tables(rows, promote_options="default"), table)
    return {
        "test_seen.json": json.dumps(records).encode(),
        "test_seen.jsonl": "\n".join([lines[0], "", *lines[1:]]).encode(),
        "test_seen.parquet": table.getvalue(),
    }


# The number of each faulty record. Parquet holds objects only, so that the third is not in it.
FAULTY = {"test_seen.json": [1, 3, 5], "test_seen.jsonl": [1, 3, 5], "test_seen.parquet": [1, 4]}


@pytest.mark.parametrize("name", sorted(FAULTY))
def test_faulty_records_are_left_out_where_asked_and_listed(tmp_path: Path, name: str) -> None:
    records: list[object] = [record(str(number), "a.png") for number in range(5)]
    records[0] = {"something": "else"}  # no built-in mapping fits the first record
    records[2] = "no record"
    records[4] = record("1", "a.png")  # the id is there already
    raw = tmp_path / "raw"
    raw.mkdir()
    (raw / name).write_bytes(shapes_of(records)[name])
    done = run(tmp_path / "out", Source(raw), with_images=False, skip_bad=True)
    assert done.left_out == len(FAULTY[name])
    listed = list(read_lines(tmp_path / "out" / "bad_records.jsonl"))
    assert [row["record"] for row in listed] == FAULTY[name]
    assert all(row["file"] == name and row["reason"] for row in listed)
    dataset = load_dataset(tmp_path / "out", [Split.TEST_SEEN])  # as a sweep does
    assert [question.id for question in dataset.questions] == ["1", "3"]
    manifest = json.loads((tmp_path / "out" / "dataset.json").read_text())
    assert manifest["digest"] == dataset.digest
    assert manifest["files"][name]["records"] == 2
    assert manifest["files"][name]["left_out"] == len(FAULTY[name])
    assert (raw / name).read_bytes() == shapes_of(records)[name]
    with pytest.raises(UserInputError, match=f"{done.left_out} of .* records are faulty"):
        run(tmp_path / "out", Source(raw), with_images=False)


def test_the_list_of_faulty_records_goes_with_the_last_of_them(tmp_path: Path) -> None:
    good = record("1", "a.png")
    run(tmp_path / "out", write(tmp_path / "raw", [{}, good]), with_images=False, skip_bad=True)
    assert (tmp_path / "out" / "bad_records.jsonl").is_file()
    run(tmp_path / "out", write(tmp_path / "raw", [good]), with_images=False, skip_bad=True)
    assert not (tmp_path / "out" / "bad_records.jsonl").exists()


def test_ones_own_files_are_not_rewritten_in_place(tmp_path: Path) -> None:
    source = write(tmp_path / "raw", [{}, record("1", "a.png")])
    with pytest.raises(UserInputError, match="name another folder"):
        run(tmp_path / "raw", source, skip_bad=True)
    assert json.loads((tmp_path / "raw" / "test_seen.json").read_text())[0] == {}


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ([], "no record at all"),
        ([{"something": "else"}], "record 1 fits no built-in field mapping; fields found: somethi"),
        ([record("1", "")], "every record is faulty"),
    ],
)
def test_a_dataset_without_a_good_record_is_refused(
    tmp_path: Path, records: list[object], message: str
) -> None:
    source = write(tmp_path / "raw", records)
    with pytest.raises(UserInputError, match=message):
        run(tmp_path / "out", source, with_images=False, skip_bad=True)


def test_expart_mini_is_prepared_with_its_own_pictures(tmp_path: Path) -> None:
    done = run(tmp_path / "out", Source(PROJECT / "deploy" / "expart_mini"))
    assert (done.wanted, done.held, done.dead) == (20, 20, {})
    dataset = load_dataset(tmp_path / "out", [Split.TEST_SEEN])
    store = PictureStore(tmp_path / "out")
    for question in dataset.questions:
        original = PROJECT / "deploy" / "expart_mini" / question.image
        assert store.read(question.image) == original.read_bytes()


def test_a_path_out_of_the_source_is_a_dead_link(tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(picture())
    done = run(tmp_path / "out", write(tmp_path / "raw", [record("1", "../secret.png")]))
    assert done.dead == {"MISSING_FILE": 1}


def from_hub(server: HostileServer, folder: Path, revision: str) -> str:
    """Runs the command with the stand-in as the hub; gives what it says on standard error."""
    command = ["prepare", folder, "--split", "test_seen", "--no-images", "--revision", revision]
    done = subprocess.run(
        [sys.executable, "-m", "services.cli", "dataset", *map(str, command)],
        cwd=PROJECT,
        env=child_environment(HF_ENDPOINT=server.url(""), HF_HOME=str(folder / "cache")),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.stderr


@pytest.mark.parametrize(("revision", "commit"), [(COMMIT[:7], COMMIT), ("main", OTHER_COMMIT)])
def test_the_hub_is_asked_for_a_commit_and_the_manifest_names_it(
    tmp_path: Path, revision: str, commit: str
) -> None:
    with fake_hub([record("1", "a.png")]) as server:
        said = from_hub(server, tmp_path, revision)
        assert dataset_revision(tmp_path) == f"naist-nlp/ExpArt@{commit}", said
        assert len(load_dataset(tmp_path, [Split.TEST_SEEN]).questions) == 1
        asked = {path for path in server.requests if "/resolve/" in path}
        assert asked == {f"/datasets/naist-nlp/ExpArt/resolve/{commit}/test_seen.json"}


def test_a_commit_that_the_hub_does_not_know_is_named(tmp_path: Path) -> None:
    with fake_hub([]) as server:
        assert "no commits begin with 1234567" in from_hub(server, tmp_path, "1234567")


MAPPING = """
name: museum
columns: {id: number, title: work, entities: terms, image: file, instruction: ask, reference: text}
setting: {rule: value_map, column: mode, values: {named: with_title, unnamed: without_title}}
"""


def test_a_mapping_of_ones_own_goes_with_the_folder(tmp_path: Path, server: HostileServer) -> None:
    url = server.serve("/s.png", lambda ask, _: ask.answer(200, picture()))
    entry = {"number": 4, "work": "The Swan", "terms": [], "file": url, "ask": "Why?"}
    source = write(tmp_path / "raw", [entry | {"text": "Because.", "mode": "unnamed"}])
    (tmp_path / "museum.yaml").write_text(MAPPING)
    run(tmp_path / "out", source, mapping=tmp_path / "museum.yaml")
    dataset = load_dataset(tmp_path / "out", [Split.TEST_SEEN])  # as a sweep does
    assert dataset.mapping == "museum"
    assert PictureStore(tmp_path / "out").read(dataset.questions[0].image) == picture()


def test_a_file_of_another_form_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    run(tmp_path / "out", write(tmp_path / "old", [record("1", "a.png")]), with_images=False)
    new = tmp_path / "new"
    new.mkdir()
    (new / "test_seen.jsonl").write_text(json.dumps(record("2", "a.png")) + "\n")
    run(tmp_path / "out", Source(new), with_images=False)
    dataset = load_dataset(tmp_path / "out", [Split.TEST_SEEN])
    assert [question.id for question in dataset.questions] == ["2"]
    manifest = json.loads((tmp_path / "out" / "dataset.json").read_text())
    assert manifest["digest"] == dataset.digest


def test_ones_own_files_of_another_form_are_left_alone(tmp_path: Path) -> None:
    source = write(tmp_path / "raw", [record("1", "a.png")])
    (tmp_path / "raw" / "test_seen.jsonl").write_text(json.dumps(record("2", "a.png")) + "\n")
    run(tmp_path / "raw", source, with_images=False)
    assert (tmp_path / "raw" / "test_seen.jsonl").is_file()


@pytest.mark.parametrize("in_place", [False, True])
def test_a_local_picture_that_was_exchanged_is_taken_again(tmp_path: Path, in_place: bool) -> None:
    source = write(tmp_path / "raw", [record("1", "a.png")])
    folder = tmp_path / ("raw" if in_place else "out")
    file = tmp_path / "raw" / "a.png"
    for shade in (1, 2):
        file.write_bytes(picture(shade))
        assert run(folder, source).held == 1
        assert PictureStore(folder).read("a.png") == picture(shade)
    file.write_bytes(b"no picture")
    done = run(folder, source)
    assert (done.held, done.dead) == (0, {"NOT_AN_IMAGE": 1})
    file.write_bytes(picture(3))  # mended: nobody has to ask for it
    assert run(folder, source).held == 1
    assert PictureStore(folder).read("a.png") == picture(3)


def test_a_local_picture_whose_original_is_gone_is_kept(tmp_path: Path) -> None:
    source = write(tmp_path / "raw", [record("1", "a.png")])
    (tmp_path / "raw" / "a.png").write_bytes(picture())
    run(tmp_path / "out", source)
    (tmp_path / "raw" / "a.png").unlink()
    assert run(tmp_path / "out", source).held == 1


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}


def test_what_is_wrong_leaves_a_good_folder_as_it_was(tmp_path: Path) -> None:
    source = write(tmp_path / "raw", [record("1", "a.png")])
    run(tmp_path / "out", source, with_images=False)
    before = contents(tmp_path / "out")
    (tmp_path / "museum.yaml").write_text(MAPPING)  # of records of another shape
    with pytest.raises(UserInputError, match="1 of 1 records are faulty"):
        run(tmp_path / "out", source, mapping=tmp_path / "museum.yaml")
    with pytest.raises(UserInputError, match="1 of 2 records are faulty"):
        run(tmp_path / "out", write(tmp_path / "bad", [record("1", "a.png"), {}]))
    assert contents(tmp_path / "out") == before
    assert len(load_dataset(tmp_path / "out", [Split.TEST_SEEN]).questions) == 1


def test_a_picture_that_a_limit_refused_is_asked_for_again_when_the_limit_changes(
    tmp_path: Path, server: HostileServer
) -> None:
    large, wide = picture(1, size=(200, 200)), picture(2, size=(90, 90))
    urls = [
        server.serve("/large.png", lambda ask, _: ask.answer(200, large)),
        server.serve("/wide.png", lambda ask, _: ask.answer(200, wide)),
    ]
    source = write(tmp_path / "raw", [record(str(n), url) for n, url in enumerate(urls)])
    job = Preparation(tmp_path / "out", source, (Split.TEST_SEEN,))
    small = quick(max_bytes=20_000, max_pixels=50 * 50)
    private = quick(allowed_networks=())
    quiet = Console(quiet=True)
    assert prepare(job, private, quiet).dead == {"FORBIDDEN_ADDRESS": 2}
    for _ in range(2):  # the second asks for nothing
        assert prepare(job, small, quiet).dead == {"TOO_LARGE": 1, "TOO_MANY_PIXELS": 1}
    assert [len(asked) for asked in server.requests.values()] == [1, 1]
    assert prepare(job, quick(), quiet) == Prepared(2, 2, {}, 0)


def test_what_a_host_was_not_asked_for_comes_first_in_the_next_run(
    tmp_path: Path, server: HostileServer
) -> None:
    data = picture()
    urls = [server.serve(f"/{n}.png", lambda ask, _: ask.answer(403)) for n in range(30)]
    urls += [server.serve(f"/{n}.png", lambda ask, _: ask.answer(200, data)) for n in range(30, 35)]
    source = write(tmp_path / "raw", [record(str(n), url) for n, url in enumerate(urls)])
    assert run(tmp_path / "out", source).held == 0  # 20 refusals end it
    assert run(tmp_path / "out", source).held == 5
    assert all(server.requests[f"/{n}.png"] for n in range(30))


def test_a_folder_that_knows_its_commit_is_gone_on_with_while_the_hub_is_away(
    tmp_path: Path,
) -> None:
    with fake_hub([record("1", "a.png")]) as server:
        from_hub(server, tmp_path, COMMIT[:7])
        asked = len(server.requests["/api/datasets/naist-nlp/ExpArt/commits/main"])
    assert asked == 1
    assert "cannot be loaded" not in from_hub(server, tmp_path, COMMIT[:7])  # it is gone by now
    assert dataset_revision(tmp_path) == f"naist-nlp/ExpArt@{COMMIT}"
    assert "cannot be loaded" in from_hub(server, tmp_path, "main")


def test_half_of_a_surrogate_pair_is_a_fault_of_its_record(tmp_path: Path) -> None:
    records = [record("1", "a.png"), record("2", "http://a/\ud800.png"), record("\udfff", "a.png")]
    done = run(tmp_path / "out", write(tmp_path / "raw", records), skip_bad=True)
    assert done.left_out == 2
    (first, _) = read_lines(tmp_path / "out" / "bad_records.jsonl")
    assert "column 'image' holds half of a surrogate pair" in str(first["reason"])
