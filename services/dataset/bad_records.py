"""Leaves faulty records out of a prepared folder, and lists them in a file."""

import json
from collections.abc import Sequence
from pathlib import Path

from services.benchmark.loader import dataset_file, is_json_list, read_text
from services.dataset.store import write_text
from services.dataset.validation import Fault, Validation

BAD_RECORDS_FILE = "bad_records.jsonl"


def leave_out(checked: Validation, folder: Path) -> None:
    """Takes the faulty records out of a folder's files; what stays keeps its order and words."""
    for split, faults in checked.faults.items():
        if faults:
            _rewrite(dataset_file(folder, split), {fault.record for fault in faults})


def list_bad_records(faults: Sequence[Fault], folder: Path) -> None:
    """Writes the list: a line a record; with no faulty one there is no list."""
    file = folder / BAD_RECORDS_FILE
    if not faults:
        file.unlink(missing_ok=True)
        return
    lines = [json.dumps(fault._asdict(), ensure_ascii=False) + "\n" for fault in faults]
    write_text(file, "".join(lines))


def _rewrite(file: Path, bad: set[int]) -> None:
    if file.suffix == ".parquet":
        _rewrite_parquet(file, bad)
        return
    text = read_text(file)
    if is_json_list(text):
        kept = [item for number, item in enumerate(json.loads(text), start=1) if number not in bad]
        write_text(file, json.dumps(kept, ensure_ascii=False, indent=1) + "\n")
        return
    lines = [line for line in text.split("\n") if line.strip()]
    rows = (line + "\n" for number, line in enumerate(lines, start=1) if number not in bad)
    write_text(file, "".join(rows))


def _rewrite_parquet(file: Path, bad: set[int]) -> None:
    # Imported when needed: JSON datasets do without this heavy library.
    from pyarrow import parquet  # noqa: PLC0415

    table = parquet.read_table(file)
    beside = file.with_name(f".{file.name}.new")
    kept = [number for number in range(len(table)) if number + 1 not in bad]
    parquet.write_table(table.take(kept), beside)
    beside.replace(file)
