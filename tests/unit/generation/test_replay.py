"""What is remembered of named requests, for whom, and for how long."""

import asyncio
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.errors import RequestIdConflictError
from services.generation.domain import (
    Completion,
    Explanation,
    ExplanationEvent,
    ExplanationRequest,
    FinishReason,
    ImageReference,
    Lane,
    Provenance,
    SamplingRequest,
    TextDelta,
    Timings,
    TokenUsage,
)
from services.generation.replay import ReplayLimits, Replays, RequestKey, key_of
from services.generation.shared_generation import SharedGeneration
from tests.unit.generation.builders import picture, sampling

PLENTY = ReplayLimits(max_entries=100, max_bytes=10**6, max_age_s=60.0)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def completion(request_id: str = "r") -> Completion:
    origin = Provenance("m", "1", "", "scripted", "1", "none", "", sampling(), "")
    return Completion(
        request_id, FinishReason.STOP, TokenUsage(1, 0, 1), Timings(0.0, 0.0, 0.0), origin
    )


def request(**fields: object) -> ExplanationRequest:
    values: dict[str, object] = {
        "request_id": "r",
        "model": "m",
        "adapter": "",
        "image": None,
        "instruction": "Explain.",
        "system_text": "",
        "sampling": SamplingRequest(),
        "lane": Lane.INTERACTIVE,
        **fields,
    }
    return ExplanationRequest(**values)


def key(request_id: str = "r", client: str = "anna") -> RequestKey:
    return key_of(request(request_id=request_id), client)


async def answered(
    replays: Replays, key: RequestKey, text: str = "a text", stop: tuple[str, ...] = ()
) -> None:
    done = completion()
    applied = replace(done.provenance.sampling, stop=stop)

    async def work(generation: SharedGeneration) -> None:
        generation.add(TextDelta(text))
        generation.add(replace(done, provenance=replace(done.provenance, sampling=applied)))

    await replays.start(key, lambda when_over: SharedGeneration(work, when_over)).result()


OTHERS = [
    {"model": "n"},
    {"adapter": "a"},
    {"image": picture()},
    {"instruction": "Explain!"},
    {"system_text": "Be brief."},
    {"sampling": SamplingRequest(seed=1)},
    {"sampling": SamplingRequest(temperature=0.0)},
    {"sampling": SamplingRequest(stop=("x",))},
]


@pytest.mark.parametrize("fields", OTHERS, ids=lambda fields: next(iter(fields)))
def test_whatever_shapes_the_result_makes_another_body(fields: dict[str, object]) -> None:
    assert key_of(request(**fields), "anna") != key_of(request(), "anna")


def test_what_does_not_shape_the_result_makes_no_other_body() -> None:
    image = picture()
    one = request(image=image, lane=Lane.SWEEP)
    two = request(image=ImageReference(image.digest), lane=Lane.INTERACTIVE, is_named=True)
    assert key_of(one, "anna") == key_of(two, "anna")


@given(
    first=st.tuples(st.text(), st.text(), st.text()),
    second=st.tuples(st.text(), st.text(), st.text()),
)
def test_texts_that_differ_only_in_where_they_are_cut_are_different_bodies(
    first: tuple[str, str, str], second: tuple[str, str, str]
) -> None:
    keys = [
        key_of(request(instruction=one, system_text=two, adapter=three), "anna")
        for one, two, three in (first, second)
    ]
    assert (keys[0] == keys[1]) == (first == second)


async def test_a_result_is_found_by_its_client_and_id_alone() -> None:
    replays = Replays(PLENTY)
    await answered(replays, key())
    assert replays.find(key()) == Explanation("a text", completion())
    assert replays.find(key("another")) is None
    assert replays.find(key(client="ben")) is None
    with pytest.raises(RequestIdConflictError):
        replays.find(replace(key(), body=b"another"))


async def test_a_result_is_forgotten_when_its_time_is_up() -> None:
    clock = Clock()
    replays = Replays(PLENTY, clock)
    await answered(replays, key("old"))
    clock.now += 40.0
    await answered(replays, key("new"))
    clock.now += 20.0
    assert replays.find(key("old")) is None
    assert replays.find(key("new")) is not None
    assert len(replays) == 1


async def test_results_are_bounded_by_number_and_the_oldest_goes_first() -> None:
    replays = Replays(replace(PLENTY, max_entries=2))
    for name in "abc":
        await answered(replays, key(name))
    assert [replays.find(key(name)) is not None for name in "abc"] == [False, True, True]


async def test_results_are_bounded_by_memory() -> None:
    replays = Replays(replace(PLENTY, max_bytes=20_000))
    await answered(replays, key("small"))
    await answered(replays, key("large"), "x" * 15_000)
    # Together they would exceed it, by what an entry takes beside its text.
    await answered(replays, key("larger"), "x" * 16_000)
    assert [replays.find(key(name)) is not None for name in ("small", "large", "larger")] == [
        False,
        False,
        True,
    ]
    assert replays.size_bytes <= 20_000
    # One that never fits costs the others nothing.
    await answered(replays, key("too large"), "x" * 20_001)
    assert replays.find(key("too large")) is None
    assert replays.find(key("larger")) is not None


