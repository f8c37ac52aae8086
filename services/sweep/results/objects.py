"""Folders in object stores (``s3://``, ``gs://``, ``az://``), with puts on a condition."""

from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    InvalidPathError,
    NotFoundError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
    UnknownConfigurationKeyError,
)
from obstore.store import ObjectStore, from_url

from services.core.errors import UserInputError
from services.sweep.results.folder import Stored, StoreUnavailableError
from services.sweep.results.store_faults import is_refusal, lacks_bucket, said_by

_Result = TypeVar("_Result")

# Trying these again helps nobody.
_PERMANENT = (
    PermissionDeniedError,
    UnauthenticatedError,
    InvalidPathError,
    UnknownConfigurationKeyError,
)


class ObjectFolder:
    """A prefix of an object store.

    Args:
        uri: ``s3://bucket/prefix``, ``gs://bucket/prefix`` or ``az://container/prefix``;
            credentials, region and endpoint are those of the environment, as for other tools.

    Raises:
        UserInputError: The address or the environment's configuration is wrong.
    """

    def __init__(self, uri: str) -> None:
        self._uri = uri.rstrip("/")
        try:
            # Whoever writes tries again by itself, for longer than this.
            self._store: ObjectStore = from_url(
                self._uri,
                retry_config={"max_retries": 3, "retry_timeout": timedelta(seconds=20)},
            )
        except (BaseError, ValueError) as error:
            raise UserInputError(f"{uri}: {said_by(error)}") from error

    @property
    def uri(self) -> str:
        """The address, without a slash at its end."""
        return self._uri

    def child(self, name: str) -> "ObjectFolder":
        """A folder in it; it need not exist."""
        return ObjectFolder(f"{self._uri}/{name}")

    def folders(self) -> list[str]:
        """Names of the folders in it, in order.

        Raises:
            UserInputError: The store cannot be read.
        """

        def list_them() -> list[str]:
            listed = self._store.list_with_delimiter()
            return sorted(prefix.rsplit("/", 1)[-1] for prefix in listed["common_prefixes"])

        return self._call("", list_them)

    def read(self, name: str) -> Stored | None:
        """A file's content and tag.

        Raises:
            UserInputError: The store cannot be read.
        """

        def read_it() -> Stored | None:
            try:
                found = self._store.get(name)
                return Stored(bytes(found.bytes()), found.meta["e_tag"] or "")
            except (NotFoundError, FileNotFoundError) as error:
                if lacks_bucket(error):
                    raise
                return None

        return self._call(name, read_it)

    def write(self, name: str, content: bytes) -> None:
        """Makes a file durable, in the place of the one before.

        Raises:
            UserInputError: The store cannot be written.
        """
        self._call(name, lambda: self._store.put(name, content))

    def create(self, name: str, content: bytes) -> str | None:
        """Makes a file durable unless there is one.

        Returns:
            Its tag, or nothing where there was a file.

        Raises:
            UserInputError: The store cannot be written.
        """

        def put() -> str | None:
            try:
                return self._store.put(name, content, mode="create")["e_tag"]
            except (AlreadyExistsError, PreconditionError):
                return None

        return self._call(name, put)

    def replace(self, name: str, content: bytes, tag: str) -> str | None:
        """Replaces a file unless it has changed since it had this tag.

        Returns:
            Its new tag, or nothing where it has changed.

        Raises:
            UserInputError: The store cannot be written.
        """

        def put() -> str | None:
            try:
                return self._store.put(name, content, mode={"e_tag": tag})["e_tag"]
            except (AlreadyExistsError, PreconditionError):
                return None

        return self._call(name, put)

    def remove(self, name: str) -> None:
        """Removes a file, if it is there.

        Raises:
            UserInputError: The store cannot be written.
        """
        self._call(name, lambda: self._store.delete(name))

    def remove_leftovers(self, older_than: timedelta) -> None:
        """Does nothing: what is not written to its end is not there."""
        del older_than

    def _call(self, name: str, call: Callable[[], _Result]) -> _Result:
        place = f"{self._uri}/{name}".rstrip("/")
        try:
            return call()
        except _PERMANENT as error:
            raise UserInputError(f"{place}: {said_by(error)}") from error
        except (BaseError, OSError) as error:
            if lacks_bucket(error) or is_refusal(error):
                raise UserInputError(f"{place}: {said_by(error)}") from error
            raise StoreUnavailableError(f"{place}: {said_by(error)}") from error
