"""Which images a front holds, and that it never holds more than it may."""

import asyncio
import hashlib
import os
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.core.digests import digest_of
from services.core.errors import ImageNotFoundError, OverloadedError, UserInputError
from services.generation.domain import Image, ImageReference, Lane
from services.generation.image_folder import ImageFolder
from services.generation.image_store import ImageStore, StoreLimits


def image(number: int, size_bytes: int = 10) -> Image:
    data = bytes([number]) * size_bytes
    return Image(data, digest_of(data))


def named(picture: Image) -> ImageReference:
    return ImageReference(picture.digest)


def store(
    kept: int = 100, used: int = 100, share: float = 0.0, folder: ImageFolder | None = None
) -> ImageStore:
    return ImageStore(StoreLimits(kept, used, share), folder)


async def used(store: ImageStore, asked: Image | ImageReference) -> Image:
    async with store.use(asked, Lane.INTERACTIVE) as found:
        store.approve(found)
        return found


async def test_equal_copies_are_held_once() -> None:
    one, copy = image(1), Image(bytes(bytearray(image(1).data)), image(1).digest)
    assert one.data is not copy.data
    pictures = store()
    async with pictures.use(one, Lane.SWEEP) as first, pictures.use(copy, Lane.SWEEP) as second:
        assert first is second is pictures.known(copy)
        assert pictures.used_bytes == 10
    assert (pictures.used_bytes, pictures.kept_bytes) == (0, 0)


async def test_only_what_was_found_good_is_kept() -> None:
    pictures = store()
    async with pictures.use(image(1), Lane.SWEEP):
        pass
    with pytest.raises(ImageNotFoundError) as caught:
        await used(pictures, named(image(1)))
    assert caught.value.metadata == {"digest": image(1).digest}
    await used(pictures, image(1))
    assert (await used(pictures, named(image(1)))).data == image(1).data
    assert await pictures.size_of(image(1).digest) == 10


async def test_what_is_put_while_an_unchecked_copy_is_in_use_stays() -> None:
    pictures = store()
    async with pictures.use(image(1), Lane.SWEEP):  # and its call ends before the check
        await pictures.put(Image(bytes(bytearray(image(1).data)), image(1).digest))
        assert await pictures.size_of(image(1).digest) == 10
    assert (await used(pictures, named(image(1)))).data == image(1).data


async def test_asking_for_the_size_counts_as_use() -> None:
    pictures = store(kept=20)
    for number in (1, 2):
        await pictures.put(image(number))
    assert await pictures.size_of(image(1).digest) == 10
    await pictures.put(image(3))
    assert [await pictures.size_of(image(number).digest) for number in (1, 2, 3)] == [10, None, 10]


async def test_the_sweep_leaves_room_to_interactive_requests() -> None:
    # A quarter of 40 bytes is kept: three pictures of ten bytes for the sweep.
    pictures = store(used=40, share=0.25)
    async with AsyncExitStack() as stack:
        for number in range(3):
            await stack.enter_async_context(pictures.use(image(number), Lane.SWEEP))
        with pytest.raises(OverloadedError) as caught:
            await stack.enter_async_context(pictures.use(image(3), Lane.SWEEP))
        assert caught.value.retry_after_s > 0
        await stack.enter_async_context(pictures.use(image(3), Lane.INTERACTIVE))
        with pytest.raises(OverloadedError):
            await stack.enter_async_context(pictures.use(image(4), Lane.INTERACTIVE))
        # One that is in use already needs no more room.
        await stack.enter_async_context(pictures.use(image(0), Lane.SWEEP))
    assert pictures.used_bytes == 0


async def test_alone_a_picture_of_any_size_may_come() -> None:
    pictures = store(used=5, share=0.5)
    assert await used(pictures, image(1, size_bytes=50))


def test_uploads_leave_room_to_interactive_requests() -> None:
    pictures = store(used=40, share=0.25)
    with pictures.reserve(30), pytest.raises(OverloadedError), pictures.reserve(1):
        pass


async def test_a_kept_picture_stays_though_its_next_use_ends_before_the_check() -> None:
    pictures = store()
    await pictures.put(image(1))
    async with pictures.use(named(image(1)), Lane.SWEEP):
        assert pictures.kept_bytes == 0
    assert pictures.kept_bytes == 10


async def test_requests_that_look_for_one_picture_in_the_folder_hold_it_once(
    tmp_path: Path,
) -> None:
    folder = ImageFolder(tmp_path, 100)
    await folder.write(image(1))
    pictures = store(folder=folder)
    async with AsyncExitStack() as stack:
        # Both look for it at the same time.
        uses = [pictures.use(named(image(1)), Lane.SWEEP) for _ in range(2)]
        first, second = await asyncio.gather(*(use.__aenter__() for use in uses))
        for use in uses:
            stack.push_async_exit(use)
        assert first is second
        assert pictures.used_bytes == 10
    assert pictures.used_bytes == 0


