"""What a report prints in the terminal."""

import io
import re
from dataclasses import replace

from rich.console import Console

from services.sweep.report.model import Report
from services.sweep.report.tables.terminal import MOST_CONTENDERS, print_report
from tests.unit.sweep.report.sample_report import (
    HOSTILE_TO_HTML,
    HOSTILE_TO_LATEX,
    bare_report,
    crowded_report,
    sample_report,
)


def printed(report: Report, width: int = 200, *, in_colour: bool = False) -> list[str]:
    file = io.StringIO()
    colours = "standard" if in_colour else None
    print_report(
        report, Console(file=file, width=width, color_system=colours, no_color=not in_colour)
    )
    return [line.rstrip() for line in file.getvalue().splitlines()]


def test_a_wide_terminal_has_one_leaderboard_with_half_widths_below_the_values() -> None:
    lines = printed(sample_report())
    first = next(n for n, line in enumerate(lines) if line.startswith(HOSTILE_TO_LATEX))
    # The first row is of the seen artworks: 60 questions twice, four answers without a score.
    assert lines[first].split() == [
        HOSTILE_TO_LATEX, "with", "seen", "116", "12", "1", "5",
        "1.20†", "16.00†", "20.00", "18.00†", "2.00", "–", "90.0",  # noqa: RUF001
    ]  # fmt: skip
    assert lines[first + 1].split() == ["±0.20", "±1.00", "±3.00", "±2.00", "±0.50", "±4.0"]
    assert any(line.startswith(HOSTILE_TO_HTML) for line in lines)


def test_numbers_stay_below_each_other_whether_or_not_they_have_a_mark() -> None:
    lines = printed(sample_report())
    rows = [line for line in lines if " 116 " in line or " 76 " in line][:6]
    # R-L: 16.00†, 15.00†, 13.00†, 12.00†, then 14.00 and 14.00 of the other model.
    ends = {re.search(r"1[2-6]\.00", line[50:]).end() for line in rows}  # type: ignore[union-attr]
    assert len(rows) == 6
    assert len(ends) == 1


def test_the_best_is_green() -> None:
    text = "\n".join(printed(sample_report(), in_colour=True))
    # The second model's EF1 over all parts, in bold as all such rows.
    assert re.search(r"\x1b\[1;32m *26\.00", text)
    assert re.search(r"\x1b\[1m *18\.00", text)


def test_a_narrow_terminal_has_two_tables_and_no_line_is_wider() -> None:
    lines = printed(sample_report(), width=72)
    headings = [line for line in lines if line.split()[:4] == ["model", "title", "part", "n"]]
    assert len(headings) == 2
    assert "BLEU" in headings[0]
    assert "EF1" in headings[1]
    assert max(map(len, lines)) <= 72


def test_published_rows_differences_and_gaps_follow() -> None:
    lines = printed(sample_report())
    at = [
        lines.index(title) for title in ("Published results", "Differences between models", "Gaps")
    ]
    assert at == sorted(at)
    assert any("Not computed here: A paper, Table 1" in line for line in lines)
    assert any("-8.00*" in line for line in lines[at[1] : at[2]])
    assert any(line.startswith("own minus wrong picture") for line in lines[at[2] :])


def test_signatures_and_notes_are_printed() -> None:
    text = " ".join(printed(sample_report()))
    for metric in sample_report().metrics:
        assert f"{metric}|case:mixed|rules:expart-1|replicates:2-averaged-first" in text
    assert "Shards that have not begun: 00003-of-00004." in text


def test_many_contenders_are_shown_over_all_parts_alone() -> None:
    crowded = printed(crowded_report(MOST_CONTENDERS + 1))
    assert any(line.startswith("Seen and unseen artworks apart") for line in crowded)
    assert not any(" unseen " in line and line.startswith("model-") for line in crowded)
    few = printed(crowded_report(MOST_CONTENDERS))
    assert any(" unseen " in line for line in few)


def test_differences_of_many_pairs_are_left_to_the_files() -> None:
    report = crowded_report(5)
    comparisons = tuple(replace(one, part="all") for one in report.comparisons)
    lines = printed(replace(report, comparisons=comparisons))
    assert "Differences of 10 pairs of models are in the files." in lines
    assert "Differences between models" not in lines


def test_a_bare_report_has_its_row_and_nothing_to_compare() -> None:
    lines = printed(bare_report())
    assert any(line.split()[:3] == [HOSTILE_TO_LATEX, "with", "seen"] for line in lines)
    assert not any("±" in line for line in lines)
    assert "Gaps" not in lines


def test_names_cannot_steer_the_terminal() -> None:
    report = sample_report()
    label = "[red]x[/red]\x1b[2J"
    contenders = (replace(report.contenders[0], label=label), *report.contenders[1:])
    text = "\n".join(printed(replace(report, contenders=contenders)))
    assert "\x1b" not in text
    assert "[red]x[/red]\ufffd[2J" in text
