"""What is said of a run that left something."""

from services.sweep.progress.outcome import SweepOutcome
from services.sweep.progress.snapshot import ModelProgress


def outcome(
    *, done: int = 3000, failed: int = 0, unscored: int = 0, to_ask_again: int = 0
) -> SweepOutcome:
    model = ModelProgress(label="alpha", planned=3000, done=done, failed=failed)
    return SweepOutcome((model,), unscored=unscored, to_ask_again=to_ask_again, stopped=False)


def test_a_run_that_left_nothing_says_nothing() -> None:
    assert outcome().left == ""
    assert outcome(done=2990, failed=10).left == ""  # refused for good


def test_a_run_says_how_much_it_left_and_why() -> None:
    left = outcome(done=1800, failed=10, unscored=1234, to_ask_again=7).left
    # 3,000 - 1,800 - 10 have no result.
    assert left == (
        "1,190 to be asked, 7 failed and to be asked again, 1,234 answered and to be scored"
    )


def test_something_is_left_exactly_when_a_run_is_incomplete() -> None:
    for one in (outcome(), outcome(done=2999), outcome(unscored=1), outcome(to_ask_again=1)):
        assert one.complete == (not one.left)
