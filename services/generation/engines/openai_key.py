"""The key for an endpoint, from a secret file."""

from pathlib import Path

from services.core.errors import ModelFailedError

_MAX_KEY_BYTES = 16 * 1024
HIDDEN = "[key]"


class KeyFile:
    """Reads a key anew whenever it is needed, so that a rotated one holds from the next request.

    Args:
        path: The file, with the key as its only line; None for an endpoint that asks for none.
    """

    def __init__(self, path: str | None) -> None:
        self._path = None if path is None else Path(path)

    def __str__(self) -> str:
        return "no key (set api_key_file)" if self._path is None else f"the key in {self._path}"

    def read(self) -> str:
        """Gives the key, or an empty text where there is none to send.

        Raises:
            ModelFailedError: The file cannot be read or holds no key; names its path.
        """
        if self._path is None:
            return ""
        try:
            with self._path.open("rb") as stream:
                content = stream.read(_MAX_KEY_BYTES + 1)
        except OSError as error:
            raise ModelFailedError(
                f"api_key_file {self._path} cannot be read: {error.strerror}"
            ) from error
        # A header carries nothing but ASCII; the key itself is never shown.
        key = content.strip().decode("ascii", errors="replace")
        if not key:
            raise ModelFailedError(f"api_key_file {self._path} is empty")
        is_key = key.isascii() and key.isprintable() and " " not in key
        if not is_key or len(content) > _MAX_KEY_BYTES:
            raise ModelFailedError(
                f"api_key_file {self._path} must hold one key of printable ASCII and nothing else"
            )
        return key


def hide_key(text: str, key: str) -> str:
    """Takes a key out of a text that came from outside."""
    return text.replace(key, HIDDEN) if key else text
