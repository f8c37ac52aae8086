"""The numbers of a report, and what it says of where they come from."""

import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from services.benchmark.records import Setting
from services.core.errors import UserInputError
from services.sweep.leaderboard.leaderboard import build_leaderboard
from services.sweep.plan.plan import Job
from services.sweep.report.build import ReportOptions, build_report
from services.sweep.report.model import Gap, GapKind, Report, Row
from services.sweep.results.store import ResultStore
from services.sweep.spec.controls import Control
from services.sweep.spec.sharding import Shard
from tests.unit.sweep.report.reported_sweep import MINI, NOW, finish_sweep, truthful

FEW = ReportOptions(resamples=200)


def words(count: int) -> str:
    """A text of so many tokens."""
    return " ".join(["swan"] * count)


def row_of(report: Report, label: str, setting: Setting, part: str) -> Row:
    [found] = [
        row
        for row in report.rows
        if report.contenders[row.contender].label == label
        and (row.setting, row.part) == (setting, part)
    ]
    return found


def gaps_of(report: Report, kind: GapKind, metric: str = "length") -> list[Gap]:
    return [gap for gap in report.gaps if (gap.kind, gap.metric) == (kind, metric)]


def test_means_and_counts_are_those_of_the_leaderboard(tmp_path: Path) -> None:
    def answer(job: Job) -> str | None:
        return None if job.question.section == "Composition" else truthful(job)

    finish_sweep(tmp_path, answer=answer, controls=["none", "wrong_image"], replicates=2)
    report = build_report([str(tmp_path)], FEW)
    standings = build_leaderboard(tmp_path).standings
    assert len(report.rows) == len(standings) == 2 * 2 * 2 * 3
    for row, standing in zip(report.rows, standings, strict=True):
        one = report.contenders[row.contender]
        assert (one.model, one.control) == (standing.model, standing.group.control)
        assert (row.setting, row.part) == (standing.setting, standing.part)
        for name in row.counts.__dataclass_fields__:
            assert getattr(row.counts, name) == getattr(standing, name), name
        assert list(row.metrics) == list(standing.metrics)
        for metric, result in row.metrics.items():
            expected = standing.metrics[metric]
            assert result.macro.value == expected.mean
            assert result.macro.questions == expected.scored_count
            assert result.unscorable == expected.unscorable_counts
            if expected.mean_with_zeros is None:
                assert result.mean_with_zeros is None
            else:
                assert result.mean_with_zeros == pytest.approx(expected.mean_with_zeros)
            assert report.signatures[metric].macro == expected.signature
            assert "replicates:2-averaged-first" in expected.signature


def test_a_mean_is_over_questions_and_artworks_and_has_an_interval(tmp_path: Path) -> None:
    finish_sweep(tmp_path, models=("alpha",), artworks=3)
    report = build_report([str(tmp_path)], FEW)
    row = row_of(report, "alpha", Setting.WITH_TITLE, "all")
    macro = row.metrics["length"].macro
    assert macro.questions == row.counts.questions
    assert macro.artworks == 6  # three of each of two splits
    assert macro.value is not None
    assert macro.interval is not None
    assert macro.interval.low < macro.value < macro.interval.high
    assert report.resampling.artworks == 6
    assert report.resampling.resamples == 200


def test_models_are_compared_on_the_same_questions(tmp_path: Path) -> None:
    counts = {"alpha": 3, "beta": 5, "gamma": 5}
    finish_sweep(
        tmp_path,
        models=tuple(counts),
        artworks=3,
        answer=lambda job: words(counts[job.model.label]),
        metrics=["length"],
    )
    report = build_report([str(tmp_path)], FEW)
    # Three pairs, two settings, three parts.
    assert len(report.comparisons) == 3 * 2 * 3
    chosen = [
        one for one in report.comparisons if (one.setting, one.part) == (Setting.WITH_TITLE, "all")
    ]
    assert [(one.first, one.second) for one in chosen] == [(0, 1), (0, 2), (1, 2)]
    assert [one.contrast.difference for one in chosen] == [-2.0, -2.0, 0.0]
    contrast = chosen[0].contrast
    assert contrast.interval is not None
    assert (contrast.interval.low, contrast.interval.high) == (-2.0, -2.0)
    assert contrast.artworks == 6
    # Six artworks, all with a difference of one sign: 2 of the 64 patterns of signs are as large.
    assert contrast.p == pytest.approx(2 / 64)
    # Holm: three times, twice and once the p-values, in their order, at most 1.
    assert [one.contrast.p_corrected for one in chosen] == pytest.approx([6 / 64, 6 / 64, 1.0])


