"""Fetches one picture: a request, its redirects, and its bytes into a partial file."""

import asyncio
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from http import HTTPStatus

import httpx2

from services.dataset.addresses import AddressGuard, check_url
from services.dataset.failures import PictureError, Reason
from services.dataset.hosts import Host, Hosts, Turn, retry_after_s
from services.dataset.partial import PartialFile
from services.dataset.settings import DatasetSettings

_MAX_REDIRECTS = 5
_MAX_ADDRESSES = 3
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_GONE = frozenset({404, 410})
_REFUSED = frozenset({401, 403, 451})
_WORTH_REPEATING = frozenset({408, 425})
_SERVER_ERRORS = 500
# No more digits than any size has; int() refuses thousands of them.
_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)", re.ASCII)
_CONTENT_LENGTH = re.compile(r"\d{1,18}", re.ASCII)


def user_agent(contact: str) -> str:
    """Says who asks, in the form that Wikimedia's policy wants."""
    note = "; ".join(filter(None, ("ExpArt dataset preparation", contact)))
    return f"expart-serving/0.1 ({note}) httpx2/{httpx2.__version__}"


class Fetcher:
    """Fetches pictures.

    Args:
        hosts: Their connections and paces.
        guard: Checks every address before it is asked.
        settings: Limits and times.
    """

    def __init__(self, hosts: Hosts, guard: AddressGuard, settings: DatasetSettings) -> None:
        self._hosts = hosts
        self._guard = guard
        self._settings = settings
        self._headers = {
            "User-Agent": user_agent(settings.contact),
            "Accept": "image/*",
            # A compressed answer could grow without bound.
            "Accept-Encoding": "identity",
        }

    async def fetch(self, image: str, partial: PartialFile) -> str:
        """Fetches a picture into its partial file, going on where an earlier attempt ended.

        Returns:
            The URL that it came from in the end.

        Raises:
            PictureError: It cannot be had, now or ever.
        """
        url = check_url(image)
        for _ in range(_MAX_REDIRECTS + 1):
            target = await self._ask(url, partial)
            if target is None:
                return str(url)
            url = check_url(target)
        raise PictureError(Reason.TOO_MANY_REDIRECTS, f"more than {_MAX_REDIRECTS} redirects")

    async def _ask(self, url: httpx2.URL, partial: PartialFile) -> str | None:
        """Asks one URL; gives where it redirects to, or nothing once the picture is there."""
        async with self._hosts.turn(url) as (host, turn):
            try:
                async with asyncio.timeout(self._settings.attempt_timeout_s):
                    return await self._exchange(host, turn, url, partial)
            except TimeoutError as error:
                detail = f"took longer than {self._settings.attempt_timeout_s:g} s"
                raise PictureError(Reason.TIMED_OUT, detail, again=True) from error
            except httpx2.TimeoutException as error:
                turn.answered = False  # whatever it began to say
                detail = f"nothing came for {self._settings.read_timeout_s:g} s"
                raise PictureError(Reason.TIMED_OUT, detail, again=True) from error
            except (httpx2.TransportError, httpx2.StreamError) as error:
                detail = f"the transfer broke off: {str(error) or type(error).__name__}"
                raise PictureError(Reason.BROKEN_OFF, detail, again=True) from error

    async def _exchange(
        self, host: Host, turn: Turn, url: httpx2.URL, partial: PartialFile
    ) -> str | None:
        addresses = await self._guard.addresses(url)
        asked = partial.request_headers(str(url))
        response = await self._send(host, url, addresses, asked)
        turn.answered = True
        try:
            if response.status_code in _REDIRECTS:
                return _target(url, response)
            self._check_status(response, partial)
            await self._receive(response, url, partial, is_rest=bool(asked))
        finally:
            await response.aclose()
        return None

    async def _send(
        self, host: Host, url: httpx2.URL, addresses: Sequence[str], more: dict[str, str]
    ) -> httpx2.Response:
        """Sends the request to the first address that can be reached, under the host's name."""
        connect_s, read_s = self._settings.connect_timeout_s, self._settings.read_timeout_s
        times = {"connect": connect_s, "read": read_s, "write": read_s, "pool": read_s}
        last: Exception | None = None
        for address in addresses[:_MAX_ADDRESSES]:
            request = httpx2.Request(
                "GET",
                url.copy_with(host=address),
                headers={**self._headers, **more, "Host": url.netloc.decode("ascii")},
                extensions={"timeout": times, "sni_hostname": url.raw_host.decode("ascii")},
            )
            try:
                return await host.transport.handle_async_request(request)
            except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
                last = error
        detail = f"host {url.host} cannot be reached: {last or 'it has no address'}"
        raise PictureError(Reason.UNREACHABLE, detail, again=True) from last

    def _check_status(self, response: httpx2.Response, partial: PartialFile) -> None:
        status = response.status_code
        detail = f"the server answered {status}"
        if status in {HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT}:
            return
        if status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            partial.discard()
            raise PictureError(Reason.BROKEN_OFF, detail, again=True)
        asked_s = retry_after_s(response.headers.get("Retry-After", ""), datetime.now(UTC))
        if status == HTTPStatus.TOO_MANY_REQUESTS or (
            status == HTTPStatus.SERVICE_UNAVAILABLE and asked_s is not None
        ):
            raise PictureError(Reason.THROTTLED, detail, again=True, wait_s=asked_s)
        if status in _GONE:
            raise PictureError(Reason.NOT_FOUND, detail)
        if status in _REFUSED:
            # Some refuse whoever gives no contact, which can be mended.
            raise PictureError(Reason.REFUSED, detail, again=status == HTTPStatus.FORBIDDEN)
        if status >= _SERVER_ERRORS or status in _WORTH_REPEATING:
            raise PictureError(Reason.SERVER_ERROR, detail, again=True)
        raise PictureError(Reason.HTTP_STATUS, detail)

    async def _receive(
        self, response: httpx2.Response, url: httpx2.URL, partial: PartialFile, *, is_rest: bool
    ) -> None:
        headers = response.headers
        _check_kind(headers)
        if response.status_code == HTTPStatus.PARTIAL_CONTENT:
            total = _total_of_rest(headers, partial, is_rest=is_rest)
        else:
            length = _CONTENT_LENGTH.fullmatch(headers.get("Content-Length", ""))
            total = int(length[0]) if length is not None else None
            partial.begin(str(url), headers, total)
        if total is not None and total > self._settings.max_bytes:
            raise self._too_large(partial)
        size = partial.size
        with partial.path.open("ab") as stream:
            async for piece in response.aiter_raw():
                size += len(piece)
                if size > self._settings.max_bytes:
                    raise self._too_large(partial)
                stream.write(piece)
        if total is not None and size != total:
            detail = f"{size} bytes came of {total}"
            raise PictureError(Reason.BROKEN_OFF, detail, again=True)

    def _too_large(self, partial: PartialFile) -> PictureError:
        partial.discard()
        detail = f"it has more than {self._settings.max_bytes} bytes"
        return PictureError(Reason.TOO_LARGE, detail)


