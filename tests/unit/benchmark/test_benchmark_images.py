"""Finding and reading pictures."""

import hashlib
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
