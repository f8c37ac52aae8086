"""Bounds what a front takes on: requests a model, and image bytes altogether."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from services.core.errors import OverloadedError
from services.generation.catalog import ModelSpec

# Asked to come back at once, refused callers would add to the load that refused them.
_RETRY_AFTER_S = 1.0


class Admission:
    """Counts what is in flight and refuses what exceeds the bounds.

    Args:
        max_image_bytes: Most image bytes of all requests in flight together.
    """

    def __init__(self, max_image_bytes: int) -> None:
        self._max_image_bytes = max_image_bytes
        self._requests: Counter[str] = Counter()
        self._image_bytes = 0

    @contextmanager
    def admit(self, spec: ModelSpec, image_bytes: int) -> Iterator[None]:
        """Holds a place while a request of this model is in flight.

        Raises:
            OverloadedError: All places are taken; it says when to try again.
        """
        scaling = spec.scaling
        limit = scaling.max_replicas * scaling.max_ongoing_requests + scaling.max_queued_requests
        if self._requests[spec.name] >= limit:
            raise OverloadedError(
                f"model {spec.name} has {limit} requests in flight, as many as it takes; "
                f"try again in {_RETRY_AFTER_S:g} s",
                retry_after_s=_RETRY_AFTER_S,
                model=spec.name,
                max_requests=str(limit),
            )
        if self._image_bytes + image_bytes > self._max_image_bytes:
            raise OverloadedError(
                f"images in flight hold {self._image_bytes} bytes, at most "
                f"{self._max_image_bytes} are taken; try again in {_RETRY_AFTER_S:g} s",
                retry_after_s=_RETRY_AFTER_S,
                max_image_bytes=str(self._max_image_bytes),
            )
        self._requests[spec.name] += 1
        self._image_bytes += image_bytes
        try:
            yield
        finally:
            self._requests[spec.name] -= 1
            self._image_bytes -= image_bytes
