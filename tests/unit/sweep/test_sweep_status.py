"""The status that a driver leaves for others, and the sum of several."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from services.cli.app import make_app
from services.core.errors import UserInputError
from services.sweep.progress.snapshot import ModelProgress, SweepSnapshot
from services.sweep.progress.status import DriverState, StatusProgress, read_statuses
from services.sweep.progress.status_sum import added_up
from services.sweep.progress.watching import DriverWatch, are_over
from services.sweep.results.manifest import read_manifest, write_manifest
from services.sweep.results.store import ResultStore
from services.sweep.spec.sharding import Shard
from tests.unit.sweep.finished_sweep import PLAN, begin_shard

_ALPHA = ModelProgress("alpha", 10, done=3, rate_per_s=0.5, retries={"DRAINING": 2}, concurrency=4)
_SNAPSHOT = SweepSnapshot((_ALPHA,), scored=2, elapsed_s=7.0, done_before=1)


def test_a_status_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    store = ResultStore(str(tmp_path))
    with StatusProgress(store, Shard(1, 2), "expart") as status:
        status.update(_SNAPSHOT)
    [read] = read_statuses(store)
    assert read.snapshot == _SNAPSHOT
    assert read.shard == "00001-of-00002"
    assert read.state is DriverState.ENDED
    # Ten planned and three done.
    assert " s ago, 7 questions left; run again to go on" in shown(tmp_path)


def test_a_driver_that_was_interrupted_has_stopped_and_not_failed(tmp_path: Path) -> None:
    store = ResultStore(str(tmp_path))
    with (
        pytest.raises(KeyboardInterrupt),
        StatusProgress(store, Shard(), "expart") as status,
    ):
        status.update(_SNAPSHOT)
        raise KeyboardInterrupt
    [read] = read_statuses(store)
    assert (read.state, read.reason) == (DriverState.STOPPED, "")
    assert re.search(r"stopped \d+ s ago \(interrupted; run again to go on\)", shown(tmp_path))


def test_a_driver_that_raises_has_failed_and_says_why(tmp_path: Path) -> None:
    store = ResultStore(str(tmp_path))
    with (
        pytest.raises(UserInputError),
        StatusProgress(store, Shard(), "expart") as status,
    ):
        status.update(_SNAPSHOT)
        raise UserInputError("no space left\n on device")
    assert read_statuses(store)[0].state is DriverState.FAILED
    assert re.search(r"failed \d+ s ago: no space left on device", shown(tmp_path))


def test_a_driver_that_was_killed_has_crashed(tmp_path: Path) -> None:
    store = ResultStore(str(tmp_path))
    with StatusProgress(store, Shard(), "expart") as status:
        status.update(_SNAPSHOT)
    [ended] = read_statuses(store)
    # It said last that it runs, an hour ago, and should say so every 3 s.
    silent = ended.model_copy(
        update={
            "state": DriverState.RUNNING,
            "written_at": datetime.now(UTC) - timedelta(hours=1),
        }
    )
    store.write_text(store.shard_file(Shard(), "status.json"), silent.model_dump_json())
    assert "crashed: silent for 1:0" in shown(tmp_path)


def shown(output: Path) -> str:
    """What the command prints, its lines joined."""
    ended = CliRunner().invoke(make_app(["sweep", "status"]), ["sweep", "status", str(output)])
    return " ".join(ended.output.split())


def test_only_a_running_driver_that_is_silent_for_long_seems_dead(tmp_path: Path) -> None:
    store = ResultStore(str(tmp_path))
    with StatusProgress(store, Shard(), "expart", interval_s=3.0) as status:
        status.update(_SNAPSHOT)
    [ended] = read_statuses(store)
    running = ended.model_copy(update={"state": DriverState.RUNNING})
    soon = ended.written_at + timedelta(seconds=18)  # six intervals of 3 s
    assert not running.seems_dead(soon)
    assert running.seems_dead(soon + timedelta(seconds=1))
    assert not ended.seems_dead(datetime.now(UTC) + timedelta(days=1))


def test_shards_of_an_older_number_are_left_out(tmp_path: Path) -> None:
    store = ResultStore(str(tmp_path))
    for shard in (Shard(), Shard(0, 2), Shard(1, 2)):
        with StatusProgress(store, shard, "expart") as status:
            status.update(_SNAPSHOT)
    assert [one.shard for one in read_statuses(store)] == ["00000-of-00002", "00001-of-00002"]


def test_drivers_add_up() -> None:
    other = replace(_ALPHA, planned=20, done=5, set_aside="MODEL_FAILED: no memory")
    total = added_up([_SNAPSHOT, replace(_SNAPSHOT, models=(other,), elapsed_s=9.0)])
    [alpha] = total.models
    assert (alpha.planned, alpha.done, alpha.concurrency) == (30, 8, 8)
    assert alpha.retries == {"DRAINING": 4}
    assert alpha.rate_per_s == 1.0
    assert alpha.set_aside == "MODEL_FAILED: no memory"
    assert (total.scored, total.elapsed_s) == (4, 9.0)


def test_a_driver_that_has_ended_adds_nothing_to_the_pace_of_the_others(tmp_path: Path) -> None:
    store = ResultStore(str(tmp_path))
    with StatusProgress(store, Shard(0, 2), "expart") as status:
        status.update(_SNAPSHOT)
    [ended] = read_statuses(store)
    running = ended.model_copy(update={"state": DriverState.RUNNING})
    now = ended.written_at
    # Each had done 3 of 10 at 0.5 a second; one goes on with that, and has 7 + 7 to do in all.
    total = added_up([one.present(now) for one in (ended, running)])
    assert (total.settled, total.planned) == (6, 20)
    assert total.recent_rate_per_s == 0.5
    assert total.remaining_s == 28.0
    at_rest = ended.present(now)
    assert (at_rest.settled, at_rest.remaining_s, at_rest.rate_per_s) == (3, None, 0.0)


def test_nothing_is_awaited_of_models_that_are_set_aside() -> None:
    aside = ModelProgress("alpha", 10, done=4, rate_per_s=1.0, set_aside="MODEL_FAILED: no memory")
    assert SweepSnapshot((aside,), 4, 5.0, 0).remaining_s is None


def test_models_that_wait_for_their_turn_follow_the_first_that_ends() -> None:
    # alpha: 10 left at 1/s, beta: 40 left at 4/s, both end after 10 s; gamma waits for a place,
    # and then takes 25 / 2.5 = 10 s at their mean rate.
    models = (
        ModelProgress("alpha", 10, rate_per_s=1.0),
        ModelProgress("beta", 40, rate_per_s=4.0),
        ModelProgress("gamma", 25),
    )
    assert SweepSnapshot(models, 0, 5.0, 0, max_parallel_models=2).remaining_s == 20.0
    # side by side gamma is done as early as the others
    assert SweepSnapshot(models, 0, 5.0, 0).remaining_s == 10.0


def test_the_command_prints_it_and_says_where_there_is_none(tmp_path: Path) -> None:
    store = ResultStore(str(tmp_path))
    with StatusProgress(store, Shard(), "expart") as status:
        status.update(_SNAPSHOT)
    app = make_app(["sweep", "status"])
    shown = CliRunner().invoke(app, ["sweep", "status", str(tmp_path)])
    assert "3/10" in shown.output
    assert "shard 00000-of-00001" in shown.output
    assert "ended" in shown.output
    document = CliRunner().invoke(app, ["sweep", "status", str(tmp_path), "--json"])
    assert '"retries": {"DRAINING": 2}' in document.output
    nothing = CliRunner().invoke(app, ["sweep", "status", str(tmp_path / "other")])
    assert isinstance(nothing.exception, UserInputError)
    assert "no driver has written a status there" in nothing.exception.message


def test_an_ended_driver_says_what_a_later_run_asks(tmp_path: Path) -> None:
    store = ResultStore(tmp_path)
    for again, said in ((0, "ended 0 s ago\n"), (3, "ended 0 s ago, 3 questions left; run again")):
        model = ModelProgress("alpha", 10, done=4, failed=6, to_ask_again=again)
        with StatusProgress(store, Shard(), "expart") as status:
            status.update(SweepSnapshot((model,), scored=4, elapsed_s=1.0, done_before=0))
        ended = CliRunner().invoke(
            make_app(["sweep", "status"]), ["sweep", "status", str(tmp_path)]
        )
        assert said in ended.output


def say(output: Path, shard: Shard, **said: object) -> None:
    """Writes what a driver says, as of now unless told otherwise."""
    store = ResultStore(str(output))
    with StatusProgress(store, shard, "expart") as status:
        status.update(_SNAPSHOT)
    [ended] = [one for one in read_statuses(store) if one.shard == shard.label]
    store.write_text(
        store.shard_file(shard, "status.json"), ended.model_copy(update=said).model_dump_json()
    )


class Looks:
    """Has something happen between one look and the next, in the place of the time between."""

    def __init__(self, happenings: Sequence[Callable[[], None]]) -> None:
        self._left = list(happenings)

    def sleep(self, seconds: float) -> None:
        del seconds
        if not self._left:
            raise KeyboardInterrupt
        self._left.pop(0)()


def watched(output: Path, looks: Looks, monkeypatch: pytest.MonkeyPatch) -> Result:
    monkeypatch.setattr("services.cli.sweep_status_command.time.sleep", looks.sleep)
    arguments = ["sweep", "status", str(output), "--watch"]
    return CliRunner().invoke(make_app(arguments), arguments)


def test_a_shard_that_has_not_begun_is_watched_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    say(tmp_path, Shard(0, 2))
    looks = Looks([lambda: None, lambda: say(tmp_path, Shard(1, 2))])
    ended = watched(tmp_path, looks, monkeypatch)
    assert ended.exit_code == 0
    # Of three looks two still missed it.
    assert ended.output.count("shards that have said nothing yet: 1") == 2
    assert ended.output.count("shard 00001-of-00002") == 1


def test_a_driver_whose_clock_is_wrong_is_watched_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = datetime.now(UTC) - timedelta(hours=1)

    def run(seconds: int) -> None:
        at = slow + timedelta(seconds=seconds)
        say(tmp_path, Shard(), state=DriverState.RUNNING, written_at=at)

    run(0)
    looks = Looks([lambda: run(3), lambda: say(tmp_path, Shard())])
    ended = watched(tmp_path, looks, monkeypatch)
    assert ended.exit_code == 0
    assert "crashed" not in ended.output
    assert ended.output.count("running, last heard of 0 s ago") == 2
    assert len(re.findall(r"ended \d+ s ago", ended.output)) == 1


def test_a_driver_that_falls_silent_while_it_is_watched_seems_dead(tmp_path: Path) -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    say(tmp_path, Shard(), state=DriverState.RUNNING, written_at=at, interval_s=3.0)
    [said] = read_statuses(ResultStore(str(tmp_path)))
    watch = DriverWatch()
    now = at + timedelta(hours=5)  # its clock is hours behind
    silent_since = now + timedelta(seconds=60)
    for seconds in (0, 18):
        later = now + timedelta(seconds=seconds)
        assert not are_over(watch.look([said], later), later)
    spoke = said.model_copy(update={"written_at": at + timedelta(seconds=3)})
    for seconds, is_over in ((0, False), (18, False), (19, True)):  # six intervals of 3 s
        later = silent_since + timedelta(seconds=seconds)
        assert are_over(watch.look([spoke], later), later) is is_over


def test_prices_that_another_version_wrote_are_one_clear_error(tmp_path: Path) -> None:
    begin_shard(tmp_path, [PLAN])
    say(tmp_path, Shard())
    folder = ResultStore(str(tmp_path)).folder(Shard())
    manifest = read_manifest(folder)
    assert manifest is not None
    manifest.spec["prices"] = {"per_joule": 1}
    write_manifest(manifest, folder)
    ended = CliRunner().invoke(make_app(["sweep", "status"]), ["sweep", "status", str(tmp_path)])
    assert isinstance(ended.exception, UserInputError)
    assert "prices of another version" in ended.exception.message
