"""The leaderboard's numbers, each derived by hand, and its forms."""

import csv
import io
import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from rich.console import Console

from services.benchmark.records import Setting
from services.core.errors import UserInputError
from services.metrics.registry import METRICS
from services.sweep.leaderboard.files import as_csv
from services.sweep.leaderboard.leaderboard import (
    build_leaderboard,
    render_leaderboard,
    write_leaderboard,
)
from services.sweep.leaderboard.standings import Standing
from services.sweep.results.output_lock import hold_shard
from services.sweep.results.rows import ScoreRow
from services.sweep.results.store import ResultStore
from services.sweep.results.stored_plan import read_stored_plan
from services.sweep.results.stored_scores import StoredScores
from services.sweep.results.tables import ResultTables
from services.sweep.spec.sharding import Shard
from tests.unit.sweep.finished_sweep import FAILURE, GENERATION, NOW, PLAN, begin_shard


def score(
    key: str,
    metric: str,
    value: float | None,
    statistics: tuple[float, ...],
    **changes: object,
) -> ScoreRow:
    row = ScoreRow(
        key=key,
        reference_digest="d1",
        signatures_digest="s1",
        metric=metric,
        value=value,
        unscorable=None,
        statistics=statistics,
        signature=f"{metric}|v:1",
        scored_at=NOW,
    )
    return replace(row, **changes)  # type: ignore[arg-type]


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """Alpha has five seen and two unseen questions with the title, one without; beta has one."""
    seen = [replace(PLAN, key=f"s{number}") for number in range(5)]
    unseen = [
        replace(PLAN, key=f"u{number}", split="test_unseen", part="unseen") for number in range(2)
    ]
    without_title = replace(PLAN, key="w0", setting="without_title")
    beta = replace(PLAN, key="b0", model="beta", adapter="wit", revision="r7")
    tables = begin_shard(tmp_path / "out", [*seen, *unseen, without_title, beta])
    # s4 is still to be asked, s3 has failed; an answer to something not planned is in the way.
    answered = ["s0", "s1", "s2", "u0", "u1", "w0", "b0", "stranger"]
    tables.append(
        [
            replace(GENERATION, key=key, finish_reason="length" if key in {"s1", "u0"} else "stop")
            for key in answered
        ]
    )
    tables.append([replace(FAILURE, key="s3"), replace(FAILURE, key="s0", final=False)])
    no_entities = {"unscorable": "NO_ENTITIES"}
    no_pairs = {"unscorable": "NO_REFERENCE_PAIRS"}
    pairs = (0.0,) * len(METRICS["ecooc_0"].statistic_names)
    rows = []
    for key, exact, pair in [("s0", 0.5, 0.25), ("u0", 0.0, 0.5), ("u1", 0.75, 1.0)]:
        rows.append(score(key, "ec_exact", exact, (exact * 4, 4.0)))
        rows.append(score(key, "ecooc_0", pair, pairs))
    rows.append(score("s1", "ec_exact", 1.0, (1.0, 1.0)))
    rows.append(score("s1", "ecooc_0", None, pairs, **no_pairs))
    rows.append(score("s2", "ec_exact", None, (0.0, 0.0), **no_entities))
    rows.append(score("s2", "ecooc_0", None, pairs, **no_entities))
    for key in ("w0", "b0", "stranger"):
        rows.append(score(key, "ec_exact", 0.125, (1.0, 8.0)))
        rows.append(score(key, "ecooc_0", 0.0, pairs))
    for key, length in [("s0", 10.0), ("s1", 20.0), ("s2", 60.0), ("u0", 0.0), ("u1", 30.0)]:
        rows.append(score(key, "length", length, (length,)))
    tables.append(rows)
    return tmp_path / "out"


def tables_of(output: Path) -> ResultTables:
    return ResultStore(output).tables(Shard())


def standing(output: Path, model: str, setting: str, part: str) -> Standing:
    (found,) = [
        row
        for row in build_leaderboard(output).standings
        if (row.model, row.setting.value, row.part) == (model, setting, part)
    ]
    return found


