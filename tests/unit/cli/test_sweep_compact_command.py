"""``expart sweep compact``, beside drivers that are writing."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from services.cli.app import make_app
from services.core.errors import UserInputError
from services.sweep.results.output_lock import hold_shard
from services.sweep.results.rows import Table
from services.sweep.results.store import ResultStore
from services.sweep.spec.sharding import Shard
from tests.unit.sweep.finished_sweep import FAILURE, PLAN, begin_shard


def compact(output: Path) -> tuple[int, list[str]]:
    ended = CliRunner().invoke(make_app(["sweep", "compact"]), ["sweep", "compact", str(output)])
    return ended.exit_code, ended.output.splitlines()


def test_a_folder_without_a_sweep_is_told(tmp_path: Path) -> None:
    ended = CliRunner().invoke(make_app(["sweep", "compact"]), ["sweep", "compact", str(tmp_path)])
    assert isinstance(ended.exception, UserInputError)
    assert ended.exception.message == f"{tmp_path}: there is no sweep here"


def test_a_shard_that_a_driver_is_writing_is_skipped_and_the_driver_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EXPART_CLI_LOG_FOLDER", str(tmp_path / "log"))
    for shard in (Shard(0, 2), Shard(1, 2)):
        tables = begin_shard(tmp_path, [PLAN], shard)
        for _ in range(3):
            tables.append([FAILURE])
    store = ResultStore(tmp_path)
    with hold_shard(store, Shard(1, 2)) as held:
        held.append([FAILURE])
        code, lines = compact(tmp_path)
        assert code == 0
        # Of the first: a file of the plan, and three of failures, which become one.
        assert lines == [
            "00000-of-00002: 4 files are now 2",
            "00001-of-00002: skipped, a driver is writing it and joins its files itself",
        ]
        held.append([FAILURE])
    rows = [batch.num_rows for batch in store.tables(Shard(1, 2)).batches(Table.FAILURES, ["key"])]
    assert sum(rows) == 5
    # The driver has ended.
    assert compact(tmp_path)[1][1] == "00001-of-00002: 6 files are now 2"
