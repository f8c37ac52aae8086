"""Reads stored explanations back, those that still need scores."""

from collections.abc import Collection, Iterator, Sequence

import pyarrow.compute as pc

from services.sweep.results.rows import Table
from services.sweep.results.tables import ResultTables

# Up to here a filter by keys is faster than reading every text.
_MOST_FILTERED = 10_000


def stored_texts(
    tables: Sequence[ResultTables], keys: Collection[str]
) -> Iterator[list[tuple[str, str]]]:
    """Yields keys with their texts, a batch at a time; others than those wanted may be among them.

    Args:
        tables: Where to look: the tables of every shard.
        keys: The keys wanted; they may become fewer while this is read.

    Raises:
        UserInputError: A table cannot be read.
    """
    if not keys:
        return
    where = pc.field("key").isin(list(keys)) if len(keys) <= _MOST_FILTERED else None
    for each in tables:
        for batch in each.batches(Table.GENERATIONS, ["key", "text"], where):
            columns = (column.to_pylist() for column in batch.columns)
            yield list(zip(*columns, strict=True))
