"""Whatever comes in whatever order, a model's queue keeps its bounds and forgets nobody."""

import asyncio
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from services.core.errors import OverloadedError
from services.generation.domain import Lane
from services.generation.lanes import ModelQueue, Ticket, reserve

KINDS = ["ask"] * 10 + ["end"] * 5 + ["cancel"] * 2 + ["end and cancel"] * 2 + ["resize"]


@dataclass(frozen=True)
class Step:
    """What happens next; a kind of step uses some of the numbers."""

    kind: str
    lane: Lane
    client: str
    number: int
    turns: int
    other: int


STEPS = st.lists(
    st.builds(
        Step,
        kind=st.sampled_from(KINDS),
        lane=st.sampled_from(Lane),
        client=st.sampled_from("abc"),
        number=st.integers(0, 9),
        turns=st.integers(0, 3),
        other=st.integers(0, 9),
    ),
    min_size=30,
    max_size=60,
)


@dataclass(eq=False)
class Call:
    number: int
    lane: Lane
    client: str
    may_end: asyncio.Event = field(default_factory=asyncio.Event)
    state: str = "waiting"


class Scene:
    """A queue, and what the test itself knows about the calls."""

    def __init__(self, places: int, max_waiting: int, share: float) -> None:
        self.places, self.max_waiting, self.share = places, max_waiting, share
        self.queue = ModelQueue(
            "model", places=places, max_waiting=max_waiting, interactive_share=share
        )
        self.calls: list[Call] = []
        self.tasks: dict[Call, asyncio.Task[None]] = {}
        self.started: list[Call] = []

    def of(self, state: str, *lanes: Lane) -> list[Call]:
        return [call for call in self.calls if call.state == state and call.lane in (lanes or Lane)]

    @property
    def sweep_places(self) -> int:
        return self.places - reserve(self.places, self.share)

    async def run(self, call: Call) -> None:
        try:
            async with self.queue.place(Ticket(call.lane, call.client)):
                call.state = "running"
                self.started.append(call)
                # As of the moment of the start, this one included.
                assert len(self.of("running")) <= self.places
                if call.lane is Lane.SWEEP:
                    assert len(self.of("running", Lane.SWEEP)) <= self.sweep_places
                    assert not self.of("waiting", Lane.INTERACTIVE)
                await call.may_end.wait()
        except OverloadedError:
            call.state = "refused"
        finally:
            if call.state != "refused":
                call.state = "over"

    async def ask(self, lane: Lane, client: str) -> None:
        call = Call(len(self.calls), lane, client)
        self.calls.append(call)
        self.tasks[call] = asyncio.create_task(self.run(call))
        await self.settle()

    def end(self, index: int) -> None:
        if running := self.of("running"):
            running[index % len(running)].may_end.set()

    def cancel(self, index: int) -> None:
        alive = [call for call in self.calls if call.state in ("waiting", "running")]
        if alive:
            self.tasks[alive[index % len(alive)]].cancel()

    async def play(self, step: Step) -> None:
        if step.kind == "ask":
            await self.ask(step.lane, step.client)
        elif step.kind == "resize":
            self.places = 1 + step.number % 5
            self.queue.resize(self.places)
        if step.kind.startswith("end"):
            self.end(step.number)
        if step.kind.endswith("cancel"):
            # Some turns of the event loop apart: a place changes hands while it is given up.
            for _ in range(step.turns):
                await asyncio.sleep(0)
            self.cancel(step.other)

    async def settle(self) -> None:
        for _ in range(10):
            await asyncio.sleep(0)

    def check(self) -> None:
        running, waiting = self.of("running"), self.of("waiting")
        assert self.queue.running_count == len(running)
        for lane in Lane:
            assert self.queue.waiting_count(lane) == len(self.of("waiting", lane))
        assert len(waiting) <= self.max_waiting
        assert len(self.of("waiting", Lane.SWEEP)) <= self.max_waiting - reserve(
            self.max_waiting, self.share
        )
        # Nobody waits for a place that is free.
        if self.of("waiting", Lane.INTERACTIVE):
            assert len(running) >= self.places
        if self.of("waiting", Lane.SWEEP):
            sweeping = len(self.of("running", Lane.SWEEP))
            assert len(running) >= self.places or sweeping >= self.sweep_places
        for task in self.tasks.values():
            if task.done() and not task.cancelled():
                task.result()  # raises what an assertion in a call raised


@given(
    places=st.integers(1, 5),
    max_waiting=st.integers(0, 5),
    share=st.sampled_from([0.0, 0.2, 0.5, 0.9]),
    steps=STEPS,
)
@settings(deadline=None, max_examples=60)
def test_bounds_hold_no_wake_up_is_lost_and_interactive_calls_go_first(
    places: int, max_waiting: int, share: float, steps: list[Step]
) -> None:
    async def play() -> None:
        scene = Scene(places, max_waiting, share)
        for step in steps:
            await scene.play(step)
            await scene.settle()
            scene.check()
        for lane in Lane:
            for client in ("a", "b", "c"):
                numbers = [c.number for c in scene.started if (c.lane, c.client) == (lane, client)]
                assert numbers == sorted(numbers), "a client's calls start in their order"
        while scene.of("running"):
            scene.end(0)
            await scene.settle()
            scene.check()
        assert not scene.of("waiting"), "every call that waited had its turn"
        assert scene.queue.running_count == 0

    asyncio.run(play())
