"""How a sweep is shared out among drivers: by artwork, without any talk between them."""

import hashlib
from dataclasses import dataclass

from services.core.errors import UserInputError

# A shard's folder is named with five digits, so that listings are in order.
_DIGITS = 5
_MOST_SHARDS = 10**_DIGITS - 1


def shard_of(artwork: str, count: int) -> int:
    """The shard that an artwork's questions belong to, from 0: by the name's hash alone."""
    return int.from_bytes(hashlib.sha256(artwork.encode()).digest()[:8]) % count


@dataclass(frozen=True, slots=True)
class Shard:
    """One driver's share of a sweep: every question about the artworks that are its own.

    Attributes:
        index: Which share, from 0.
        count: How many shares there are.

    Raises:
        UserInputError: There is no such share.
    """

    index: int = 0
    count: int = 1

    def __post_init__(self) -> None:
        """Refuses a share that there is not."""
        if not 1 <= self.count <= _MOST_SHARDS:
            raise UserInputError(
                f"the number of shards must be from 1 to {_MOST_SHARDS}, not {self.count}"
            )
        if not 0 <= self.index < self.count:
            raise UserInputError(
                f"the shard index must be from 0 to {self.count - 1}, as there "
                f"{'is 1 shard' if self.count == 1 else f'are {self.count} shards'}; "
                f"it is {self.index}"
            )

    @property
    def label(self) -> str:
        """Names it in folders and logs: ``00000-of-00001``."""
        return f"{self.index:0{_DIGITS}}-of-{self.count:0{_DIGITS}}"

    @classmethod
    def parse(cls, label: str) -> "Shard":
        """Reads a label.

        Raises:
            UserInputError: It is no label of a shard.
        """
        index, of, count = label.partition("-of-")
        digits = index + count
        is_long_enough = len(index) == len(count) == _DIGITS
        if not (of and is_long_enough and digits.isascii() and digits.isdigit()):
            raise UserInputError(f"{label!r} names no shard, as 00000-of-00001 does")
        return cls(int(index), int(count))

    def holds(self, artwork: str) -> bool:
        """Whether an artwork's questions are its own."""
        return shard_of(artwork, self.count) == self.index


def choose_shard(
    index: int | None = None, count: int | None = None, completion_index: int | None = None
) -> Shard:
    """Chooses a driver's shard from what it was given.

    Args:
        index: The index given by hand; goes before the other.
        count: The number of shards.
        completion_index: The index that Kubernetes gives to a pod of an Indexed Job.

    Raises:
        UserInputError: An index without a number of shards, a number without an index, or an
            index beyond the number.
    """
    chosen = completion_index if index is None else index
    if count is None:
        if chosen is None or (index is None and chosen == 0):
            return Shard()
        raise UserInputError(
            f"the shard index is {chosen}, and the number of shards is not given: name it with "
            "--shard-count or EXPART_SWEEP_SHARD_COUNT"
        )
    if chosen is None:
        if count == 1:
            return Shard()
        raise UserInputError(
            f"there are {count} shards, and which one to run is not given: name it with "
            "--shard-index or JOB_COMPLETION_INDEX"
        )
    return Shard(chosen, count)
