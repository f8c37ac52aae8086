"""A report as CSV and JSON; the sample's numbers are by hand."""

import csv
import io
import json
from dataclasses import replace

import pytest

from services.sweep.report.tables.csv_table import (
    comparisons_csv,
    entities_csv,
    leaderboard_csv,
)
from services.sweep.report.tables.json_document import leaderboard_json
from tests.unit.sweep.report.sample_report import (
    HOSTILE_TO_HTML,
    HOSTILE_TO_LATEX,
    bare_report,
    sample_report,
)


def read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def pick(rows: list[dict[str, str]], **wanted: str) -> dict[str, str]:
    (found,) = [row for row in rows if wanted.items() <= row.items()]
    return found


def test_the_leaderboard_has_a_line_for_each_row_with_shares_times_100() -> None:
    rows = read(leaderboard_csv(sample_report()))
    assert len(rows) == 3 * 2 * 3
    row = pick(rows, label=HOSTILE_TO_LATEX, setting="with_title", part="all")
    # EF1: 0.18 within 0.03 on either side; the sample's micro values are half the macro ones.
    assert float(row["ef1"]) == pytest.approx(18)
    assert float(row["ef1_low"]) == pytest.approx(15)
    assert float(row["ef1_high"]) == pytest.approx(21)
    assert float(row["ef1_micro"]) == pytest.approx(9)
    assert row["ef1_scored"] == "100"
    # Lengths are in tokens: 0.6 * 90 + 0.4 * 95.
    assert float(row["length"]) == pytest.approx(92)
    assert row["length_micro"] == ""
    # Ten of the hundred questions have no pairs.
    assert row["ecooc_0_scored"] == "90"
    counts = ("questions", "replicates", "planned", "scored", "failed", "pending", "truncated")
    assert [row[name] for name in counts] == ["100", "2", "200", "192", "2", "6", "10"]
    assert row["unscorable"] == "20"


def test_what_was_not_computed_or_has_no_value_is_empty() -> None:
    rows = read(leaderboard_csv(sample_report()))
    control = pick(rows, control="wrong_image", setting="with_title", part="seen")
    assert (control["rouge_l"], control["rouge_l_low"], control["rouge_l_scored"]) == ("", "", "0")
    assert (control["ecooc_2"], control["ecooc_2_high"], control["ecooc_2_scored"]) == ("", "", "0")
    assert control["ef1_scored"] == "60"


def test_one_question_has_a_mean_and_no_interval() -> None:
    (seen, everything) = read(leaderboard_csv(bare_report()))
    assert (seen["part"], everything["part"]) == ("seen", "all")
    assert (seen["ef1"], seen["ef1_low"], seen["ef1_high"]) == ("50.0", "", "")


def test_comparisons_have_the_pairs_and_the_gaps() -> None:
    report = sample_report()
    rows = read(comparisons_csv(report))
    assert len(rows) == len(report.comparisons) + len(report.gaps)
    pair = pick(rows, kind="model", metric="ef1", setting="with_title", part="all")
    assert (pair["first"], pair["second"]) == (HOSTILE_TO_LATEX, HOSTILE_TO_HTML)
    # 0.18 - 0.26, within 0.01.
    assert float(pair["difference"]) == pytest.approx(-8)
    assert float(pair["low"]) == pytest.approx(-9)
    assert float(pair["high"]) == pytest.approx(-7)
    assert (pair["p"], pair["p_corrected"]) == ("0.0001", "0.0001")
    assert (pair["questions"], pair["artworks"]) == ("100", "50")


