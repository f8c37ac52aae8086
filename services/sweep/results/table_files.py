"""Reads columns of a result table file by file.

Arrow's scan of a whole dataset reads and decodes many files at a time: for a table of many small
files, as a sweep leaves them, it takes hundreds of megabytes more, and is slower.
"""

from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

import pyarrow as pa
import pyarrow.fs as pa_fs
import pyarrow.parquet as pq
from deltalake import DeltaTable
from deltalake.fs import DeltaStorageHandler

from services.sweep.results.delta import storage_options
from services.sweep.results.folder import LocalFolder, ResultFolder

_BATCH_ROWS = 32_768


def read_batches(
    table: DeltaTable, folder: ResultFolder, schema: pa.Schema, coded: Sequence[str]
) -> Iterator[pa.RecordBatch]:
    """Reads columns of a table, part by part, in no particular order of rows.

    Args:
        table: The table, opened.
        folder: Where it is.
        schema: The columns to read.
        coded: Those of them that are to be read as dictionaries.

    Raises:
        OSError: A file cannot be read.
        ArrowInvalid: A file is damaged.
    """
    files = table_files(table, folder)
    wanted = pa.schema([_coded(field) if field.name in coded else field for field in schema])
    for uri in table.file_uris():
        with files.open_input_file(PurePosixPath(uri).name) as file:
            # Of a file far away, the columns are fetched together.
            parquet = pq.ParquetFile(
                file, read_dictionary=list(coded), pre_buffer=not isinstance(folder, LocalFolder)
            )
            there = [name for name in schema.names if name in parquet.schema_arrow.names]
            for batch in parquet.iter_batches(_BATCH_ROWS, columns=there, use_threads=False):
                yield _as(wanted, batch)


def table_files(table: DeltaTable, folder: ResultFolder) -> pa_fs.FileSystem:
    """The files of a table, by their names."""
    if isinstance(folder, LocalFolder):  # without the detour that every read takes otherwise
        return pa_fs.SubTreeFileSystem(str(folder.path), pa_fs.LocalFileSystem())
    sizes = table._table.get_add_file_sizes()  # noqa: SLF001 - or each would be asked for
    return pa_fs.PyFileSystem(DeltaStorageHandler(folder.uri, storage_options(folder), sizes))


def _coded(field: pa.Field) -> pa.Field:
    return field.with_type(pa.dictionary(pa.int32(), field.type))


def _as(schema: pa.Schema, batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch with these columns; files of other programs may spell their types otherwise."""
    there = batch.schema.names
    columns = [
        _column(batch.column(field.name), field.type)
        if field.name in there
        else pa.nulls(len(batch), field.type)
        for field in schema
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _column(column: pa.Array, wanted: pa.DataType) -> pa.Array:
    if column.type == wanted:
        return column
    if pa.types.is_dictionary(wanted):
        return column.cast(wanted.value_type).dictionary_encode()
    return column.cast(wanted)