def test_rows_are_models_by_settings_by_parts_with_their_sum(output: Path) -> None:
    assert [
        (row.model, row.revision, row.setting.value, row.part)
        for row in build_leaderboard(output).standings
    ] == [
        ("alpha", "r1", "with_title", "seen"),
        ("alpha", "r1", "with_title", "unseen"),
        ("alpha", "r1", "with_title", "all"),
        ("alpha", "r1", "without_title", "seen"),
        ("alpha", "r1", "without_title", "all"),
        ("beta+wit", "r7", "with_title", "seen"),
        ("beta+wit", "r7", "with_title", "all"),
    ]


def test_a_failure_before_the_answer_does_not_count_and_failures_are_not_scored(
    output: Path,
) -> None:
    row = standing(output, "alpha", "with_title", "seen")
    # s0, s1, s2 are scored, s3 has failed, s4 is pending; s0 failed once and was then answered.
    assert (row.planned, row.scored, row.failed, row.pending) == (5, 3, 1, 1)
    assert row.truncated == 1  # s1
    assert row.unscorable == 2  # s1 has no pairs, s2 no entities
    board = build_leaderboard(output)
    assert board.failures == {"INVALID_REQUEST": 1}
    assert board.pending == 1


def test_means_are_taken_over_the_scorable_questions_of_the_group(output: Path) -> None:
    seen = standing(output, "alpha", "with_title", "seen").metrics["ec_exact"]
    assert seen.mean == (0.5 + 1.0) / 2
    assert (seen.scored_count, seen.unscorable_counts) == (2, {"NO_ENTITIES": 1})
    # Micro: 2 of 4 and 1 of 1 entities.
    assert seen.corpus_value == pytest.approx(3 / 5)
    # Macro over questions, not over parts: (0.5 + 1 + 0 + 0.75) / 4.
    everything = standing(output, "alpha", "with_title", "all").metrics["ec_exact"]
    assert everything.mean == pytest.approx(2.25 / 4)


# One more than each narrower type holds exactly, or a share that only the widest does: 255, 65,535
# and 2^24 are the greatest whole numbers up to which all are held by uint8, uint16 and float32.
@pytest.mark.parametrize("great", [256.0, 65_536.0, 65_537.0, 2.0**24 + 1, 0.1, -1.0])
@pytest.mark.parametrize("place", range(3))
def test_statistics_are_kept_to_the_last_bit_whatever_comes_first(
    tmp_path: Path, great: float, place: int
) -> None:
    keys = ["k0", "k1", "k2"]
    tables = begin_shard(tmp_path / "out", [replace(PLAN, key=key) for key in keys])
    tables.append([replace(GENERATION, key=key) for key in keys])
    expected = [(great, 1.0) if number == place else (3.0, 255.0) for number in range(3)]
    for key, statistics in zip(keys, expected, strict=True):
        tables.append([score(key, "ec_exact", 0.5, statistics)])  # each is a batch of its own
    store = ResultStore(tmp_path / "out")
    plan = read_stored_plan(store)
    stored = StoredScores([store.tables(Shard())], plan)
    places = plan.places.find(pa.array(keys))
    assert [tuple(row) for row in stored.scores("ec_exact", places)[1].statistics] == expected


def test_questions_without_entity_pairs_are_left_out_and_both_conventions_are_given(
    output: Path,
) -> None:
    found = standing(output, "alpha", "with_title", "seen").metrics["ecooc_0"]
    assert found.mean == 0.25  # s0 alone
    assert found.mean_with_zeros == pytest.approx((0.25 + 0) / 2)  # s1 counts as 0, s2 does not
    assert found.unscorable_counts == {"NO_REFERENCE_PAIRS": 1, "NO_ENTITIES": 1}
    unseen = standing(output, "alpha", "with_title", "unseen").metrics["ecooc_0"]
    assert unseen.mean_with_zeros is None