def test_gaps_are_with_minus_without_title_and_seen_minus_unseen(tmp_path: Path) -> None:
    def answer(job: Job) -> str:
        longer = 2 * (job.question.setting is Setting.WITH_TITLE)
        return words(3 + longer + (job.question.split == "test_seen"))

    finish_sweep(tmp_path, models=("alpha",), answer=answer, metrics=["length"])
    report = build_report([str(tmp_path)], FEW)
    assert report.comparisons == ()
    title = gaps_of(report, GapKind.TITLE)
    assert [(gap.part, gap.setting) for gap in title] == [
        *(("seen", None), ("unseen", None), ("all", None))
    ]
    assert [gap.contrast.difference for gap in title] == [2.0, 2.0, 2.0]
    seen = gaps_of(report, GapKind.SEEN)
    assert [(gap.part, gap.setting) for gap in seen] == [("all", one) for one in Setting]
    assert [gap.contrast.difference for gap in seen] == [1.0, 1.0]
    assert gaps_of(report, GapKind.NO_IMAGE) == []


def test_the_grounding_drop_is_the_right_picture_minus_the_control(tmp_path: Path) -> None:
    counts = {Control.NONE: 6, Control.WRONG_IMAGE: 4, Control.NO_IMAGE: 2}
    finish_sweep(
        tmp_path,
        models=("alpha", "beta"),
        answer=lambda job: words(counts[job.variant.control]),
        metrics=["length"],
        controls=[control.value for control in counts],
        settings=["with_title"],
    )
    report = build_report([str(tmp_path)], FEW)
    for kind, drop in ((GapKind.WRONG_IMAGE, 2.0), (GapKind.NO_IMAGE, 4.0)):
        gaps = gaps_of(report, kind)
        assert [(report.contenders[gap.contender].label, gap.part) for gap in gaps] == [
            (label, part) for part in ("seen", "unseen", "all") for label in ("alpha", "beta")
        ]
        assert {gap.contrast.difference for gap in gaps} == {drop}
    # Only those that saw the right pictures compete.
    assert {(one.first, one.second) for one in report.comparisons} == {(0, 3)}


