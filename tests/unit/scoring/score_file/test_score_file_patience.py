"""How long to go on with a service that cannot answer now."""

import pytest

from services.core.errors import (
    EngineUnavailableError,
    OverloadedError,
    PermissionDeniedError,
    ServiceError,
    UnauthenticatedError,
    UnimplementedError,
)
from services.scoring.score_file.patience import Patience
from services.scoring.score_file.row_scorer import ScoreFileError


def test_waits_grow_and_are_never_shorter_than_asked_for() -> None:
    patience = Patience(60, "there")
    lost = EngineUnavailableError("lost")
    delays = [patience.delay_after(lost, 0.0) for _ in range(10)]
    # Doubled from 0.25 s to 10 s, of which at least half is waited.
    longest = [0.25, 0.5, 1, 2, 4, 8, 10, 10, 10, 10]
    assert all(most / 2 <= d <= most for d, most in zip(delays, longest, strict=True))
    full = OverloadedError("full", retry_after_s=25.0)
    assert patience.delay_after(full, 0.0) == 25.0


def test_patience_is_measured_from_the_first_of_failures_in_a_row() -> None:
    patience = Patience(60, "there")
    lost = EngineUnavailableError("lost")
    patience.delay_after(lost, 0.0)
    patience.delay_after(lost, 60.0)
    assert patience.restore()
    assert not patience.restore()
    patience.delay_after(lost, 100.0)
    with pytest.raises(ScoreFileError, match="there: given up after 61 s: lost"):
        patience.delay_after(lost, 161.0)


def test_what_trying_again_cannot_help_is_not_tried_again() -> None:
    with pytest.raises(ScoreFileError, match="there: not you"):
        Patience(60, "there").delay_after(UnimplementedError("not you"), 0.0)


def test_no_delay_outlasts_patience() -> None:
    patience = Patience(3, "there")
    full = OverloadedError("full", retry_after_s=25.0)
    assert patience.delay_after(full, 100.0) == 3.0
    assert patience.delay_after(full, 102.5) == 0.5
    with pytest.raises(ScoreFileError, match="given up after 3 s"):
        patience.delay_after(full, 103.001)


@pytest.mark.parametrize("kind", [UnauthenticatedError, PermissionDeniedError])
def test_who_may_not_call_must_change_the_options(kind: type[ServiceError]) -> None:
    with pytest.raises(kind, match="there: not you"):
        Patience(60, "there").delay_after(kind("not you"), 0.0)
