"""What people see of a running sweep."""

import io
import re

from rich.console import Console

from services.sweep.progress.progress import LineProgress, TerminalProgress, console_progress
from services.sweep.progress.snapshot import ModelProgress, SweepSnapshot
from services.sweep.progress.table import progress_table


def snapshot(done: int, elapsed_s: float, failed: int = 0, before: int = 0) -> SweepSnapshot:
    alpha = ModelProgress("alpha", planned=60, done=done, failed=failed, in_flight=4)
    beta = ModelProgress("beta", planned=40)
    return SweepSnapshot((alpha, beta), scored=done, elapsed_s=elapsed_s, done_before=before)


def test_rate_and_time_left_count_this_run_only() -> None:
    # 30 were done before; 20 more in 10 s are 2 a second; 50 of 100 are left: 25 s.
    now = snapshot(done=48, failed=2, elapsed_s=10, before=30)
    assert now.rate_per_s == 2.0
    assert now.remaining_s == 25.0


def test_without_a_rate_there_is_no_time_left() -> None:
    assert snapshot(done=30, elapsed_s=10, before=30).remaining_s is None
    assert snapshot(done=0, elapsed_s=0).remaining_s is None


def test_lines_come_at_intervals_and_the_last_state_always() -> None:
    text = io.StringIO()
    with LineProgress(Console(file=text, width=60), interval_s=10) as progress:
        for second in range(26):
            progress.update(snapshot(done=second, elapsed_s=second))
        progress.note("alpha [r1] is set aside")
    lines = text.getvalue().splitlines()
    assert [line.split()[1] for line in lines if line.startswith("sweep:")] == [
        "0/100",
        "10/100",
        "20/100",
        "25/100",
    ]
    assert "alpha [r1] is set aside" in lines
    assert "alpha 25/60, 4 in flight; beta 0/40" in lines[-1]
    assert "1.00/s, 1:15 left" in lines[-1]


def test_a_terminal_gets_bars_with_counts() -> None:
    text = io.StringIO()
    console = Console(file=text, width=100, force_terminal=True)
    progress = console_progress(console)
    assert isinstance(progress, TerminalProgress)
    with progress:
        progress.update(snapshot(done=50, failed=3, elapsed_s=10))
        progress.note("alpha [r1] is set aside")
    shown = text.getvalue()
    assert "53/60" in shown
    assert "53/100" in shown
    assert "alpha [r1] is set aside" in shown


def columns_shown(width: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width)
    console.print(progress_table(snapshot(done=50, failed=3, elapsed_s=10), width))
    assert isinstance(console.file, io.StringIO)
    lines = console.file.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    # A heading, a rule, a row for each of two models and one for all: nothing is wrapped.
    assert len(lines) == 5
    return [*re.split(r" {2,}", lines[0].strip()), *(["a bar"] * ("━" in lines[-1]))]


def test_a_narrow_terminal_does_without_columns_and_wraps_none() -> None:
    # "all (50 scored)" has 15 characters, the headings after it 7, 6, 11 and 4, a gap has 3.
    least = ["model", "settled", "failed", "questions/s", "left"]
    assert columns_shown(15 + 7 + 6 + 11 + 4 + 4 * 3) == least
    # tokens/s takes 8 and a gap, in flight 9, retries 7, the bar 20.
    assert columns_shown(55 + 11 - 1) == least
    assert columns_shown(66) == [*least[:4], "tokens/s", "left"]
    assert columns_shown(66 + 12) == [*least[:4], "tokens/s", "in flight", "left"]
    rest = [*least[:4], "tokens/s", "in flight", "retries", "left"]
    assert columns_shown(78 + 10) == columns_shown(88 + 23 - 1) == rest
    assert columns_shown(111) == columns_shown(200) == [*rest, "a bar"]


def test_a_pipe_gets_lines() -> None:
    assert isinstance(console_progress(Console(file=io.StringIO())), LineProgress)
