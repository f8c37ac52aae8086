"""What is known of a call while it is answered."""

from dataclasses import dataclass

from services.telemetry.call_metrics import MethodCounts


@dataclass(frozen=True, slots=True)
class Arrival:
    """What is known of a call before its request is read.

    Attributes:
        method: Full name of its method.
        began: When, by the monotonic clock.
        counts: What has happened at its method.
        token_name: The client that its token belongs to, where tokens are asked for.
    """

    method: str
    began: float
    counts: MethodCounts
    token_name: str | None = None


@dataclass(frozen=True, slots=True)
class Caller:
    """Who makes a call; noted at its beginning, as gRPC forgets it when the call is cancelled.

    Attributes:
        name: What the client is counted under.
        address: Where the call comes from.
    """

    name: str
    address: str
