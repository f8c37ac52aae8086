"""Results in a real S3 API: two writers, stale writers, takeovers, outages."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from services.core.errors import UserInputError
from services.sweep.results.compaction import compact_tables
from services.sweep.results.folder import StoreUnavailableError
from services.sweep.results.lease import FILE_NAME, ShardTakenError
from services.sweep.results.objects import ObjectFolder
from services.sweep.results.output_lock import hold_shard
from services.sweep.results.patience import CommitPatience
from services.sweep.results.rows import ScoreRow, Table
from services.sweep.results.store import ResultStore
from services.sweep.results.tables import ResultTables
from services.sweep.spec.sharding import Shard
from tests.integration.object_store import BUCKET, FaultyRoute, ObjectStoreServer, object_store

SCORE = ScoreRow("k", "d", "s", "bleu", 0.5, None, (), "bleu|v:1", datetime(2026, 1, 1, tzinfo=UTC))
# Renewed thrice in that time: also by a machine that is busy.
LEASE_S = 3.0


@pytest.fixture(scope="module")
def server() -> Iterator[ObjectStoreServer]:
    with object_store() as running:
        yield running


@pytest.fixture
def store(
    server: ObjectStoreServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> ResultStore:
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    return ResultStore(f"s3://{BUCKET}/{tmp_path.name}")


def keys(store: ResultStore) -> list[str]:
    tables = store.tables(Shard())
    batches = tables.batches(Table.SCORES, ["key"])
    return sorted(key for batch in batches for key in batch.column("key").to_pylist())


def score(key: object) -> ScoreRow:
    return replace(SCORE, key=str(key))


def test_rows_and_files_come_back_from_a_bucket(store: ResultStore) -> None:
    assert store.shards() == ()
    assert store.read_text("leaderboard.json") is None
    store.write_text("leaderboard.json", "{}")
    with hold_shard(store, Shard(1, 3), lease_s=LEASE_S) as tables:
        assert not tables.has(Table.SCORES)
        tables.append([score("a"), score("b")])
        tables.append([score("c")])
    assert store.read_text("leaderboard.json") == "{}"
    assert store.shards() == (Shard(1, 3),)
    assert store.tables(Shard(1, 3)).has(Table.SCORES)
    read = store.tables(Shard(1, 3)).batches(Table.SCORES, ["key"])
    assert sorted(key for batch in read for key in batch.column("key").to_pylist()) == [*"abc"]


def test_a_second_driver_of_a_shard_is_refused_while_the_first_renews_its_lease(
    store: ResultStore,
) -> None:
    told: list[str] = []
    with hold_shard(store, Shard(), lease_s=LEASE_S) as tables:
        with (
            pytest.raises(UserInputError, match="another sweep is writing there"),
            hold_shard(store, Shard(), lease_s=LEASE_S, note=told.append),
        ):
            pytest.fail("two drivers hold one shard")
        tables.append([score("a")])
    assert len(told) == 1  # it says why it waits
    with hold_shard(store, Shard(), lease_s=LEASE_S, note=told.append) as tables:
        tables.append([score("b")])
    assert len(told) == 1  # a shard that was given back is free at once
    assert keys(store) == ["a", "b"]


def test_drivers_of_different_numbers_of_shards_do_not_ask_at_once(store: ResultStore) -> None:
    told: list[str] = []
    with hold_shard(store, Shard(0, 1), lease_s=LEASE_S, to_ask=True):
        with (
            pytest.raises(ShardTakenError, match="00000-of-00001: a sweep with another number"),
            hold_shard(store, Shard(1, 2), lease_s=LEASE_S, to_ask=True, note=told.append),
        ):
            pytest.fail("two drivers ask the same questions")
        # Who only joins files or scores again does no harm.
        with hold_shard(store, Shard(1, 2), lease_s=LEASE_S):
            pass
    assert len(told) == 1
    with hold_shard(store, Shard(1, 2), lease_s=LEASE_S, to_ask=True, note=told.append):
        pass
    assert len(told) == 1  # what was given back is not waited for


HOLDER = """
import sys, time
from services.sweep.results.output_lock import hold_shard
from services.sweep.spec.sharding import Shard
from services.sweep.results.store import ResultStore
with hold_shard(ResultStore(sys.argv[1]), Shard(), lease_s=float(sys.argv[2])):
    print("held", flush=True)
    time.sleep(600)
