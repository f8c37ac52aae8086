"""Two sweeps of the same questions: every change here is made by hand."""

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from services.benchmark.records import Setting
from services.core.errors import UserInputError
from services.sweep.plan.plan import Job
from services.sweep.report.compare.json_document import comparison_json
from services.sweep.report.compare.markdown import comparison_markdown
from services.sweep.report.compare.model import MetricChange, SweepComparison
from services.sweep.report.compare.sweeps import compare_sweeps
from services.sweep.report.compare.terminal import print_comparison
from services.sweep.report.gathering import gather_evidence
from services.sweep.report.model import Interval, Resampling
from services.sweep.report.sources import open_sources
from services.sweep.report.statistics.resampling import Resampler
from services.sweep.spec.controls import Control
from services.sweep.spec.sharding import Shard
from tests.unit.sweep.report.reported_sweep import finish_sweep

# Artworks of the seen part, in the order of the file; each has one question there.
ARTWORKS = ("Airplane Flying", "Black Circle", "Black Square", "Senecio")

RESAMPLES = 1000

Answer = Callable[[Job], str | None]


def words(count: int) -> str:
    """A text of so many tokens, in which no entity is."""
    return " ".join(["swan"] * count)


def three_words(job: Job) -> str | None:
    return words(3)


def finish(folder: Path, answer: Answer = three_words, /, **declared: object) -> Path:
    settings = {
        "splits": ["test_seen"],
        "filters": {"artworks": list(ARTWORKS)},
        "metrics": ["ec_exact", "length"],
        **declared,
    }
    finish_sweep(folder, artworks=None, answer=answer, **settings)  # type: ignore[arg-type]
    return folder


def compare(old: Path, new: Path, *more: Path) -> SweepComparison:
    evidence = gather_evidence(open_sources([str(old), str(new), *map(str, more)]))
    count = len(evidence.artworks)
    resampling = Resampling(RESAMPLES, 0, count)
    return compare_sweeps(evidence, Resampler(count, RESAMPLES, 0), resampling)


def change(
    comparison: SweepComparison, label: str, metric: str, setting: Setting, part: str = "all"
) -> MetricChange:
    (model,) = [model for model in comparison.models if model.label == label]
    (found,) = [
        one
        for one in model.metrics
        if (one.metric, one.setting, one.part) == (metric, setting, part)
    ]
    return found


@pytest.fixture(scope="module")
def comparison(tmp_path_factory: pytest.TempPathFactory) -> SweepComparison:
    """Alpha says one word more with the title, and finds all of one question's entities.

    Of beta's questions with the title one has failed anew, and one is mended.
    """
    folder = tmp_path_factory.mktemp("compared")

    def old(job: Job) -> str | None:
        is_beta = job.model.label == "beta" and job.question.setting is Setting.WITH_TITLE
        return None if is_beta and job.question.title == "Senecio" else words(3)

    def new(job: Job) -> str | None:
        with_title = job.question.setting is Setting.WITH_TITLE
        if job.model.label == "alpha":
            if not with_title and job.question.title == "Black Square":
                return ", ".join(job.question.entities)
            return words(4 if with_title else 3)
        return None if with_title and job.question.title == "Black Circle" else words(3)

    return compare(
        finish(folder / "old", old),
        finish(folder / "new", new, revisions={"alpha": "r2"}),
    )


def test_a_change_of_one_token_in_every_question_is_sure(comparison: SweepComparison) -> None:
    found = change(comparison, "alpha", "length", Setting.WITH_TITLE)
    assert (found.old, found.new) == (3.0, 4.0)
    assert found.contrast.difference == pytest.approx(1)
    assert found.contrast.interval == Interval(pytest.approx(1), pytest.approx(1))
    assert (found.contrast.questions, found.contrast.artworks) == (4, 4)
    assert (found.rose, found.fell, found.same) == (4, 0, 0)
    # Of the 2^4 ways to give four artworks their signs, two make a sum as large as 4.
    assert found.contrast.p == pytest.approx(2 / 16)


def test_p_values_are_corrected_over_the_models(comparison: SweepComparison) -> None:
    # Beta did not change, p 1: so alpha's 2/16 is doubled, and beta's stays.
    alpha = change(comparison, "alpha", "length", Setting.WITH_TITLE)
    beta = change(comparison, "beta", "length", Setting.WITH_TITLE)
    assert alpha.contrast.p_corrected == pytest.approx(2 * 2 / 16)
    assert (beta.contrast.p, beta.contrast.p_corrected) == (1.0, 1.0)


