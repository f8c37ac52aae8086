"""What an endpoint's headers say of waiting, and how the engine keeps to it."""

import asyncio
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.core.errors import OverloadedError
from services.generation.engines.openai_pace import EndpointPace, duration_of, retry_after_of


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pace(clock: Clock) -> EndpointPace:
    return EndpointPace("closed", 2, clock)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1s", 1.0),
        ("6m0s", 360.0),
        ("120ms", 0.12),
        ("2m59.56s", 179.56),
        ("1h2m3s", 3723.0),
        ("1d", 86400.0),
        ("0.5", 0.5),
        ("59", 59.0),
        ("", None),
        ("soon", None),
        ("1s later", None),
        ("-1s", None),
        ("nan", None),
        ("1e9", None),
    ],
)
def test_durations_are_read_as_providers_write_them(text: str, seconds: float | None) -> None:
    assert duration_of(text) == (None if seconds is None else pytest.approx(seconds))


# 16 digits are no year of a C int, and neither datetime nor its parser knows them.
@example("Mon, 01 Jan 9999999999999999 00:00:00 GMT")
@given(st.text(max_size=40))
def test_no_header_breaks_the_reading(text: str) -> None:
    for found in (duration_of(text), retry_after_of({"retry-after": text})):
        assert found is None or found >= 0


def test_a_date_is_read_as_the_time_until_it() -> None:
    moment = datetime.now(UTC) + timedelta(seconds=100)
    seconds = retry_after_of({"retry-after": format_datetime(moment, usegmt=True)})
    # The date drops the fraction of its second.
    assert seconds is not None
    assert 97 < seconds <= 100
    past = datetime.now(UTC) - timedelta(seconds=100)
    assert retry_after_of({"retry-after": format_datetime(past, usegmt=True)}) == 0


def test_without_a_header_nothing_is_known() -> None:
    assert retry_after_of({}) is None


def headers(what: str, remaining: str, reset: str, limit: str = "") -> dict[str, str]:
    found = {f"x-ratelimit-remaining-{what}": remaining, f"x-ratelimit-reset-{what}": reset}
    return found | ({f"x-ratelimit-limit-{what}": limit} if limit else {})


@pytest.mark.parametrize(
    ("found", "pause_s"),
    [
        (headers("requests", "0", "2s"), 2.0),
        # 60 come back in 60 s: one in 1 s.
        (headers("requests", "0", "60s", "60"), 1.0),
        (headers("requests", "1", "60s", "60"), 0.0),
        (headers("tokens", "0", "3s", "1000"), 3.0),
        # A guess is never long: the endpoint says so itself if it was too short.
        (headers("tokens", "0", "1h"), 5.0),
        (headers("requests", "0", "whenever"), 0.0),
        (headers("requests", "0", "2s", "0"), 2.0),
        ({}, 0.0),
    ],
)
def test_a_used_up_limit_pauses_for_as_long_as_its_counters_say(
    pace: EndpointPace, found: dict[str, str], pause_s: float
) -> None:
    pace.note_limits(found)
    assert pace.pause_left_s == pytest.approx(pause_s)


def test_a_shorter_pause_never_ends_a_longer_one(pace: EndpointPace, clock: Clock) -> None:
    pace.pause(20)
    clock.now += 5
    pace.pause(3)
    assert pace.pause_left_s == pytest.approx(15)
    clock.now += 15
    assert pace.pause_left_s == 0


def test_no_pause_is_longer_than_an_hour(pace: EndpointPace) -> None:
    pace.pause(10**9)
    assert pace.pause_left_s == 3600


@pytest.mark.parametrize(
    ("pause_s", "patience_s", "waits"), [(29, 30, True), (30, 30, False), (31, 100, False)]
)
async def test_only_a_short_pause_within_the_deadline_is_waited_for(
    pace: EndpointPace, clock: Clock, pause_s: float, patience_s: float, waits: bool
) -> None:
    pace.pause(pause_s)
    waiting = asyncio.create_task(pace.wait_until_resumed(clock.now + patience_s))
    done, _ = await asyncio.wait({waiting}, timeout=0.05)
    assert bool(done) is not waits
    if waits:
        waiting.cancel()
        return
    with pytest.raises(OverloadedError) as caught:
        await waiting
    assert caught.value.retry_after_s == pytest.approx(pause_s)


async def test_a_place_is_free_again_after_an_error_and_after_a_cancellation(
    pace: EndpointPace, clock: Clock
) -> None:
    for _ in range(5):
        with pytest.raises(ValueError, match="mine"):
            async with pace.place(clock.now + 60):
                raise ValueError("mine")
    holders = [asyncio.create_task(hold(pace, clock)) for _ in range(3)]
    await asyncio.sleep(0.01)
    for holder in holders:
        holder.cancel()
    await asyncio.gather(*holders, return_exceptions=True)
    async with pace.place(clock.now + 60), pace.place(clock.now + 60):
        pass


async def hold(pace: EndpointPace, clock: Clock) -> None:
    async with pace.place(clock.now + 60):
        await asyncio.sleep(60)