def test_gaps_say_which_ways_of_asking_they_are_between() -> None:
    rows = read(comparisons_csv(sample_report()))
    title = pick(rows, kind="title", model=HOSTILE_TO_HTML, metric="ec_exact", part="unseen")
    assert (title["first"], title["second"], title["setting"]) == (
        "with_title",
        "without_title",
        "",
    )
    assert float(title["difference"]) == pytest.approx(13.5 - 6)
    seen = pick(rows, kind="seen", model=HOSTILE_TO_LATEX, metric="length", setting="with_title")
    assert (seen["first"], seen["second"], seen["part"]) == ("seen", "unseen", "all")
    assert float(seen["difference"]) == pytest.approx(90 - 95)
    grounding = pick(rows, kind="wrong_image", metric="ef1", setting="without_title", part="seen")
    assert (grounding["first"], grounding["second"]) == ("none", "wrong_image")
    assert float(grounding["difference"]) == pytest.approx(8 - 3)
    # rouge_l was not computed under the control: there is nothing to compare.
    absent = pick(rows, kind="wrong_image", metric="rouge_l", setting="with_title", part="all")
    assert (absent["difference"], absent["p"], absent["questions"]) == ("", "", "0")


def test_entities_are_listed_once_with_what_each_model_made_of_them() -> None:
    rows = read(entities_csv(sample_report()))
    assert len(rows) == 3 * 3  # three entities, in several lists, by three contenders
    found = pick(rows, entity="Louvre", model=HOSTILE_TO_HTML)
    assert (found["asked"], found["found"], found["repeats"]) == ("40", "20", "0")
    assert read(entities_csv(bare_report())) == []


def test_json_keeps_the_keys_of_the_leaderboard_and_adds_intervals() -> None:
    document = json.loads(leaderboard_json(sample_report()))
    row = document["standings"][2]
    assert (row["label"], row["setting"], row["part"]) == (HOSTILE_TO_LATEX, "with_title", "all")
    assert (row["planned"], row["scored"], row["failed"], row["pending"]) == (200, 192, 2, 6)
    ecooc = row["metrics"]["ecooc_0"]
    # 0.6 * 0.02 + 0.4 * 0.01 over 90 questions; with the ten others as zeros 0.9 times as much.
    assert ecooc["mean"] == pytest.approx(1.6)
    assert ecooc["interval"] == [pytest.approx(1.1), pytest.approx(2.1)]
    assert ecooc["mean_with_zeros"] == pytest.approx(1.44)
    assert (ecooc["scored"], ecooc["artworks"]) == (90, 50)
    assert ecooc["unscorable"] == {"NO_REFERENCE_PAIRS": 10}
    assert ecooc["corpus_value"] == pytest.approx(0.8)
    assert ecooc["corpus_interval"] is None
    assert ecooc["signature"].startswith("ecooc_0|case:mixed")
    assert ecooc["corpus_signature"].endswith("|mean:micro")
    nothing = row["metrics"]["ecooc_2"]
    assert (nothing["mean"], nothing["interval"], nothing["scored"]) == (None, None, 0)


def test_json_says_how_and_from_what_it_was_computed() -> None:
    document = json.loads(leaderboard_json(sample_report()))
    assert document["resampling"] == {
        "unit": "artwork",
        "confidence": 0.95,
        "resamples": 10_000,
        "seed": 7,
        "artworks": 50,
    }
    assert document["sweeps"][0]["notes"] == ["Shards that have not begun: 00003-of-00004."]
    assert document["sweeps"][0]["costs"][1]["money"] is None
    published = document["published"][0]
    assert published["metrics"]["ef1"] == pytest.approx(16.93)
    assert published["metrics"]["length"] == 91.3
    assert published["sample"] == "1,199 test questions, a 25 % sample"
    comparison = next(one for one in document["comparisons"] if one["metric"] == "ef1")
    assert comparison["difference"] == pytest.approx(100 * (0.20 - 0.30))
    (gap, *_) = [gap for gap in document["gaps"] if gap["kind"] == "wrong_image"]
    assert (gap["label"], gap["setting"], gap["part"]) == (HOSTILE_TO_LATEX, "with_title", "seen")


def test_json_of_a_bare_report_has_no_entities() -> None:
    document = json.loads(leaderboard_json(bare_report()))
    assert document["entities"] is None
    assert document["correlations"] is None
    assert document["comparisons"] == []
    assert document["standings"][0]["metrics"]["ef1"]["corpus_value"] is None


def test_a_report_without_rows_has_no_lines() -> None:
    assert read(leaderboard_csv(replace(sample_report(), rows=()))) == []