def test_means_are_over_the_questions_that_have_a_value_in_both(
    comparison: SweepComparison,
) -> None:
    # Beta lost Black Circle and won Senecio: two of its four questions are in both.
    found = change(comparison, "beta", "length", Setting.WITH_TITLE)
    assert (found.contrast.questions, found.old_scored, found.new_scored) == (2, 3, 3)
    assert (found.old, found.new, found.same) == (3.0, 3.0, 2)


def test_one_question_better_raises_the_mean_by_its_share(comparison: SweepComparison) -> None:
    found = change(comparison, "alpha", "ec_exact", Setting.WITHOUT_TITLE)
    assert (found.old, found.new) == (0.0, pytest.approx(1 / 4))
    assert (found.rose, found.fell, found.same) == (1, 0, 3)
    # One artwork's sum of 1 or -1: every way to give signs makes one as large.
    assert found.contrast.p == 1.0


def test_parts_are_compared_apart(comparison: SweepComparison) -> None:
    seen = change(comparison, "alpha", "length", Setting.WITH_TITLE, "seen")
    assert seen.contrast.questions == 4
    (alpha, _) = comparison.models
    assert {one.part for one in alpha.metrics} == {"seen", "all"}


def test_answers_that_changed_failed_or_were_mended_are_counted(
    comparison: SweepComparison,
) -> None:
    alpha, beta = comparison.models
    (with_title, without) = alpha.answers
    assert (with_title.planned, with_title.given, with_title.changed) == (4, 4, 4)
    assert (without.given, without.changed) == (4, 1)
    failing = beta.answers[0]
    assert (failing.planned, failing.given, failing.changed) == (4, 2, 0)
    assert (failing.newly_failed, failing.mended, failing.pending) == (1, 1, 0)


def test_the_largest_changes_come_first(comparison: SweepComparison) -> None:
    covered = [one for one in comparison.largest if one.metric == "ec_exact"]
    (only,) = covered
    assert (only.label, only.title) == ("alpha", "Black Square")
    assert only.question == "test_seen/black-square_legacy_without_title/without_title"
    assert (only.old, only.new, only.difference) == (0.0, 1.0, 1.0)
    lengths = [abs(one.difference) for one in comparison.largest if one.metric == "length"]
    assert lengths == sorted(lengths, reverse=True)
    assert len(lengths) == 5  # four with the title, and Black Square without


def test_revisions_and_names_say_what_was_compared(comparison: SweepComparison) -> None:
    alpha, beta = comparison.models
    assert (alpha.label, alpha.old_revision, alpha.new_revision) == ("alpha", "r1", "r2")
    assert (beta.old_revision, beta.new_revision) == ("r1", "r1")
    assert comparison.old.endswith("/old")
    assert comparison.new.endswith("/new")
    assert (comparison.only_old, comparison.only_new) == ((), ())
    assert list(comparison.signatures) == ["ec_exact", "length"]
    assert comparison.signatures["length"].startswith("length|tok:nltk")
    assert comparison.signatures["length"].endswith("|mean:macro")


def test_it_is_printed_with_old_new_difference_and_counts(comparison: SweepComparison) -> None:
    file = io.StringIO()
    print_comparison(comparison, Console(file=file, width=120))
    lines = [line.split() for line in file.getvalue().splitlines()]
    # EC of alpha without the title, and its length.
    at = lines.index(["w/o", "old", "0.00", "3.0"])
    assert lines[at + 1][:2] == ["new", "25.00"]
    assert lines[at + 2][:5] == ["new", "-", "old", "4", "+25.00"]
    assert lines[at + 4][:2] == ["p", "1.000"]
    rose = next(line for line in lines[at:] if line[0] == "rose")
    assert rose[1] == "1"
    assert ["alpha", "with", "4", "4", "0", "0", "0"] in lines
    text = " ".join(file.getvalue().split())
    assert "Revisions, old and new: alpha r1 and r2." in text
    assert comparison.signatures["ec_exact"] in "".join(file.getvalue().split())