async def test_the_stop_texts_that_an_answer_tells_count_too() -> None:
    replays = Replays(replace(PLENTY, max_bytes=20_000))
    for name in "ab":
        await answered(replays, key(name), stop=("x" * 1_000,) * 10)
    # Either takes more than half.
    assert [replays.find(key(name)) is not None for name in "ab"] == [False, True]
    assert replays.size_bytes > 10_000


async def test_what_runs_is_found_until_it_fails_and_nothing_is_left_of_it() -> None:
    replays = Replays(PLENTY)
    may_fail = asyncio.Event()

    async def work(generation: SharedGeneration) -> None:
        await may_fail.wait()
        raise ZeroDivisionError

    generation = replays.start(key(), lambda when_over: SharedGeneration(work, when_over))
    reading = [asyncio.create_task(generation.result()) for _ in range(2)]
    await asyncio.sleep(0)
    assert replays.find(key()) is generation
    with pytest.raises(RequestIdConflictError):
        replays.find(replace(key(), body=b"another"))
    may_fail.set()
    for read in reading:
        with pytest.raises(ZeroDivisionError):
            await read
    assert replays.find(key()) is None
    assert replays.running_count == 0


@pytest.mark.parametrize("fails", [False, True])
async def test_who_comes_in_the_very_moment_of_the_end_finds_the_result_or_nothing(
    fails: bool,
) -> None:
    replays = Replays(PLENTY)
    may_end = asyncio.Event()

    async def work(generation: SharedGeneration) -> None:
        await may_end.wait()
        if fails:
            raise ZeroDivisionError
        generation.add(TextDelta("a text"))
        generation.add(completion())

    async def come() -> SharedGeneration | Explanation | None:
        await may_end.wait()
        return replays.find(key())

    generation = replays.start(key(), lambda when_over: SharedGeneration(work, when_over))
    await asyncio.sleep(0)
    coming = asyncio.create_task(come())
    await asyncio.sleep(0)
    # Both go on in one turn of the event loop, the generation first. Whoever joined one that has
    # failed would begin anew, join it again and so on, without ever letting the event loop turn.
    may_end.set()
    assert await coming == (None if fails else Explanation("a text", completion()))
    assert replays.running_count == 0
    if fails:
        with pytest.raises(ZeroDivisionError):
            await generation.result()


async def test_a_generation_that_all_have_left_is_not_joined_any_more() -> None:
    replays = Replays(PLENTY)
    ended = asyncio.Event()

    async def work(generation: SharedGeneration) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            # As an engine that takes a moment to let go.
            await asyncio.sleep(0.01)
            ended.set()

    generation = replays.start(key(), lambda when_over: SharedGeneration(work, when_over))
    reading = asyncio.create_task(generation.result())
    await asyncio.sleep(0)
    reading.cancel()
    await asyncio.sleep(0)
    assert replays.find(key()) is None
    assert not ended.is_set()
    anew = replays.start(key(), lambda when_over: SharedGeneration(work, when_over))
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert ended.is_set()
    # The old one has ended after the new one began, and leaves it its place.
    assert replays.find(key()) is anew
    reading = asyncio.create_task(anew.result())
    await asyncio.sleep(0)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert replays.running_count == 0


async def read(generation: SharedGeneration) -> list[ExplanationEvent]:
    return [event async for event in generation.events()]


async def test_readers_read_at_their_own_pace_and_what_they_miss_is_merged() -> None:
    steps = [asyncio.Event() for _ in range(4)]

    async def work(generation: SharedGeneration) -> None:
        for step, text in zip(steps, ("a", "b", "c"), strict=False):
            await step.wait()
            generation.add(TextDelta(text))
        await steps[3].wait()
        generation.add(completion())

    generation = SharedGeneration(work)
    quick = generation.events()
    first = asyncio.ensure_future(anext(quick))
    await asyncio.sleep(0)
    steps[0].set()
    assert await first == TextDelta("a")
    slow = generation.events()
    assert await anext(slow) == TextDelta("a")
    for step in steps[1:]:
        step.set()
    assert [event async for event in slow] == [TextDelta("bc"), completion()]
    assert [event async for event in quick] == [TextDelta("bc"), completion()]
    late = SharedGeneration(work)
    assert await read(late) == [TextDelta("abc"), completion()]


async def test_an_answer_without_text_is_a_completion_alone() -> None:
    async def work(generation: SharedGeneration) -> None:
        generation.add(completion())

    assert await read(SharedGeneration(work)) == [completion()]
