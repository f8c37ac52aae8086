"""The output of a sweep: shards of result tables and a few files, on a disk or an object store.

::

    OUTPUT/shards/00000-of-00001/{plan,generations,scores,failures}/   Delta tables, one writer each
    OUTPUT/shards/00000-of-00001/manifest.json, status.json
    OUTPUT/leaderboard.json, leaderboard.csv

Readers take all shards together: results that were stored under another number of shards count
like the others. See :func:`services.sweep.results.output_lock.hold_shard` for writing.
"""

from pathlib import Path

from services.core.errors import UserInputError
from services.sweep.results.folder import LocalFolder, ResultFolder
from services.sweep.results.objects import ObjectFolder
from services.sweep.results.tables import ResultTables
from services.sweep.spec.sharding import Shard

_SHARDS = "shards"
_SCHEMES = ("s3", "gs", "az", "abfs", "abfss", "file")


class ResultStore:
    """A sweep's output.

    Args:
        uri: A folder, or ``s3://bucket/prefix``, ``gs://…`` or ``az://…``.

    Raises:
        UserInputError: It is no such address.
    """

    def __init__(self, uri: str | Path) -> None:
        self._folder = _open(str(uri))

    @property
    def uri(self) -> str:
        """Where it is: a path or a URI, without a slash at its end."""
        return self._folder.uri

    def shards(self) -> tuple[Shard, ...]:
        """The shards that were ever begun, in the order of their labels.

        Raises:
            UserInputError: The output cannot be read.
        """
        return tuple(
            Shard.parse(name) for name in self._folder.child(_SHARDS).folders() if "-of-" in name
        )

    def folder(self, shard: Shard) -> ResultFolder:
        """Folder of a shard; it need not exist."""
        return self._folder.child(_SHARDS).child(shard.label)

    def tables(self, shard: Shard) -> ResultTables:
        """Tables of a shard, to be read; whoever writes holds the shard."""
        return ResultTables(self.folder(shard))

    def read_text(self, name: str) -> str | None:
        """Reads a file of the output; nothing where it does not exist.

        Args:
            name: Path in the output, such as ``leaderboard.json``.

        Raises:
            UserInputError: The file is there and cannot be read.
        """
        stored = self._folder.read(name)
        return None if stored is None else stored.content.decode()

    def write_text(self, name: str, text: str) -> None:
        """Replaces a file of the output as a whole: readers see the old one or the new one.

        Raises:
            UserInputError: The output cannot be written.
        """
        self._folder.write(name, text.encode())

    def shard_file(self, shard: Shard, name: str) -> str:
        """Name of a shard's file, for :meth:`read_text` and :meth:`write_text`."""
        return f"{_SHARDS}/{shard.label}/{name}"


def _open(uri: str) -> ResultFolder:
    scheme, separator, rest = uri.partition("://")
    mistyped = uri.partition(":")[0] in _SCHEMES  # such as s3:/bucket, which is no folder either
    if not separator and not mistyped:
        return LocalFolder(Path(uri))
    if not separator or scheme not in _SCHEMES or not rest.strip("/"):
        raise UserInputError(
            f"{uri}: results go to a folder or to s3://bucket/prefix, gs://bucket/prefix or "
            "az://container/prefix"
        )
    return LocalFolder(Path("/" + rest.lstrip("/"))) if scheme == "file" else ObjectFolder(uri)
