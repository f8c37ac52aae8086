"""Settings that every server of ours takes from its environment, under the service's own prefix."""

from typing import Self

from pydantic import Field, PositiveFloat, PositiveInt
from pydantic_settings import BaseSettings

from services.rpc.call_limits import CallLimits
from services.rpc.limits import KEEPALIVE_TIME_MS, KEEPALIVE_TIMEOUT_MS
from services.rpc.paths import OptionalFile
from services.rpc.security import ServerSecurity

# The names of the settings that make a server secure.
SECURITY_SETTINGS = ("tls_certificate_file", "tls_key_file", "tls_client_ca_file", "token_file")


class RpcSettings(BaseSettings):
    """What a service lets in and what it asks of its callers; to be inherited from."""

    tls_certificate_file: OptionalFile = Field(
        default=None,
        description="Certificate of the server and those between it and its authority, PEM.",
    )
    tls_key_file: OptionalFile = Field(
        default=None, description="The certificate's private key, PEM without a passphrase."
    )
    tls_client_ca_file: OptionalFile = Field(
        default=None,
        description="Authorities, PEM; if set, clients must show a certificate of theirs.",
    )
    token_file: OptionalFile = Field(
        default=None, description="Tokens of those who may call: a line holds a name and a token."
    )
    health_address: str = Field(
        default="",
        pattern=r"^(.+:\d+)?$",
        description="host:port for health checks alone, in plaintext; empty: none.",
    )
    metrics_port: int | None = Field(
        default=None,
        ge=0,
        le=65535,
        description="Port for Prometheus, in plaintext, under /metrics, on the address of the "
        "service; 0: a free one; none: no metrics are served.",
    )
    max_calls: PositiveInt = Field(default=4000, description="Most calls in flight over all.")
    max_calls_per_client: PositiveInt = Field(
        default=1000, description="Most calls in flight of one client."
    )
    calls_per_second_per_client: float = Field(
        default=0.0, ge=0, description="Calls that a client may begin a second; 0: no limit."
    )
    call_burst_per_client: PositiveInt = Field(
        default=100, description="Calls that a client may begin at once after a rest."
    )
    unary_timeout_s: PositiveFloat = Field(
        default=600.0,
        description="Longest duration of a call with one response whose caller set no deadline.",
    )
    idle_timeout_s: PositiveFloat = Field(
        default=600.0,
        description="Longest wait for a client to send a request or to take a response.",
    )
    keepalive_s: float = Field(
        default=KEEPALIVE_TIME_MS / 1000,
        ge=1,
        description="How often a silent connection is asked whether its client is still there.",
    )
    keepalive_timeout_s: PositiveFloat = Field(
        default=KEEPALIVE_TIMEOUT_MS / 1000,
        description="How long its answer may take; then its calls are cancelled.",
    )
    max_connection_age_s: float = Field(
        default=0.0, ge=0, description="Age at which a connection takes no new calls; 0: none."
    )
    max_connection_grace_s: PositiveFloat = Field(
        default=3600.0, description="How long the calls of such a connection may go on."
    )

    def in_plaintext(self) -> Self:
        """Gives the settings of a server that asks nobody for anything."""
        return self.model_copy(update=dict.fromkeys(SECURITY_SETTINGS))

    @property
    def security(self) -> ServerSecurity:
        """The files that make the server secure."""
        return ServerSecurity(
            tls_certificate_file=self.tls_certificate_file,
            tls_key_file=self.tls_key_file,
            tls_client_ca_file=self.tls_client_ca_file,
            token_file=self.token_file,
        )

    @property
    def call_limits(self) -> CallLimits:
        """How many calls are let in, and how long they may take."""
        return CallLimits(
            max_calls=self.max_calls,
            max_calls_per_client=self.max_calls_per_client,
            calls_per_second_per_client=self.calls_per_second_per_client,
            call_burst_per_client=self.call_burst_per_client,
            unary_timeout_s=self.unary_timeout_s,
            idle_timeout_s=self.idle_timeout_s,
            keepalive_s=self.keepalive_s,
            keepalive_timeout_s=self.keepalive_timeout_s,
            max_connection_age_s=self.max_connection_age_s,
            max_connection_grace_s=self.max_connection_grace_s,
        )
