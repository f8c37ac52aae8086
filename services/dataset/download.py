"""Gets all pictures of a dataset: a few at a time, again where that may help, and resumable."""

import asyncio
import random
import shutil
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from services.dataset.addresses import AddressGuard, Resolver, SystemResolver
from services.dataset.failures import PictureError, Reason
from services.dataset.fetch import Fetcher
from services.dataset.hosts import Hosts
from services.dataset.picture_checker import PictureChecker
from services.dataset.settings import DatasetSettings
from services.dataset.store import PictureFolder

_MAX_BACKOFF_S = 60.0
# A busy host may throttle the same picture a few times before its turn comes.
_MAX_THROTTLED = 10


def is_url(image: str) -> bool:
    """Whether a record's picture is to be downloaded; otherwise it is a path."""
    return urlsplit(image).scheme in {"http", "https"}


async def download(
    images: Sequence[str],
    folder: PictureFolder,
    settings: DatasetSettings,
    *,
    note: Callable[[], None],
    checker: PictureChecker,
    resolver: Resolver | None = None,
) -> None:
    """Downloads pictures; each is noted as held or dead when it is settled. May be cancelled.

    Args:
        images: Their URLs.
        folder: Takes them.
        settings: How fast, how large, how often.
        note: Called after each one.
        checker: Looks into what came.
        resolver: Finds addresses; by default the operating system.

    Raises:
        OSError: The folder cannot be written.
        ExpArtError: No picture can be checked.
    """
    hosts = Hosts(settings)
    guard = AddressGuard(resolver or SystemResolver(), settings.allowed_networks)
    fetcher = Fetcher(hosts, guard, settings)
    queues: defaultdict[str, deque[str]] = defaultdict(deque)
    for image in images:
        queues[urlsplit(image).netloc].append(image)

    async def work(queue: deque[str]) -> None:
        while queue:
            await _settle(queue.popleft(), folder, fetcher, checker, settings)
            note()

    try:
        async with asyncio.TaskGroup() as tasks:
            # Each host has its own: one that makes everybody wait does not hold up the others.
            for queue in queues.values():
                for _ in range(min(settings.connections_per_host, len(queue))):
                    tasks.create_task(work(queue))
    except ExceptionGroup as group:  # the first fault has ended them all
        raise group.exceptions[0] from None
    finally:
        await hosts.close()


async def _settle(
    image: str,
    folder: PictureFolder,
    fetcher: Fetcher,
    checker: PictureChecker,
    settings: DatasetSettings,
) -> None:
    """Gets one picture, or says why not."""
    partial = folder.partial(image)
    attempts = throttled = 0
    while True:
        resumed = partial.size > 0
        try:
            came_from = await fetcher.fetch(image, partial)
            picture = await checker.check(partial.path)
        except PictureError as error:
            if error.reason is Reason.THROTTLED:
                throttled += 1
            else:
                attempts += 1
            if error.reason in {Reason.BROKEN_IMAGE, Reason.NOT_AN_IMAGE, Reason.TOO_MANY_PIXELS}:
                partial.discard()
            spliced = error.reason is Reason.BROKEN_IMAGE and resumed
            wait_s = _wait_s(error, attempts, throttled, settings)
            if (error.again or spliced) and wait_s is not None:
                await asyncio.sleep(wait_s)
                continue
            if not error.again:
                partial.discard()
            folder.bury(image, error, attempts + throttled)
            return
        folder.keep(image, partial.path, picture, came_from)
        partial.discard()
        return


def _wait_s(
    error: PictureError, attempts: int, throttled: int, settings: DatasetSettings
) -> float | None:
    """How long to wait for the next attempt; nothing if there is none in this run."""
    if attempts >= settings.attempts or throttled >= _MAX_THROTTLED:
        return None
    if error.reason is Reason.REFUSED:  # asking the same again at once is no argument
        return None
    if error.wait_s is not None:
        return error.wait_s if error.wait_s <= settings.max_wait_s else None
    tries = max(1, attempts + throttled)
    backoff_s = min(settings.backoff_s * 2.0 ** (tries - 1), _MAX_BACKOFF_S)
    return backoff_s * random.uniform(0.5, 1.5)  # noqa: S311 - it spreads callers, no secret


async def take_local(
    images: Sequence[str], source: Path, folder: PictureFolder, checker: PictureChecker
) -> None:
    """Copies the pictures that records name by path; those that are no good are noted as dead."""
    for image in images:
        file = source / image
        try:
            _check_path(file, source)
            picture = await checker.check(file)
        except PictureError as error:
            folder.bury(image, error, 1)
            continue
        partial = folder.partial(image)
        partial.path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, partial.path)
        folder.keep(image, partial.path, picture, str(file))


def _check_path(file: Path, source: Path) -> None:
    if not file.resolve().is_relative_to(source.resolve()):
        raise PictureError(Reason.MISSING_FILE, f"the path leads out of {source}")
    if not file.is_file():
        raise PictureError(Reason.MISSING_FILE, f"there is no file {file}", again=True)
