"""Finding and reading pictures."""

import hashlib
import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from services.benchmark.images import PictureMissingError, PictureStore


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    dataset = tmp_path / "dataset"
    (dataset / "images").mkdir(parents=True)
    (dataset / "images" / "swan.png").write_bytes(b"swan")
    (tmp_path / "pictures").mkdir()
    return dataset


def test_a_relative_path_is_found_in_the_dataset_folder(folder: Path) -> None:
    store = PictureStore(folder)
    assert store.read("images/swan.png") == b"swan"
    assert store.digest("images/swan.png") == "sha256:" + hashlib.sha256(b"swan").hexdigest()


@pytest.mark.parametrize("name", ["Caf%C3%A9.jpg", "Café.jpg"])
def test_a_url_is_found_by_the_last_part_of_its_path(folder: Path, name: str) -> None:
    pictures = folder.parent / "pictures"
    (pictures / name).write_bytes(b"cafe")
    store = PictureStore(folder, pictures)
    assert store.read("https://upload.example.org/a/b/Caf%C3%A9.jpg?width=300") == b"cafe"


def test_a_missing_file_is_reported_with_what_was_looked_for(folder: Path) -> None:
    with pytest.raises(PictureMissingError, match=r"picture images/no\.png is missing"):
        PictureStore(folder).digest("images/no.png")


def test_a_url_without_a_picture_folder_says_what_to_do(folder: Path) -> None:
    with pytest.raises(PictureMissingError, match=r"dataset\.image_folder"):
        PictureStore(folder).read("https://a.org/swan.jpg")


@pytest.mark.parametrize("image", ["../secret.png", "images/../../secret.png", "/etc/hostname"])
def test_a_path_out_of_the_dataset_is_refused(folder: Path, image: str) -> None:
    (folder.parent / "secret.png").write_bytes(b"secret")
    with pytest.raises(PictureMissingError, match="leads out of"):
        PictureStore(folder).read(image)


@pytest.mark.parametrize("url", ["https://a.org/", "https://a.org/x/%2e%2e", "https://a.org/.."])
def test_a_url_cannot_name_a_file_outside_the_picture_folder(folder: Path, url: str) -> None:
    with pytest.raises(PictureMissingError):
        PictureStore(folder, folder.parent / "pictures").read(url)


def test_a_picture_that_changes_after_planning_is_noticed(folder: Path) -> None:
    store = PictureStore(folder)
    store.digest("images/swan.png")
    (folder / "images" / "swan.png").write_bytes(b"goose")
    with pytest.raises(PictureMissingError, match="has changed since the sweep was planned"):
        store.read("images/swan.png")


def test_the_cache_keeps_no_more_bytes_than_it_may(folder: Path) -> None:
    for number in range(4):
        (folder / f"{number}.png").write_bytes(bytes(100))
    store = PictureStore(folder, cache_bytes=250)
    for number in (0, 1, 0, 2):  # 300 bytes: picture 1 is the one read longest ago
        store.read(f"{number}.png")
    for number in range(4):
        (folder / f"{number}.png").unlink()
    assert len(store.read("0.png")) == 100
    assert len(store.read("2.png")) == 100
    with pytest.raises(PictureMissingError):
        store.read("1.png")


def test_a_picture_that_many_threads_read_at_once_counts_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(2):
        (folder / f"{number}.png").write_bytes(bytes(100))
    store = PictureStore(folder, cache_bytes=250)
    all_reading = threading.Barrier(4, timeout=10)

    def read_together(file: Path) -> bytes:
        all_reading.wait()  # nobody has the bytes before everybody has missed the cache
        return b"x" * 100

    with monkeypatch.context() as patched, ThreadPoolExecutor(4) as threads:
        patched.setattr(Path, "read_bytes", read_together)
        assert len({*threads.map(store.read, ["0.png"] * 4)}) == 1
    # 100 bytes are kept, not 400: there is room for another 100 beside them.
    store.read("1.png")
    for number in range(2):
        (folder / f"{number}.png").unlink()
    assert len(store.read("0.png")) == len(store.read("1.png")) == 100


