"""Which outputs make one sweep of a report, and which cannot stand in one."""

import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from services.core.errors import UserInputError
from services.sweep.report.sources import Source, open_sources
from services.sweep.results.store import ResultStore
from services.sweep.spec.sharding import Shard
from tests.unit.sweep.report.reported_sweep import MINI, NOW, finish_sweep


def planned(source: Source) -> set[str]:
    return set(source.plan.keys.to_pylist())


def finish_shards(output: Path, count: int, *, but: int | None = None) -> None:
    for index in range(count):
        if index != but:
            finish_sweep(output, shard=Shard(index, count), models=("alpha",))


def shard_folder(output: Path, index: int, count: int) -> str:
    return ResultStore(output).folder(Shard(index, count)).uri


def test_an_output_is_a_sweep(tmp_path: Path) -> None:
    spec = finish_sweep(tmp_path / "out")
    [source] = open_sources([str(tmp_path / "out")])
    assert source.name == "out"
    assert source.spec.models == spec.models
    # 3 artworks of each of two splits, each with at least a question in two settings, two models.
    assert len(source.plan) >= 3 * 2 * 2 * 2
    assert source.scores.is_scored.all()


def test_the_shards_of_an_output_are_one_sweep(tmp_path: Path) -> None:
    finish_sweep(tmp_path / "whole", models=("alpha",))
    finish_shards(tmp_path / "out", 2)
    [whole] = open_sources([str(tmp_path / "whole")])
    [source] = open_sources([str(tmp_path / "out")])
    assert planned(source) == planned(whole)
    assert source.plan.missing_shards == ()
    assert len(source.manifests) == 2


def test_the_folder_of_one_shard_is_a_sweep_whose_other_shards_are_missing(tmp_path: Path) -> None:
    finish_shards(tmp_path / "out", 2)
    [whole] = open_sources([str(tmp_path / "out")])
    [source] = open_sources([shard_folder(tmp_path / "out", 1, 2) + "/"])
    assert planned(source) < planned(whole)
    assert source.plan.shard_names == ("00001-of-00002",)
    assert source.plan.missing_shards == ("00000-of-00002",)


def test_folders_of_shards_are_united_wherever_they_lie(tmp_path: Path) -> None:
    finish_shards(tmp_path / "one", 3, but=2)
    finish_shards(tmp_path / "two", 3)
    [whole] = open_sources([str(tmp_path / "two")])
    [source] = open_sources([shard_folder(tmp_path / "two", 2, 3), str(tmp_path / "one")])
    assert planned(source) == planned(whole)
    assert source.plan.missing_shards == ()
    assert source.output == f"{shard_folder(tmp_path / 'two', 2, 3)}, {tmp_path / 'one'}"


def test_two_runs_of_one_sweep_stand_beside_each_other_with_names_of_their_own(
    tmp_path: Path,
) -> None:
    finish_sweep(tmp_path / "a" / "out")
    finish_sweep(tmp_path / "b" / "out", begun_at=NOW + timedelta(days=1))
    first, second = open_sources([str(tmp_path / "a" / "out"), str(tmp_path / "b" / "out")])
    assert planned(first) == planned(second)
    assert first.name == f"out in {tmp_path / 'a' / 'out'}"
    assert second.name == f"out in {tmp_path / 'b' / 'out'}"


def test_a_shard_that_was_planned_from_another_spec_is_left_out_and_named(tmp_path: Path) -> None:
    finish_sweep(tmp_path / "out", shard=Shard(0, 2), artworks=2)
    finish_sweep(tmp_path / "out", shard=Shard(1, 2), begun_at=NOW + timedelta(days=1))
    [source] = open_sources([str(tmp_path / "out")])
    assert source.plan.shard_names == ("00001-of-00002",)
    assert source.plan.stale_shards == ("00000-of-00002",)


def test_an_output_without_a_sweep_is_refused(tmp_path: Path) -> None:
    finish_sweep(tmp_path / "out")
    nothing = str(tmp_path / "nothing")
    with pytest.raises(UserInputError, match=f"{nothing}: there is no sweep here"):
        open_sources([str(tmp_path / "out"), nothing])


@pytest.mark.parametrize("again", ["out", "out/", "out/shards/00000-of-00001"])
def test_what_is_given_twice_is_refused(tmp_path: Path, again: str) -> None:
    finish_sweep(tmp_path / "out")
    with pytest.raises(UserInputError, match="are given once more"):
        open_sources([str(tmp_path / "out"), f"{tmp_path}/{again}"])


def test_sweeps_of_different_datasets_are_refused_by_their_names(tmp_path: Path) -> None:
    shutil.copytree(MINI, tmp_path / "dataset")
    file = tmp_path / "dataset" / "test_seen.json"
    file.write_text(file.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    one, two = tmp_path / "one", tmp_path / "two"
    finish_sweep(one)
    finish_sweep(two, dataset=tmp_path / "dataset")
    with pytest.raises(UserInputError, match=f"{one} and {two} cannot stand in one report") as said:
        open_sources([str(one), str(two)])
    assert "\n" not in said.value.message
    assert said.value.message.count("sha256:") == 2