def _total_of_rest(headers: httpx2.Headers, partial: PartialFile, *, is_rest: bool) -> int | None:
    """Makes sure that the rest comes of what is there, and gives the size of the whole.

    Raises:
        PictureError: It is another part, or one of something else; the next attempt asks anew.
    """
    found = _CONTENT_RANGE.fullmatch(headers.get("Content-Range", ""))
    detail = ""
    if not is_rest or found is None or int(found[1]) != partial.size:
        detail = "the server sent another part than it was asked for"
    else:
        said = int(found[3]) if found[3] != "*" else None
        if partial.is_continued_by(headers, said):
            return partial.total if said is None else said
        detail = "the server sent the rest of another picture than it began with"
    partial.discard()
    raise PictureError(Reason.BROKEN_OFF, detail, again=True)


def _check_kind(headers: httpx2.Headers) -> None:
    kind = headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind and not kind.startswith("image/") and not kind.endswith("/octet-stream"):
        raise PictureError(Reason.NOT_AN_IMAGE, f"the server sent {kind}")
    coding = headers.get("Content-Encoding", "identity").strip().lower()
    if coding not in {"", "identity"}:
        raise PictureError(Reason.NOT_AN_IMAGE, f"the server sent it compressed, as {coding}")


def _target(url: httpx2.URL, response: httpx2.Response) -> str:
    location = response.headers.get("Location", "")
    if not location:
        raise PictureError(Reason.HTTP_STATUS, "a redirect leads nowhere")
    try:
        return str(url.join(location))
    except (httpx2.InvalidURL, ValueError) as error:
        raise PictureError(Reason.BAD_URL, "a redirect leads to what is no URL") from error
