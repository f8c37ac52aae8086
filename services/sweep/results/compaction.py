"""Makes a shard's many small files few, and removes what no reader needs any more.

Each commit of a sweep leaves a small file. Compaction rewrites them in one commit of its own:
interrupted, it leaves the table as it was and files that the next one removes.
"""

from dataclasses import dataclass
from datetime import timedelta

import structlog
from deltalake import WriterProperties

from services.core.errors import ExpArtError
from services.sweep.results.delta import FencedTable
from services.sweep.results.tables import ResultTables

# Files are joined up to about this size, and what is larger is not rewritten again: joining takes
# some six times as much memory, and in the midst of a run it must not take long.
_FILE_BYTES = 8 * 2**20

# A reader takes up whole groups of rows.
_GROUP_ROWS = 2**17

# A reader that opened a table before the compaction reads on in the files from before.
KEEP_HOURS = 1

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Compacted:
    """What a compaction did: how many files the tables consisted of, before and after it."""

    files_before: int
    files_after: int


def compact_tables(tables: ResultTables, keep_hours: int = KEEP_HOURS) -> Compacted:
    """Compacts the tables of a shard that this driver holds.

    Args:
        tables: The tables.
        keep_hours: Replaced files are kept for so long, for those who are reading them.

    Raises:
        UserInputError: They cannot be written, or another driver has taken the shard over.
    """
    before = after = 0
    for table in tables.fenced:
        before += table.file_count
        compact_table(table, keep_hours)
        after += table.file_count
    tables.folder.remove_leftovers(timedelta(hours=keep_hours))
    compacted = Compacted(before, after)
    _log.info(
        "shard_compacted",
        shard=tables.folder.uri,
        files_before=before,
        files_after=after,
    )
    return compacted


def try_to_compact(tables: ResultTables) -> str:
    """Compacts the tables of a shard whose results are stored whether that succeeds or not.

    Args:
        tables: The tables.

    Returns:
        Why it failed, in one line; empty if it did not.
    """
    try:
        compact_tables(tables)
    except Exception as error:  # noqa: BLE001 - logged; results that are stored must not fail
        _log.warning("shard_not_compacted", shard=tables.folder.uri, exc_info=True)
        lines = error.message if isinstance(error, ExpArtError) else f"{error}"
        return " ".join(lines.split()) or type(error).__name__
    return ""


def try_to_join(tables: ResultTables, number: int) -> None:
    """Joins the small files of one of the tables, in the midst of a run.

    Nothing is removed: whoever reads the table, however slowly, reads on in the files from before.
    The end of a run removes them. What goes wrong is logged: the rows are stored already.

    Args:
        tables: The tables, held by this driver.
        number: Which table's turn it is: they follow each other.
    """
    table = tables.fenced[number % len(tables.fenced)]
    try:
        _join_files(table)
    except Exception:  # noqa: BLE001 - logged; results that are stored must not fail
        _log.warning("files_not_joined", table=table.uri, exc_info=True)


def compact_table(table: FencedTable, keep_hours: int = KEEP_HOURS) -> None:
    """Compacts one table.

    Raises:
        UserInputError: It cannot be written, or another driver has taken it over.
    """
    _join_files(table)
    table.commit(
        lambda opened, properties: opened.vacuum(
            keep_hours,
            dry_run=False,
            enforce_retention_duration=False,
            full=True,
            commit_properties=properties,
        )
    )
    table.clean(keep_hours)


def _join_files(table: FencedTable) -> None:
    if table.file_count > 1:
        table.commit(
            lambda opened, properties: opened.optimize.compact(
                target_size=_FILE_BYTES,
                max_concurrent_tasks=1,
                writer_properties=WriterProperties(
                    compression="ZSTD", max_row_group_size=_GROUP_ROWS
                ),
                commit_properties=properties,
            )
        )