def test_a_cache_that_threads_fill_and_empty_at_once_stays_whole(folder: Path) -> None:
    for number in range(8):
        (folder / f"{number}.png").write_bytes(bytes([number]) * 100)
    store = PictureStore(folder, cache_bytes=150)  # one picture: every other read drops one
    wanted = [number % 8 for number in range(2000)]
    with ThreadPoolExecutor(8) as threads:
        pictures = list(threads.map(lambda number: store.read(f"{number}.png"), wanted))
    assert pictures == [bytes([number]) * 100 for number in wanted]


def note(folder: Path, file: str, digest: str, modified_ns: int | None) -> None:
    """Notes a picture as ``expart dataset prepare`` does; formerly it noted no time."""
    row: dict[str, object] = {"image": "https://example.org/a.jpg", "digest": digest, "file": file}
    row["bytes"] = (folder / file).stat().st_size
    if modified_ns is not None:
        row["mtime_ns"] = modified_ns
    (folder / "images.jsonl").write_text(json.dumps(row) + "\n")


def prepared(folder: Path) -> tuple[Path, int]:
    """A picture of four bytes in a prepared folder, and when it was modified."""
    picture = folder / "kept.jpg"
    picture.write_bytes(b"1234")
    return picture, picture.stat().st_mtime_ns


def test_a_noted_digest_stands_for_a_file_that_was_not_touched(tmp_path: Path) -> None:
    picture, modified_ns = prepared(tmp_path)
    note(tmp_path, picture.name, "sha256:noted", modified_ns)
    # Not the file's own: it was not read.
    assert PictureStore(tmp_path).digest("https://example.org/a.jpg") == "sha256:noted"


@pytest.mark.parametrize("moved_ns", [1, -1, None])
def test_a_noted_digest_is_not_taken_where_the_time_differs_or_was_not_noted(
    tmp_path: Path, moved_ns: int | None
) -> None:
    picture, modified_ns = prepared(tmp_path)
    noted = None if moved_ns is None else modified_ns + moved_ns
    note(tmp_path, picture.name, "sha256:noted", noted)
    own = "sha256:" + hashlib.sha256(b"1234").hexdigest()
    assert PictureStore(tmp_path).digest("https://example.org/a.jpg") == own


@pytest.mark.parametrize("content", [b"4321", b"12345"])
def test_a_picture_that_was_exchanged_goes_by_its_own_digest(
    tmp_path: Path, content: bytes
) -> None:
    picture, modified_ns = prepared(tmp_path)
    note(tmp_path, picture.name, "sha256:noted", modified_ns)
    picture.write_bytes(content)
    # As a later moment, whatever the clock of the disk makes of two writes in a row; where the
    # size differs the time does not matter.
    later_ns = modified_ns + (1_000_000 if len(content) == 4 else 0)
    os.utime(picture, ns=(later_ns, later_ns))
    own = "sha256:" + hashlib.sha256(content).hexdigest()
    assert PictureStore(tmp_path).digest("https://example.org/a.jpg") == own


def test_a_dead_link_of_a_prepared_folder_is_told_with_its_reason(tmp_path: Path) -> None:
    gone = {"image": "http://a/gone.png", "reason": "NOT_FOUND", "detail": "it answered 404"}
    slow = {"image": "http://a/slow.png", "reason": "TIMED_OUT", "detail": "nothing came"}
    rows = [{**gone, "retry": False}, {**slow, "retry": True}]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (tmp_path / "dead_links.jsonl").write_text(text)
    store = PictureStore(tmp_path)
    with pytest.raises(PictureMissingError) as found:
        store.digest("http://a/gone.png")
    assert str(found.value) == (
        "picture http://a/gone.png is a dead link: NOT_FOUND, it answered 404"
    )
    with pytest.raises(PictureMissingError, match="nothing came; expart dataset prepare, run agai"):
        store.digest("http://a/slow.png")
    names = ("gone", "slow", "unknown")
    reasons = [store.reason_missing(f"http://a/{name}.png") for name in names]
    assert reasons == ["NOT_FOUND", "TIMED_OUT", "NO_FILE"]