def test_room_for_an_upload_is_held_for_as_long_as_it_lasts() -> None:
    pictures = store(used=100)
    with pictures.reserve(60):
        with pytest.raises(OverloadedError), pictures.reserve(60):
            pass
        assert pictures.used_bytes == 60
    assert pictures.used_bytes == 0


@given(
    kept=st.integers(0, 60),
    most=st.integers(1, 60),
    steps=st.lists(
        st.tuples(
            st.sampled_from(["use", "name", "leave", "put"]), st.integers(0, 5), st.booleans()
        ),
        min_size=20,
        max_size=60,
    ),
)
@settings(deadline=None, max_examples=100)
def test_whatever_comes_the_bytes_add_up_and_stay_within_the_bounds(
    kept: int, most: int, steps: list[tuple[str, int, bool]]
) -> None:
    async def play() -> None:
        pictures = store(kept=kept, used=most)
        uses: list[tuple[AsyncExitStack, Image]] = []
        for kind, number, is_good in steps:
            picture = image(number, size_bytes=number * 5 + 1)
            if kind == "put":
                await pictures.put(picture)
            elif kind == "leave" and uses:
                stack, _ = uses.pop(number % len(uses))
                await stack.aclose()
            elif kind in ("use", "name"):
                stack = AsyncExitStack()
                asked = picture if kind == "use" else named(picture)
                try:
                    found = await stack.enter_async_context(pictures.use(asked, Lane.INTERACTIVE))
                except (ImageNotFoundError, OverloadedError):
                    continue
                assert found.data == picture.data
                if is_good:
                    pictures.approve(found)
                uses.append((stack, found))
            held = {picture.digest: len(picture.data) for _, picture in uses}
            assert pictures.used_bytes == sum(held.values())
            # One alone may be larger.
            assert pictures.used_bytes <= most or len(held) == 1
            assert 0 <= pictures.kept_bytes <= kept
        for stack, _ in uses:
            await stack.aclose()
        assert pictures.used_bytes == 0
        sizes = [
            await pictures.size_of(image(number, number * 5 + 1).digest) for number in range(6)
        ]
        assert pictures.kept_bytes == sum(size or 0 for size in sizes)

    asyncio.run(play())


async def test_a_folder_is_read_by_every_front_and_keeps_what_was_used_last(
    tmp_path: Path,
) -> None:
    writing, reading = (store(folder=ImageFolder(tmp_path, 25)) for _ in range(2))
    for number in range(2):
        await writing.put(image(number))
        os.utime(file_of(tmp_path, image(number)), (number, number))
    # Used, and so younger than the other.
    assert (await used(reading, named(image(0)))).data == image(0).data
    await writing.put(image(2))
    names = names_in(tmp_path)
    assert names == {file_of(tmp_path, image(number)).name for number in (0, 2)}


async def test_what_was_left_unfinished_is_not_read_and_removed_after_a_while(
    tmp_path: Path,
) -> None:
    folder = ImageFolder(tmp_path, 100)
    for name, age in ((".unfinished-1", 0), (".unfinished-2", 4_000)):
        (tmp_path / name).write_bytes(b"half")
        long_ago = (tmp_path / name).stat().st_mtime - age
        os.utime(tmp_path / name, (long_ago, long_ago))
    await folder.write(image(1))
    assert names_in(tmp_path) == {
        ".unfinished-1",
        hashlib.sha256(image(1).data).hexdigest(),
    }


async def test_a_folder_stays_within_its_bytes_without_being_listed_for_every_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = 0
    iterdir = Path.iterdir

    def counted(folder: Path) -> Iterator[Path]:
        nonlocal listed
        listed += 1
        return iterdir(folder)

    folder = ImageFolder(tmp_path, 6_400)
    monkeypatch.setattr(Path, "iterdir", counted)
    for number in range(200):
        await folder.write(image(number, size_bytes=40))
        files = [path for path in iterdir(tmp_path) if path.stat().st_size]
        assert sum(path.stat().st_size for path in files) <= 6_400
    # A 64th is 100 bytes; the first picture, and then every third, exceeds it.
    assert listed == 67
    # 6,300 bytes at most once it was listed, and the last picture came after that.
    assert len(files) == 158


async def test_a_folder_that_is_lost_later_costs_sharing_and_nothing_else(tmp_path: Path) -> None:
    pictures = store(folder=ImageFolder(tmp_path / "images", 100))
    (tmp_path / "images").rmdir()
    (tmp_path / "images").touch()
    await pictures.put(image(1))
    assert await used(pictures, named(image(1)))
    with pytest.raises(ImageNotFoundError):
        await used(pictures, named(image(2)))


def test_a_folder_that_cannot_be_written_to_is_said_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserInputError, match="cannot be written to"):
        ImageFolder(tmp_path / "file" / "images", 100)


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def file_of(folder: Path, picture: Image) -> Path:
    return folder / picture.digest.removeprefix("sha256:")
