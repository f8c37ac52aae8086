"""Who calls: the name under which a client is counted and logged."""

from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from urllib.parse import unquote

# As long as a common name may be (X.520, ub-common-name), and as the name of a token.
MAX_NAME_CHARS = 64

# gRPC runs every call in a task of its own, and so in a context of its own.
_calling: ContextVar[str] = ContextVar("calling_client", default="")


def calling_client() -> str:
    """Names the client of the call that is being answered, for the servicer that answers it.

    Empty outside of a call.
    """
    return _calling.get()


def note_calling_client(name: str) -> None:
    """Notes whose call the current task answers."""
    _calling.set(name)


def peer_address(peer: str) -> str:
    """Gives the address in gRPC's name of a peer, without its port.

    >>> peer_address("ipv4:192.0.2.7:43660")
    '192.0.2.7'
    >>> peer_address("ipv6:%5B2001:db8::7%5D:43660")
    '2001:db8::7'
    >>> peer_address("unix:/run/scoring.sock")
    'unix'
    """
    kind, _, rest = peer.partition(":")
    if kind not in {"ipv4", "ipv6"}:
        return kind
    return unquote(rest).rpartition(":")[0].strip("[]")


def certified_name(properties: Mapping[str, Iterable[bytes]]) -> str | None:
    """Gives the name in a client's verified certificate, if it showed one.

    Of a long name only the first :data:`MAX_NAME_CHARS` characters count, and what cannot be
    printed is replaced: names stand in messages and in the log.

    Args:
        properties: What gRPC knows of the connection (its auth context).

    Returns:
        The common name; where there is none, the first alternative name.
    """
    for kind in ("x509_common_name", "x509_subject_alternative_name"):
        for value in properties.get(kind, ()):
            if value:
                return _printable(value.decode(errors="replace"))
    return None


def _printable(name: str) -> str:
    cut = name[:MAX_NAME_CHARS]
    return "".join(character if character.isprintable() else "\ufffd" for character in cut)