def test_the_last_scoring_against_the_present_reference_counts(output: Path) -> None:
    tables = tables_of(output)
    later, earlier = NOW + timedelta(seconds=1), NOW - timedelta(seconds=1)
    tables.append(
        [
            score("u0", "ec_exact", 1.0, (4.0, 4.0), scored_at=later),
            # Scored before, or against another reference: must not count.
            score("u1", "ec_exact", 0.0, (0.0, 4.0), scored_at=earlier),
            score("u1", "ec_exact", 0.0, (0.0, 4.0), scored_at=later, reference_digest="d0"),
        ]
    )
    row = standing(output, "alpha", "with_title", "unseen")
    assert row.metrics["ec_exact"].mean == (1.0 + 0.75) / 2
    # u0's later scoring left the pairs out: its earlier value for them is not mixed in.
    assert row.metrics["ecooc_0"].scored_count == 1


def test_scores_of_different_signatures_are_refused(output: Path) -> None:
    later = NOW + timedelta(seconds=1)
    row = score("u0", "ec_exact", 1.0, (4.0, 4.0), scored_at=later, signature="ec_exact|v:2")
    tables_of(output).append([row])
    with pytest.raises(UserInputError, match=r"ec_exact\|v:1 and ec_exact\|v:2"):
        build_leaderboard(output)


def test_an_unknown_metric_is_refused_by_its_name(output: Path) -> None:
    row = score("u0", "beauty", 1.0, (), scored_at=NOW)
    tables_of(output).append([row])
    with pytest.raises(UserInputError, match="'beauty'"):
        build_leaderboard(output)


def test_statistics_of_another_versions_metric_are_refused(output: Path) -> None:
    row = score("u0", "ec_exact", 1.0, (4.0, 4.0, 9.0), scored_at=NOW + timedelta(seconds=1))
    tables_of(output).append([row])
    with pytest.raises(UserInputError, match=r"'ec_exact' with 3 statistics, .* keeps 2"):
        build_leaderboard(output)


def test_a_folder_without_a_sweep_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserInputError, match="there is no sweep here"):
        build_leaderboard(tmp_path / "nothing")


def test_files_give_shares_times_100_and_lengths_as_they_are(output: Path) -> None:
    write_leaderboard(build_leaderboard(output), output)
    document = json.loads((output / "leaderboard.json").read_text())
    row = document["standings"][2]
    assert (row["model"], row["setting"], row["part"]) == ("alpha", "with_title", "all")
    exact = row["metrics"]["ec_exact"]
    assert exact["mean"] == pytest.approx(56.25)
    assert exact["signature"] == "ec_exact|v:1|mean:macro"
    assert exact["corpus_signature"] == "ec_exact|v:1|mean:micro"
    assert row["metrics"]["length"]["corpus_signature"] is None
    assert row["metrics"]["length"]["mean"] == pytest.approx((10 + 20 + 60 + 0 + 30) / 5)
    lines = list(csv.DictReader((output / "leaderboard.csv").read_text().splitlines()))
    assert len(lines) == 7
    assert float(lines[2]["ec_exact"]) == pytest.approx(56.25)
    assert lines[2]["ec_exact_scored"] == "4"
    assert lines[2]["failed"] == "1"
    # Beta has no length: an empty cell, not a 0.
    assert lines[5]["length"] == ""
    assert lines[5]["length_scored"] == "0"


def shown(output: Path, width: int) -> str:
    text = io.StringIO()
    render_leaderboard(build_leaderboard(output), Console(width=width, file=text))
    return text.getvalue()


@pytest.mark.parametrize(("width", "tables"), [(120, 1), (48, 2)])
def test_the_terminal_gets_one_table_or_two_and_no_line_is_too_long(
    output: Path, width: int, tables: int
) -> None:
    text = shown(output, width)
    lines = text.splitlines()
    assert sum(line.startswith("model") for line in lines) == tables
    assert max(map(len, lines)) <= width
    assert "56.25" in text
    assert "…" not in text
    assert "INVALID_REQUEST 1" in text
    assert "Questions without a result yet: 1;" in " ".join(text.split())


