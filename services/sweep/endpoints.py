"""Where the two services listen."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Addresses of the services that a sweep calls.

    Attributes:
        generation: ``host:port`` of the generation service.
        scoring: ``host:port`` of the scoring service.
    """

    generation: str
    scoring: str
