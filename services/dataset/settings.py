"""What ``expart dataset`` takes from the environment, with the prefix ``EXPART_DATASET_``."""

from ipaddress import IPv4Network, IPv6Network

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.dataset.failures import Reason


class DatasetSettings(BaseSettings):
    """How pictures are downloaded.

    Attributes:
        contact: Address or page of whoever downloads, sent in the User-Agent, as Wikimedia asks.
        concurrency: Most downloads at a time, over all hosts.
        connections_per_host: Most downloads at a time from one host.
        requests_per_second: Most requests a second to one host.
        max_bytes: Largest picture; the generation service's default.
        max_pixels: Most pixels, checked before decoding; the generation service's default.
        connect_timeout_s: Longest wait for a connection.
        read_timeout_s: Longest silence of a server.
        attempt_timeout_s: Longest duration of one request; the next goes on where it ended.
        attempts: Times that a picture is tried in one run; being throttled is counted apart.
        backoff_s: Wait before the second attempt; it doubles with each further one.
        max_wait_s: Longest wait that a server may ask for within a run.
        rest_s: How long a host that does not answer is left alone before it is asked once more.
        allowed_networks: Networks to download from although they are not public.
    """

    model_config = SettingsConfigDict(env_prefix="EXPART_DATASET_", frozen=True, extra="forbid")

    contact: str = Field(default="", max_length=200, pattern=r"^[ -'*-~]*$")
    concurrency: int = Field(default=16, ge=1, le=256)
    connections_per_host: int = Field(default=2, ge=1, le=64)
    requests_per_second: float = Field(default=4.0, gt=0, le=1000)
    max_bytes: int = Field(default=20 * 2**20, ge=1)
    max_pixels: int = Field(default=50_000_000, ge=1, le=89_000_000)
    connect_timeout_s: float = Field(default=15.0, gt=0)
    read_timeout_s: float = Field(default=30.0, gt=0)
    attempt_timeout_s: float = Field(default=300.0, gt=0)
    attempts: int = Field(default=4, ge=1, le=20)
    backoff_s: float = Field(default=1.0, gt=0)
    max_wait_s: float = Field(default=300.0, gt=0)
    rest_s: float = Field(default=60.0, gt=0)
    allowed_networks: tuple[IPv4Network | IPv6Network, ...] = ()


def limit_of(reason: str, settings: DatasetSettings) -> str:
    """Names the limit that pictures are refused by for a reason; empty if there is none.

    With another limit they may be had.
    """
    match reason:
        case Reason.TOO_LARGE:
            return f"max_bytes={settings.max_bytes}"
        case Reason.TOO_MANY_PIXELS:
            return f"max_pixels={settings.max_pixels}"
        case Reason.FORBIDDEN_ADDRESS:
            return f"allowed_networks={','.join(map(str, settings.allowed_networks))}"
    return ""