def test_it_is_written_as_json_with_shares_times_100(comparison: SweepComparison) -> None:
    document = json.loads(comparison_json(comparison))
    (alpha, beta) = document["models"]
    found = next(
        one
        for one in alpha["metrics"]
        if (one["metric"], one["setting"], one["part"]) == ("ec_exact", "without_title", "all")
    )
    assert (found["old"], found["new"], found["difference"]) == (0.0, 25.0, 25.0)
    assert (found["rose"], found["fell"], found["same"]) == (1, 0, 3)
    assert beta["answers"][0]["newly_failed"] == 1
    assert document["largest"][0]["new"] == 100.0
    assert document["resampling"]["resamples"] == RESAMPLES
    assert document["resampling"]["artworks"] == 4


def test_it_is_written_as_markdown(comparison: SweepComparison) -> None:
    text = comparison_markdown(comparison)
    assert "| alpha | w/o | new - old | 4 | +25.00 " in text
    assert "| beta | with | 2 | 0 | 1 | 1 | 0 |" in text
    assert "## Largest changes of ec\\_exact" in text
    assert f"- `{comparison.signatures['length']}`" in text


def test_the_same_sweep_again_changed_in_nothing(tmp_path: Path) -> None:
    again = compare(finish(tmp_path / "old"), finish(tmp_path / "new"))
    assert len(again.models) == 2
    for model in again.models:
        assert all(one.contrast.difference == 0 for one in model.metrics)
        assert [one.changed for one in model.answers] == [0, 0]
    assert again.largest == ()


def test_replicates_are_averaged_before_they_are_compared(tmp_path: Path) -> None:
    def answer(job: Job) -> str | None:
        return words(3 + 2 * job.variant.replicate)

    old = finish(tmp_path / "old", models=("alpha",), replicates=2)
    new = finish(tmp_path / "new", answer, models=("alpha",), replicates=2)
    comparison = compare(old, new)
    found = change(comparison, "alpha", "length", Setting.WITH_TITLE)
    # 3 and 3 tokens against 3 and 5.
    assert (found.old, found.new, found.contrast.questions) == (3.0, 4.0, 4)
    (with_title, _) = comparison.models[0].answers
    assert (with_title.given, with_title.changed) == (8, 4)
    assert "|replicates:2-averaged-first|" in comparison.signatures["length"]


def test_controls_are_compared_as_models_of_their_own(tmp_path: Path) -> None:
    controls = ["none", "no_image"]
    old = finish(tmp_path / "old", models=("alpha",), controls=controls)
    new = finish(tmp_path / "new", models=("alpha",), controls=controls)
    assert [(model.label, model.control) for model in compare(old, new).models] == [
        ("alpha", Control.NONE),
        ("alpha, no image", Control.NO_IMAGE),
    ]


def test_models_of_one_sweep_alone_are_named_and_left_out(tmp_path: Path) -> None:
    old = finish(tmp_path / "old", models=("alpha", "beta"))
    new = finish(tmp_path / "new", models=("beta", "gamma"))
    comparison = compare(old, new)
    assert [model.label for model in comparison.models] == ["beta"]
    (gone,), (added,) = comparison.only_old, comparison.only_new
    assert gone.startswith("alpha, ")
    assert added.startswith("gamma, ")


def test_metrics_of_one_sweep_alone_are_left_out(tmp_path: Path) -> None:
    old = finish(tmp_path / "old", metrics=["ec_exact", "length"])
    new = finish(tmp_path / "new", metrics=["length"])
    assert compare(old, new).metrics == ("length",)


def test_sweeps_without_a_model_in_common_are_refused(tmp_path: Path) -> None:
    old = finish(tmp_path / "old", models=("alpha",))
    new = finish(tmp_path / "new", models=("beta",))
    with pytest.raises(UserInputError, match=r"no model in common.* alpha, .* beta, "):
        compare(old, new)


def test_other_numbers_of_sweeps_are_refused(tmp_path: Path) -> None:
    outputs = [finish(tmp_path / name, models=("alpha",)) for name in ("a", "b", "c")]
    with pytest.raises(UserInputError, match="these are 3 sweeps"):
        compare(outputs[0], outputs[1], outputs[2])


def test_two_shards_of_one_sweep_are_refused(tmp_path: Path) -> None:
    shards = [
        finish(tmp_path / f"machine-{index}", name="one", shard=Shard(index, 2))
        for index in range(2)
    ]
    with pytest.raises(UserInputError, match="these are shards of one"):
        compare(*shards)
