"""Results on a disk: who may write them, and what a kill or a full disk leaves behind."""

import errno
import os
import random
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from services.core.errors import UserInputError
from services.sweep.results.compaction import compact_tables
from services.sweep.results.lease import ShardTakenError
from services.sweep.results.output_lock import hold_shard
from services.sweep.results.rows import ScoreRow, Table
from services.sweep.results.store import ResultStore
from services.sweep.results.tables import ResultTables
from services.sweep.spec.sharding import Shard

SCORE = ScoreRow("k", "d", "s", "bleu", 0.5, None, (), "bleu|v:1", datetime(2026, 1, 1, tzinfo=UTC))
TAKEN = "another driver has taken this shard over"


def score(key: object) -> ScoreRow:
    return replace(SCORE, key=str(key))


def keys(store: ResultStore, shard: Shard | None = None) -> list[str]:
    batches = store.tables(shard or Shard()).batches(Table.SCORES, ["key"])
    return sorted(key for batch in batches for key in batch.column("key").to_pylist())


@pytest.fixture
def store(tmp_path: Path) -> ResultStore:
    return ResultStore(tmp_path / "out")


def test_shards_are_listed_with_those_of_other_counts(store: ResultStore) -> None:
    assert store.shards() == ()
    for shard in (Shard(1, 2), Shard(0, 1)):
        with hold_shard(store, shard) as tables:
            tables.append([score(shard.label)])
    assert store.shards() == (Shard(0, 1), Shard(1, 2))
    assert keys(store, Shard(1, 2)) == ["00001-of-00002"]


def test_a_file_is_replaced_as_a_whole(store: ResultStore) -> None:
    assert store.read_text("status.json") is None
    store.write_text("status.json", "one")
    store.write_text("status.json", "two")
    assert store.read_text("status.json") == "two"
    assert [entry.name for entry in Path(store.uri).iterdir()] == ["status.json"]


def test_a_shard_has_one_writer_and_another_shard_another(store: ResultStore) -> None:
    with hold_shard(store, Shard(0, 2)):
        with (
            pytest.raises(UserInputError, match="another sweep is writing there"),
            hold_shard(store, Shard(0, 2)),
        ):
            pytest.fail("two drivers hold one shard")
        with hold_shard(store, Shard(1, 2)) as other:
            other.append([score("a")])
    assert keys(store, Shard(1, 2)) == ["a"]


def test_drivers_of_different_numbers_of_shards_do_not_ask_at_once(store: ResultStore) -> None:
    with hold_shard(store, Shard(0, 1), to_ask=True):
        with (
            pytest.raises(ShardTakenError, match="00000-of-00001: a sweep with another number"),
            hold_shard(store, Shard(1, 2), to_ask=True),
        ):
            pytest.fail("two drivers ask the same questions")
        # Who only joins files or scores again does no harm.
        with hold_shard(store, Shard(1, 2)):
            pass
    with hold_shard(store, Shard(1, 2), to_ask=True), hold_shard(store, Shard(0, 2), to_ask=True):
        pass


