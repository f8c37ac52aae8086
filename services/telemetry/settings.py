"""What telemetry takes from the environment: OpenTelemetry's own, standard variables."""

from pydantic_settings import BaseSettings, SettingsConfigDict


class TracingSettings(BaseSettings):
    """Says whether traces are recorded, and where they go.

    Only what decides whether anything is loaded at all; the rest (sampling, headers, certificates,
    time limits, the sizes of batches) OpenTelemetry's SDK reads by itself.

    Attributes:
        exporter_otlp_endpoint: Collector for all signals, such as ``http://collector:4317``.
        exporter_otlp_traces_endpoint: Collector for traces alone; comes before the other.
        exporter_otlp_protocol: How it is spoken to; ``grpc`` alone is supported.
        exporter_otlp_traces_protocol: The same for traces alone.
        traces_exporter: ``none`` turns traces off.
        sdk_disabled: ``true`` turns everything off.
    """

    model_config = SettingsConfigDict(env_prefix="OTEL_", frozen=True, extra="ignore")

    exporter_otlp_endpoint: str = ""
    exporter_otlp_traces_endpoint: str = ""
    exporter_otlp_protocol: str = ""
    exporter_otlp_traces_protocol: str = ""
    traces_exporter: str = ""
    sdk_disabled: str = ""

    @property
    def endpoint(self) -> str:
        """Where traces go; empty: nowhere."""
        if self.sdk_disabled.strip().lower() == "true":
            return ""
        if self.traces_exporter.strip().lower() not in {"", "otlp"}:
            return ""
        return self.exporter_otlp_traces_endpoint.strip() or self.exporter_otlp_endpoint.strip()

    @property
    def protocol(self) -> str:
        """How the collector is spoken to."""
        return self.exporter_otlp_traces_protocol or self.exporter_otlp_protocol or "grpc"
