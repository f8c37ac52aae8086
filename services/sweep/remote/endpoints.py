"""Where the two services listen."""

from dataclasses import dataclass, field

from services.rpc.client_security import ClientSecurity


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Addresses of the services that a sweep calls.

    Attributes:
        generation: ``host:port`` of the generation service.
        scoring: ``host:port`` of the scoring service.
        security: What both are called with; by default plaintext without a token.
    """

    generation: str
    scoring: str
    security: ClientSecurity = field(default_factory=ClientSecurity)