@pytest.mark.parametrize("to_ask", [True, False])
def test_a_volume_without_locks_is_one_clear_error(
    store: ResultStore, monkeypatch: pytest.MonkeyPatch, *, to_ask: bool
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("fcntl.flock", refuse)
    with (
        pytest.raises(UserInputError, match=r"out.*cannot be locked: No locks.*s3://bucket"),
        hold_shard(store, Shard(), to_ask=to_ask),
    ):
        pytest.fail("nobody holds it")


def test_a_writer_whose_tables_were_taken_over_stores_nothing_more(store: ResultStore) -> None:
    # As on a network disk whose lock was lost while the process was paused.
    stale = ResultTables(store.folder(Shard()))
    stale.take_over()
    stale.append([score("before")])
    with hold_shard(store, Shard()) as tables:
        with pytest.raises(UserInputError, match=TAKEN):
            stale.append([score("stale")])
        tables.append([score("after")])
        with pytest.raises(UserInputError, match=TAKEN):
            compact_tables(stale)
        with pytest.raises(UserInputError, match=TAKEN):
            stale.replace_plan([])
    assert keys(store) == ["after", "before"]


def test_a_writer_that_made_no_table_yet_is_fenced_too(store: ResultStore) -> None:
    stale = ResultTables(store.folder(Shard()))
    stale.take_over()  # four empty tables
    with hold_shard(store, Shard()):
        with pytest.raises(UserInputError, match=TAKEN):
            stale.append([score("stale")])
        assert not store.tables(Shard()).has(Table.SCORES)


def test_an_append_is_on_the_disk_with_its_log_entry(
    store: ResultStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    sync = os.fsync

    def note(number: int) -> None:
        synced.append(str(Path(f"/proc/self/fd/{number}").readlink()))
        sync(number)

    with hold_shard(store, Shard()) as tables:
        monkeypatch.setattr(os, "fsync", note)
        tables.append([score("a")])
    table = Path(store.folder(Shard()).uri) / "scores"
    # Version 0 took the shard over, 1 is the row: the entry, then its name.
    assert f"{table}/_delta_log/{1:020}.json" in synced
    assert synced[-1] == f"{table}/_delta_log"
    # The rows are there before the log names them.
    assert synced.index(str(table)) < synced.index(f"{table}/_delta_log/{1:020}.json")


def test_compaction_leaves_few_files_and_every_row(store: ResultStore) -> None:
    with hold_shard(store, Shard()) as tables:
        for number in range(6):
            tables.append([score(number)])
        reader = store.tables(Shard()).batches(Table.SCORES, ["key"])
        first = next(reader)  # somebody is reading meanwhile
        done = compact_tables(tables)
        assert (done.files_before, done.files_after) == (6, 1)
        assert sum(batch.num_rows for batch in reader) + first.num_rows == 6
        tables.append([score(6)])
        compact_tables(tables, keep_hours=0)
    assert keys(store) == [*"0123456"]
    folder = Path(store.folder(Shard()).uri) / "scores"
    assert len(list(folder.glob("*.parquet"))) == 1


def test_compaction_removes_what_killed_writers_left_once_it_is_old(store: ResultStore) -> None:
    with hold_shard(store, Shard()) as tables:
        tables.append([score("a")])
        shard = Path(store.folder(Shard()).uri)
        old = [folder / ".a.1.unfinished" for folder in (shard, shard / "scores")]
        fresh = shard / "scores" / ".b.2.unfinished"
        for file in (*old, fresh):
            file.write_bytes(b"half")
        for file in old:
            os.utime(file, (0, 0))
        compact_tables(tables)
    assert [file.exists() for file in (*old, fresh)] == [False, False, True]


WRITER = """
import sys
from pathlib import Path
from services.sweep.results.compaction import compact_tables
from services.sweep.results.output_lock import hold_shard
from services.sweep.spec.sharding import Shard
from services.sweep.results.store import ResultStore
from tests.unit.sweep.test_sweep_store import score
begin = int(sys.argv[2])
with hold_shard(ResultStore(sys.argv[1]), Shard()) as tables:
    for number in range(begin, begin + 100_000):
        tables.append([score(number)])
        print(number, flush=True)
        if number % 7 == 0:
            compact_tables(tables, keep_hours=0)
"""


@pytest.mark.slow
def test_kills_in_the_middle_of_commits_and_compactions_lose_and_repeat_nothing(
    store: ResultStore,
) -> None:
    moments = random.Random(7)
    acknowledged: set[str] = set()
    for run in range(5):
        begin = run * 1_000_000
        command = [sys.executable, "-c", WRITER, store.uri, str(begin)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            acknowledged.add(writer.stdout.readline().strip())
            time.sleep(moments.uniform(0.0, 0.4))
            writer.kill()
            lines = [line.strip() for line in writer.stdout if line.endswith("\n")]
            acknowledged.update(line for line in lines if line.isdigit())  # others are of the log
        stored = keys(store)
        assert len(stored) == len(set(stored))
        assert acknowledged <= set(stored)
        # At most the one commit of each run whose acknowledgement the kill cut off.
        assert len(stored) <= len(acknowledged) + run + 1
    with hold_shard(store, Shard()) as tables:
        compact_tables(tables, keep_hours=0)
    assert acknowledged <= set(keys(store))


FILLER = """
import resource, sys
from services.core.errors import StorageError
from services.sweep.results.output_lock import hold_shard
from services.sweep.spec.sharding import Shard
from services.sweep.results.store import ResultStore
from tests.unit.sweep.test_sweep_store import score
with hold_shard(ResultStore(sys.argv[1]), Shard()) as tables:
    tables.append([score("a")])
    # From here on no file can grow, as on a full disk.
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))
    try:
        tables.append([score("b")])
    except StorageError as error:  # nothing that was asked is wrong
        print(error.message)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    tables.append([score("c")])
"""


def test_a_full_disk_is_one_clear_error_and_leaves_the_table_whole(store: ResultStore) -> None:
    command = [sys.executable, "-c", FILLER, store.uri]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "cannot be written" in ended.stdout
    assert len(ended.stdout.splitlines()) == 1
    assert keys(store) == ["a", "c"]


def test_a_folder_that_cannot_be_made_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(UserInputError, match="cannot write the output folder"),
        hold_shard(ResultStore(tmp_path / "file"), Shard()),
    ):
        pytest.fail("held a shard below a file")


def test_a_mistyped_uri_becomes_no_folder() -> None:
    with pytest.raises(UserInputError, match="results go to a folder or to s3://bucket/prefix"):
        ResultStore("s3:/bucket/prefix")
