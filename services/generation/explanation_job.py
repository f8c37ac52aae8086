"""A request for an explanation on its way through the front."""

import time
from dataclasses import dataclass, replace

from services.core.deadlines import is_out_of_time
from services.generation.catalog import ModelSpec
from services.generation.configuration import with_default_sampling
from services.generation.domain import (
    Completion,
    EngineRequest,
    ExplanationRequest,
    Image,
    Lane,
    Sampling,
)
from services.generation.lanes import Ticket


@dataclass(frozen=True, slots=True)
class Job:
    """A request that nothing is wrong with, as far as that shows without its picture.

    Attributes:
        spec: The model's entry.
        request: What was asked.
        sampling: The same with the defaults filled in.
        client: Who asked.
        arrived: When, by the monotonic clock.
        timeout_s: Seconds that the caller waits; None for as long as it takes.
    """

    spec: ModelSpec
    request: ExplanationRequest
    sampling: Sampling
    client: str
    arrived: float
    timeout_s: float | None

    @property
    def model(self) -> str:
        """Name of the model."""
        return self.spec.name

    @property
    def lane(self) -> Lane:
        """Its lane."""
        return self.request.lane

    @property
    def max_tokens(self) -> int:
        """Most tokens of its answer."""
        return self.sampling.max_tokens

    @property
    def ticket(self) -> Ticket:
        """What it asks for a place with."""
        deadline = None if self.timeout_s is None else self.arrived + self.timeout_s
        return Ticket(self.request.lane, self.client, deadline)

    @property
    def left_s(self) -> float | None:
        """Seconds that the caller still waits."""
        if self.timeout_s is None:
            return None
        return self.timeout_s - (time.monotonic() - self.arrived)

    @property
    def is_out_of_time(self) -> bool:
        """Whether the caller waits no more, and not because it went away."""
        return is_out_of_time(self.left_s, time.monotonic() - self.arrived)

    def engine_request(self, image: Image | None) -> EngineRequest:
        """What an engine gets of it."""
        return EngineRequest(
            request_id=self.request.request_id,
            image=image,
            instruction=self.request.instruction,
            system_text=self.request.system_text,
            sampling=self.sampling,
            adapter=self.request.adapter,
            lane=self.request.lane,
        )

    def completed(self, completion: Completion, sent: float) -> Completion:
        """Adds what the front alone knows; ``sent`` is when a replica was called."""
        timings = replace(
            completion.timings,
            admission_s=sent - self.arrived,
            total_s=time.monotonic() - self.arrived,
        )
        name = with_default_sampling(completion.provenance.configuration_digest, self.spec.sampling)
        ran = replace(completion.provenance, configuration_digest=name)
        return replace(completion, timings=timings, provenance=ran)