def test_two_sweeps_are_compared_on_what_both_asked(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    for output, artworks, count in ((one, 3, 7), (two, 1, 3)):
        finish_sweep(
            output,
            models=(output.name,),
            artworks=artworks,
            answer=lambda job, count=count: words(count),  # type: ignore[misc]
            metrics=["length"],
        )
    report = build_report([str(one), str(two)], FEW)
    assert report.title == "one, two"
    assert [info.output for info in report.sweeps] == [str(one), str(two)]
    [found] = [
        item
        for item in report.comparisons
        if (item.setting, item.part) == (Setting.WITH_TITLE, "all")
    ]
    assert found.contrast.difference == 4.0
    assert found.contrast.artworks == 2
    of_two = row_of(report, "two", Setting.WITH_TITLE, "all")
    assert found.contrast.questions == of_two.counts.questions


def test_values_of_summed_statistics_come_on_request_and_are_signed(tmp_path: Path) -> None:
    finish_sweep(tmp_path, models=("alpha",), artworks=2)
    plain = build_report([str(tmp_path)], FEW)
    assert all(result.micro is None for row in plain.rows for result in row.metrics.values())
    assert plain.signatures["bleu"].micro is None
    micro = build_report([str(tmp_path)], ReportOptions(resamples=200, micro=True))
    for row, standing in zip(micro.rows, build_leaderboard(tmp_path).standings, strict=True):
        for metric, result in row.metrics.items():
            expected = standing.metrics[metric]
            if expected.corpus_value is None:
                assert result.micro is None
            else:
                assert result.micro is not None
                assert result.micro.value == pytest.approx(expected.corpus_value)
                assert micro.signatures[metric].micro == expected.corpus_signature


def test_without_the_dataset_everything_else_is_there(tmp_path: Path) -> None:
    shutil.copytree(MINI, tmp_path / "dataset")
    finish_sweep(tmp_path / "out", models=("alpha",), artworks=1, dataset=tmp_path / "dataset")
    (tmp_path / "dataset").rename(tmp_path / "moved")
    report = build_report([str(tmp_path / "out")], FEW)
    assert report.entities is None
    assert report.rows
    [note] = report.sweeps[0].notes
    assert str(tmp_path / "dataset") in note
    assert "--dataset" in note
    named = ReportOptions(resamples=200, dataset=tmp_path / "moved")
    report = build_report([str(tmp_path / "out")], named)
    assert report.sweeps[0].notes == ()
    assert report.entities is not None
    assert report.entities.distinct > 0


def test_another_dataset_than_that_of_the_sweep_is_refused_where_it_is_named(
    tmp_path: Path,
) -> None:
    shutil.copytree(MINI, tmp_path / "other")
    file = tmp_path / "other" / "test_seen.json"
    file.write_text(file.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    finish_sweep(tmp_path / "out", models=("alpha",), artworks=1)
    with pytest.raises(UserInputError, match=f"{tmp_path / 'other'}: the dataset is not the one"):
        build_report([str(tmp_path / "out")], ReportOptions(dataset=tmp_path / "other"))


def test_a_dataset_that_was_changed_since_is_not_taken_for_the_references(tmp_path: Path) -> None:
    shutil.copytree(MINI, tmp_path / "dataset")
    finish_sweep(tmp_path / "out", models=("alpha",), artworks=1, dataset=tmp_path / "dataset")
    file = tmp_path / "dataset" / "test_seen.json"
    file.write_text(file.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    report = build_report([str(tmp_path / "out")], FEW)
    assert report.entities is None
    assert "is not the one" in report.sweeps[0].notes[0]


def test_it_says_what_ran_and_how_it_ended(tmp_path: Path) -> None:
    finish_sweep(
        tmp_path,
        answer=lambda job: None if job.model.label == "beta" else truthful(job),
        artworks=1,
        prices={"models": {"alpha": {"output_per_million_tokens": 2.0}}},
    )
    [info] = build_report([str(tmp_path)], FEW).sweeps
    assert info.attested == {
        "alpha": ["revision r1, scripted 1, float32"],
        "beta": ["revision r1, scripted 1, float32"],
    }
    assert list(info.failures) == ["PROMPT_TOO_LONG"]
    assert [cost.label for cost in info.costs] == ["alpha"]
    assert info.costs[0].money == pytest.approx(info.costs[0].generated_tokens * 2e-6)
    assert info.ended_at == NOW + timedelta(hours=1)
    assert info.dataset == str(MINI)
    assert info.versions["python"]
    assert info.notes == ()


def test_it_says_which_shards_are_not_there(tmp_path: Path) -> None:
    finish_sweep(tmp_path, models=("alpha",), shard=Shard(1, 3))
    [info] = build_report([str(tmp_path)], FEW).sweeps
    [note] = info.notes
    assert "00000-of-00003, 00002-of-00003" in note


def test_it_says_what_is_still_to_be_asked(tmp_path: Path) -> None:
    finish_sweep(tmp_path, models=("alpha",), artworks=1)
    shutil.rmtree(Path(ResultStore(tmp_path).folder(Shard()).uri) / "generations")
    report = build_report([str(tmp_path)], FEW)
    planned = sum(row.counts.planned for row in report.rows if row.part == "all")
    pending = sum(row.counts.pending for row in report.rows if row.part == "all")
    assert pending == planned > 0
    assert report.metrics == ()
    assert report.sweeps[0].notes == (
        f"Answers that are not there, or not scored, yet: {planned} of {planned}.",
    )


def test_one_question_to_one_model_is_a_report_without_intervals(tmp_path: Path) -> None:
    finish_sweep(
        tmp_path,
        models=("alpha",),
        splits=["test_unseen"],
        settings=["with_title"],
        limits={"max_questions_per_split": 1},
    )
    report = build_report([str(tmp_path)], FEW)
    assert [(row.part, row.counts.questions) for row in report.rows] == [("unseen", 1), ("all", 1)]
    macro = report.rows[0].metrics["length"].macro
    assert macro.value is not None
    assert macro.interval is None
    assert report.comparisons == report.gaps == ()


def test_the_same_seed_gives_the_same_numbers(tmp_path: Path) -> None:
    finish_sweep(tmp_path, artworks=2)
    first = build_report([str(tmp_path)], FEW)
    again = build_report([str(tmp_path)], FEW)
    other = build_report([str(tmp_path)], ReportOptions(resamples=200, seed=1))
    assert first.rows == again.rows
    assert first.comparisons == again.comparisons
    assert first.gaps == again.gaps
    assert first.rows != other.rows
