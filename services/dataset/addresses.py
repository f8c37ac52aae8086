"""Which URLs and addresses may be asked: only http(s), and only public addresses unless allowed."""

import asyncio
import contextlib
import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from threading import Thread
from typing import Protocol

import httpx2

from services.benchmark.picture_names import read_url
from services.dataset.failures import PictureError, Reason

# RFC 6052: the last 32 bits are the IPv4 address that is really reached.
_NAT64 = IPv6Network("64:ff9b::/96")
_LAST_32_BITS = 2**32 - 1
# All that is given out of IPv6 (RFC 4291, 2.4). What lies outside is of local meaning, whatever
# the list of the Python at hand says: fec0::/10, or the translators of 64:ff9b:1::/48.
_GLOBAL_UNICAST = IPv6Network("2000::/3")
_MAX_PORT = 65535
_MAX_SHOWN = 200
# So long the answer for a name is taken again: every picture of a host needs it.
_REMEMBERED_S = 60.0


class Resolver(Protocol):
    """Finds the addresses of a host."""

    async def resolve(self, host: str, port: int) -> tuple[str, ...]:
        """Gives all addresses of a host, the best first.

        Raises:
            OSError: The host is unknown.
        """
        ...


class SystemResolver:
    """Asks the operating system.

    It cannot be told to stop asking: each question has a thread of its own, so that those without
    an answer hold up neither the others nor the end of the command.
    """

    async def resolve(self, host: str, port: int) -> tuple[str, ...]:
        """Gives all addresses of a host, the best first."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[tuple[str, ...]] = loop.create_future()

        def settle(found: tuple[str, ...] | Exception) -> None:
            if answer.done():  # nobody waits any more
                return
            if isinstance(found, Exception):
                answer.set_exception(found)
            else:
                answer.set_result(found)

        def look_up() -> None:
            found: tuple[str, ...] | Exception
            try:
                entries = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
                found = tuple(dict.fromkeys(str(entry[4][0]) for entry in entries))
            except (OSError, ValueError, OverflowError) as error:
                found = error
            with contextlib.suppress(RuntimeError):  # the loop may have ended meanwhile
                loop.call_soon_threadsafe(settle, found)

        Thread(target=look_up, name=f"addresses of {host}", daemon=True).start()
        return await answer


def check_url(text: str) -> httpx2.URL:
    """Reads a URL that may be asked.

    Raises:
        PictureError: It is none: not http(s), without a host, or with a password.
    """
    shown = repr(text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}…")
    try:
        url = httpx2.URL(text)
        host = url.host  # international names are decoded only here
    except (httpx2.InvalidURL, ValueError) as error:
        raise PictureError(Reason.BAD_URL, f"{shown} is no URL: {error}") from error
    if url.scheme not in {"http", "https"} or not host:
        raise PictureError(Reason.BAD_URL, f"{shown} is no http(s) URL")
    # What can stand in no name was escaped.
    if read_url(text) is None or "%" in host or port_of(url) > _MAX_PORT:
        raise PictureError(Reason.BAD_URL, f"{shown} names no host and port")
    if url.userinfo:
        raise PictureError(Reason.BAD_URL, "the URL holds a user name or password")
    return url


def port_of(url: httpx2.URL) -> int:
    """Gives the port that a URL means."""
    return url.port or (443 if url.scheme == "https" else 80)


class AddressGuard:
    """Resolves hosts, and refuses those with an address that may not be asked.

    The caller connects to the addresses that it is given, so that a second answer of the name
    server cannot lead anywhere else.

    Args:
        resolver: Finds addresses.
        allowed: Networks that may be asked although they are not public.
    """

    def __init__(
        self, resolver: Resolver, allowed: Sequence[IPv4Network | IPv6Network] = ()
    ) -> None:
        self._resolver = resolver
        self._allowed = tuple(allowed)
        self._known: dict[tuple[str, int], tuple[float, tuple[str, ...]]] = {}

    async def addresses(self, url: httpx2.URL) -> tuple[str, ...]:
        """Gives the addresses of a URL's host, each of them checked; those of a minute ago do too.

        Raises:
            PictureError: The host is unknown, or one of its addresses may not be asked.
        """
        place = (url.host, port_of(url))
        now_s = asyncio.get_running_loop().time()
        expiry_s, found = self._known.get(place, (now_s, ()))
        if now_s < expiry_s:
            return found
        try:
            found = await self._resolver.resolve(*place)
        except (OSError, ValueError) as error:
            detail = f"host {url.host} is unknown: {error}"
            raise PictureError(Reason.HOST_UNKNOWN, detail, again=True) from error
        for address in found:
            if not self._may_be_asked(address):
                raise PictureError(
                    Reason.FORBIDDEN_ADDRESS,
                    f"host {url.host} has the address {address}, which is not public",
                )
        self._known[place] = (now_s + _REMEMBERED_S, found)
        return found

    def _may_be_asked(self, text: str) -> bool:
        if "%" in text:  # a link-local address with its interface
            return False
        address = _reached(ip_address(text))
        if any(address in network for network in self._allowed):
            return True
        if isinstance(address, IPv6Address) and address not in _GLOBAL_UNICAST:
            return False
        return address.is_global and not address.is_multicast


def _reached(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 address inside an IPv6 address that stands for it."""
    if isinstance(address, IPv4Address):
        return address
    inner = address.ipv4_mapped or address.sixtofour
    if inner is None and address.teredo is not None:
        inner = address.teredo[1]
    if inner is None and address in _NAT64:
        inner = IPv4Address(int(address) & _LAST_32_BITS)
    return inner or address
