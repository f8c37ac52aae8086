"""Gets all pictures of a dataset: a few at a time, again where that may help, and resumable."""

import asyncio
import random
from collections import defaultdict, deque
from collections.abc import Callable, Sequence

from services.benchmark.picture_names import read_url
from services.dataset.addresses import AddressGuard, Resolver, SystemResolver
from services.dataset.failures import HostGivenUpError, PictureError, Reason
from services.dataset.fetch import Fetcher
from services.dataset.hosts import Hosts
from services.dataset.picture_checker import PictureChecker
from services.dataset.settings import DatasetSettings, limit_of
from services.dataset.store import PictureFolder

_MAX_BACKOFF_S = 60.0
# A busy host may throttle the same picture a few times before its turn comes.
_MAX_THROTTLED = 10


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
        parts = read_url(image)
        queues["" if parts is None else parts.netloc].append(image)

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
        except HostGivenUpError as error:  # it was not asked, and waiting would be in vain
            folder.bury(image, error, attempts + throttled)
            return
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
            limit = limit_of(error.reason, settings)
            folder.bury(image, error, attempts + throttled, limit)
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
