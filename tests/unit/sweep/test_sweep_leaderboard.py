"""The leaderboard's numbers, each derived by hand, and its forms."""

import csv
import io
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from rich.console import Console

from services.benchmark.records import Setting
from services.core.errors import UserInputError
from services.metrics.registry import METRICS
from services.sweep.leaderboard import build_leaderboard, render_leaderboard, write_leaderboard
from services.sweep.rows import FailureRow, GenerationRow, PlanRow, ScoreRow, Stage
from services.sweep.standings import Standing
from services.sweep.tables import ResultTables

NOW = datetime(2026, 1, 1, tzinfo=UTC)

PLAN = PlanRow(
    key="",
    model="alpha",
    adapter="",
    revision="r1",
    question="",
    question_id="",
    artwork="The Swan",
    title="The Swan",
    section="History",
    setting="with_title",
    split="test_seen",
    part="seen",
    image="swan.png",
    image_digest="sha256:0",
    reference_digest="d1",
)
GENERATION = GenerationRow(
    key="",
    model="alpha",
    adapter="",
    revision="r1",
    question="",
    question_id="",
    artwork="The Swan",
    section="History",
    setting="with_title",
    split="test_seen",
    instruction="Explain.",
    text="A swan.",
    finish_reason="stop",
    prompt_token_count=1,
    image_token_count=0,
    generated_token_count=2,
    queue_s=0.0,
    prefill_s=0.0,
    decode_s=0.0,
    elapsed_s=0.0,
    attempts=1,
    engine="scripted",
    engine_version="1",
    dtype="float32",
    quantization="",
    sampling="{}",
    image_digest="sha256:0",
    generated_at=NOW,
)
FAILURE = FailureRow(
    key="",
    model="alpha",
    adapter="",
    question="",
    setting="with_title",
    split="test_seen",
    stage=Stage.GENERATION,
    reason="INVALID_REQUEST",
    final=True,
    message="bad",
    attempts=1,
    reference_digest="d1",
    failed_at=NOW,
)


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
    tables = ResultTables(tmp_path / "out")
    seen = [replace(PLAN, key=f"s{number}") for number in range(5)]
    unseen = [
        replace(PLAN, key=f"u{number}", split="test_unseen", part="unseen") for number in range(2)
    ]
    without_title = replace(PLAN, key="w0", setting="without_title")
    beta = replace(PLAN, key="b0", model="beta", adapter="wit", revision="r7")
    tables.replace_plan([*seen, *unseen, without_title, beta])
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
    tables = ResultTables(output)
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
    ResultTables(output).append([row])
    with pytest.raises(UserInputError, match=r"ec_exact\|v:1 and ec_exact\|v:2"):
        build_leaderboard(output)


def test_an_unknown_metric_is_refused_by_its_name(output: Path) -> None:
    row = score("u0", "beauty", 1.0, (), scored_at=NOW)
    ResultTables(output).append([row])
    with pytest.raises(UserInputError, match="'beauty'"):
        build_leaderboard(output)


def test_statistics_of_another_versions_metric_are_refused(output: Path) -> None:
    row = score("u0", "ec_exact", 1.0, (4.0, 4.0, 9.0), scored_at=NOW + timedelta(seconds=1))
    ResultTables(output).append([row])
    with pytest.raises(UserInputError, match=r"'ec_exact' with 3 statistics, .* keeps 2"):
        build_leaderboard(output)


def test_a_folder_without_a_sweep_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserInputError, match="no sweep in this folder"):
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
    tables = ResultTables(output)
    # s3 has failed for good before; s4 has now failed by the service's fault.
    tables.append([replace(FAILURE, key="s4", reason="DRAINING", final=False)])
    assert build_leaderboard(output).to_ask_again == 1
    # Each sentence is a line of its own, wrapped where the terminal ends.
    assert "1 of these failed for a reason that may pass; run the sweep again." in shown(
        output, 120
    )