"""


def test_the_shard_of_a_killed_driver_is_taken_over_when_its_lease_has_run_out(
    store: ResultStore,
) -> None:
    command = [sys.executable, "-c", HOLDER, store.uri, str(LEASE_S)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        holder.kill()
    told: list[str] = []
    with hold_shard(store, Shard(), lease_s=LEASE_S, note=told.append) as tables:
        tables.append([score("a")])
    assert len(told) == 1
    assert keys(store) == ["a"]


def test_a_killed_driver_of_another_number_of_shards_is_waited_for_once(
    store: ResultStore,
) -> None:
    command = [sys.executable, "-c", HOLDER, store.uri, str(LEASE_S)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        holder.kill()
    told: list[str] = []
    for _ in range(2):
        with hold_shard(store, Shard(1, 2), lease_s=LEASE_S, to_ask=True, note=told.append):
            pass
    assert len(told) == 1


def test_a_driver_that_comes_back_after_its_shard_was_taken_over_stores_nothing(
    store: ResultStore,
) -> None:
    folder = store.folder(Shard())
    stale = ResultTables(folder, driver="stale")
    stale.take_over()
    stale.append([score("before")])
    with hold_shard(store, Shard(), lease_s=LEASE_S) as tables:
        # Before the new owner has stored anything at all.
        with pytest.raises(UserInputError, match="another driver has taken this shard over"):
            stale.append([score("stale")])
        tables.append([score("after")])
        with pytest.raises(UserInputError, match="another driver has taken this shard over"):
            stale.append([score("stale")])
        with pytest.raises(UserInputError, match="another driver has taken this shard over"):
            compact_tables(stale)
        tables.append([score("last")])
    assert keys(store) == ["after", "before", "last"]


def test_a_driver_learns_from_its_lease_that_another_has_taken_the_shard(
    store: ResultStore,
) -> None:
    folder = store.folder(Shard())
    assert isinstance(folder, ObjectFolder)
    with hold_shard(store, Shard(), lease_s=LEASE_S) as tables:
        folder.write(FILE_NAME, json.dumps({"driver": "another", "lasts_s": LEASE_S}).encode())
        until = time.monotonic() + 20
        with pytest.raises(UserInputError, match="another driver has taken this shard over"):
            while time.monotonic() < until:
                tables.append([score("a")])
                time.sleep(0.1)


@pytest.fixture
def route(
    server: ObjectStoreServer, store: ResultStore, monkeypatch: pytest.MonkeyPatch
) -> Iterator[FaultyRoute]:
    """What is opened from here on goes over this route; ``store`` does not."""
    faulty = FaultyRoute(server.port)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{faulty.port}")
    yield faulty
    faulty.close()


def test_rows_whose_acknowledgement_was_lost_are_stored_once(
    store: ResultStore, route: FaultyRoute
) -> None:
    patience = CommitPatience(limit_s=60, first_pause_s=0.05, longest_pause_s=0.2)
    tables = ResultTables(ResultStore(store.uri).folder(Shard()), patience=patience)
    tables.take_over()
    route.loses_commits = True
    for number in range(6):
        tables.append([score(number)])
    assert len(route.lost) == 6
    # Each was sent again, as nobody had said that it had arrived; it is there once.
    assert keys(store) == [*"012345"]


def test_an_outage_is_waited_out_with_the_rows_kept(store: ResultStore, route: FaultyRoute) -> None:
    patience = CommitPatience(limit_s=60, first_pause_s=0.1, longest_pause_s=0.2)
    tables = ResultTables(ResultStore(store.uri).folder(Shard()), patience=patience)
    tables.append([score("a")])
    route.is_down = True
    back = threading.Timer(1.0, lambda: setattr(route, "is_down", False))
    back.start()
    tables.append([score("b")])
    back.join()
    assert keys(store) == ["a", "b"]


def test_an_outage_without_end_is_one_clear_error_and_loses_nothing_stored(
    store: ResultStore, route: FaultyRoute
) -> None:
    patience = CommitPatience(limit_s=0.3, first_pause_s=0.1, longest_pause_s=0.2)
    tables = ResultTables(ResultStore(store.uri).folder(Shard()), patience=patience)
    tables.append([score("a")])
    route.is_down = True
    with pytest.raises(StoreUnavailableError, match="scores"):
        tables.append([score("b")])
    route.is_down = False
    assert keys(store) == ["a"]


def test_a_missing_bucket_is_one_clear_error(store: ResultStore) -> None:
    with (
        pytest.raises(UserInputError, match="there is no such bucket"),
        hold_shard(ResultStore("s3://nowhere/out"), Shard(), lease_s=LEASE_S),
    ):
        pytest.fail("held a shard in no bucket")
    with pytest.raises(UserInputError, match="there is no such bucket"):
        ResultStore("s3://nowhere/out").shards()


def test_wrong_addresses_are_refused_by_name() -> None:
    for uri in ("s3://", "ftp://host/out"):
        with pytest.raises(UserInputError, match="results go to a folder or to s3://"):
            ResultStore(uri)


def test_compaction_keeps_every_row_in_a_bucket(store: ResultStore) -> None:
    with hold_shard(store, Shard(), lease_s=LEASE_S) as tables:
        for number in range(5):
            tables.append([score(number)])
        done = compact_tables(tables, keep_hours=0)
        assert (done.files_before, done.files_after) == (5, 1)
        tables.append([score(5)])
    assert keys(store) == [*"012345"]