def test_settings_and_models_are_told_apart_in_the_terminal(output: Path) -> None:
    lines = [line for line in shown(output, 120).splitlines() if line[:5] in {"alpha", "beta+"}]
    assert [line.split()[:3] for line in lines] == [
        ["alpha", "with", "seen"],
        ["beta+wit", "with", "seen"],
    ]
    assert Setting.WITH_TITLE.value not in shown(output, 120)


def test_failures_that_may_pass_are_told_from_those_for_good(output: Path) -> None:
    tables = tables_of(output)
    # s3 has failed for good before; s4 has now failed by the service's fault.
    tables.append([replace(FAILURE, key="s4", reason="DRAINING", final=False)])
    assert build_leaderboard(output).to_ask_again == 1
    # Each sentence is a line of its own, wrapped where the terminal ends.
    assert "1 of these failed for a reason that may pass; run the sweep again." in shown(
        output, 120
    )


def test_results_of_all_shards_count_and_the_plan_is_that_of_the_last_number_of_shards(
    tmp_path: Path,
) -> None:
    output = tmp_path / "out"
    plan = [replace(PLAN, key=f"s{number}") for number in range(3)]
    # Begun as a whole, with s0 and a question that is planned no more; then gone on with in two.
    whole = begin_shard(output, [*plan, replace(PLAN, key="gone")])
    whole.append([replace(GENERATION, key="s0"), replace(GENERATION, key="gone")])
    whole.append([score("s0", "length", 10.0, (10.0,)), score("gone", "length", 90.0, (90.0,))])
    later = NOW + timedelta(hours=1)
    first = begin_shard(output, plan[:2], Shard(0, 2), later)
    first.append([replace(GENERATION, key="s1", finish_reason="length")])
    first.append([score("s1", "length", 30.0, (30.0,))])
    board = build_leaderboard(output)
    assert board.missing_shards == ("00001-of-00002",)
    assert "Shards that have not begun" in shown(output, 120)
    begin_shard(output, plan[2:], Shard(1, 2), later)
    (row, _) = build_leaderboard(output).standings
    assert (row.planned, row.scored, row.pending, row.truncated) == (3, 2, 1, 1)
    assert row.metrics["length"].mean == 20.0


@pytest.mark.parametrize(
    "noted",
    [
        {"spec_digest": "sha256:1"},
        {"dataset_digest": "sha256:1"},
        {"revisions": {"alpha": "r2"}},
        {"model_digests": {"alpha": "sha256:1"}},
    ],
)
def test_a_shard_of_an_earlier_spec_dataset_or_model_stands_in_no_row(
    tmp_path: Path, noted: dict[str, object]
) -> None:
    output, shards = tmp_path / "out", (Shard(0, 2), Shard(1, 2))
    for number, shard in enumerate(shards):
        tables = begin_shard(output, [replace(PLAN, key=f"s{number}")], shard)
        tables.append([replace(GENERATION, key=f"s{number}")])
        value = 10.0 + number * 20.0
        tables.append([score(f"s{number}", "length", value, (value,))])
    assert build_leaderboard(output).stale_shards == ()
    # The first shard runs again with another prompt, say: its question is another one now.
    later = NOW + timedelta(hours=1)
    tables = begin_shard(output, [replace(PLAN, key="new")], shards[0], later, **noted)
    tables.append([replace(GENERATION, key="new")])
    tables.append([score("new", "length", 70.0, (70.0,))])
    board = build_leaderboard(output)
    assert board.stale_shards == ("00001-of-00002",)
    assert "not counted until they are run again: 00001-of-00002" in shown(output, 200)
    (row, _) = board.standings
    assert row.planned == 1
    assert row.metrics["length"].mean == 70.0
    # Where the shard that went on is empty there is nothing to show, and the reason is named.
    begin_shard(output, [], shards[0], later, **noted)
    with pytest.raises(UserInputError, match="an earlier plan, 00001-of-00002: run them again"):
        build_leaderboard(output)


def test_a_shard_that_was_only_held_has_not_begun(tmp_path: Path) -> None:
    output = tmp_path / "out"
    begin_shard(output, [replace(PLAN, key="s0")], Shard(0, 2))
    # Its driver died before it had planned.
    with hold_shard(ResultStore(output), Shard(1, 2)):
        pass
    assert build_leaderboard(output).missing_shards == ("00001-of-00002",)


def test_of_two_explanations_of_one_question_the_earliest_counts(output: Path) -> None:
    later = NOW + timedelta(seconds=1)
    tables_of(output).append(
        [replace(GENERATION, key="s0", finish_reason="length", generated_at=later)]
    )
    row = standing(output, "alpha", "with_title", "seen")
    assert (row.scored, row.truncated) == (3, 1)  # s1 alone was cut off, as before


@pytest.fixture
def ways(tmp_path: Path) -> Path:
    """Two questions, asked in three ways; the second way twice."""
    output = tmp_path / "ways"
    plan, scores = [], []
    for name, control, values in (
        ("a", "none", {("q", 0): 10.0, ("r", 0): 30.0}),
        ("b", "none", {("q", 0): 10.0, ("q", 1): 50.0, ("r", 0): 90.0, ("r", 1): None}),
        ("b", "no_image", {("q", 0): 2.0, ("r", 0): 4.0}),
    ):
        for (question, replicate), value in values.items():
            key = f"{name}-{control}-{question}{replicate}"
            row = replace(PLAN, key=key, question=question, sampling_name=name)
            plan.append(replace(row, control=control, replicate=replicate))
            if value is not None:
                scores.append(score(key, "length", value, (value,)))
    tables = begin_shard(output, plan)
    tables.append([replace(GENERATION, key=row.key) for row in scores])
    tables.append(scores)
    return output


def test_each_way_of_asking_has_rows_of_its_own_in_the_order_of_the_spec(ways: Path) -> None:
    assert [
        (row.group.sampling, row.group.control.value, row.part, row.replicates, row.questions)
        for row in build_leaderboard(ways).standings
        if row.part == "all"
    ] == [("a", "none", "all", 1, 2), ("b", "none", "all", 2, 2), ("b", "no_image", "all", 1, 2)]


def test_replicates_of_a_question_are_averaged_before_the_mean_over_questions(ways: Path) -> None:
    plain, replicated, _ = [
        row.metrics["length"] for row in build_leaderboard(ways).standings if row.part == "all"
    ]
    assert plain.mean == 20.0
    # q: (10 + 50) / 2 = 30; r: 90, its second answer is not there; (30 + 90) / 2, not 150 / 3.
    assert replicated.mean == 60.0
    assert replicated.scored_count == 2
    assert replicated.signature == "length|v:1|replicates:2-averaged-first|mean:macro"
    assert plain.signature == "length|v:1|mean:macro"


def test_the_table_names_only_the_ways_in_which_rows_differ(ways: Path, output: Path) -> None:
    heading = shown(ways, 120).splitlines()[0].split()
    assert heading[:5] == ["model", "sampling", "control", "title", "part"]
    assert "Each question is asked 2 times" in shown(ways, 120)
    assert shown(output, 120).splitlines()[1].split()[:3] == ["model", "title", "part"]
    line = next(csv.DictReader(as_csv(build_leaderboard(ways)).splitlines()))
    assert (line["prompt"], line["sampling"], line["control"]) == ("", "a", "none")
    assert (line["questions"], line["replicates"]) == ("2", "1")


def test_metrics_that_some_answers_were_not_scored_by_are_named(output: Path) -> None:
    # Of eight planned answers seven are scored; w0 and b0 have no length.
    board = build_leaderboard(output)
    assert board.partly_scored == {"length": 5}
    assert "length 5; expart sweep rescore" in " ".join(shown(output, 120).split())
