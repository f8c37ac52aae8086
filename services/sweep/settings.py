"""What the sweep driver reads from the environment."""

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class SweepSettings(BaseSettings):
    """Settings of the driver itself; what to ask is in the sweep spec.

    Attributes:
        generation_address: ``host:port`` of the generation service.
        scoring_address: ``host:port`` of the scoring service.
        commit_rows: Results that are made durable together, at most.
        commit_interval_s: Seconds after which results are made durable, at the latest.
        max_attempts: Attempts at one question before it counts as failed; waiting because the
            service said that it is full or loading is no attempt.
        max_wait_s: Seconds that one question may wait for a full or loading service in all.
        set_aside_after: Questions of one model that fail by the service's fault, with no answer in
            between, before the sweep leaves that model for this run.
        scoring_window: Explanations at the scoring service at the same time.
    """

    model_config = SettingsConfigDict(env_prefix="EXPART_SWEEP_", frozen=True, extra="forbid")

    generation_address: str = "127.0.0.1:9000"
    scoring_address: str = "127.0.0.1:9100"
    commit_rows: int = Field(default=512, ge=1)
    commit_interval_s: float = Field(default=3.0, gt=0)
    max_attempts: int = Field(default=6, ge=1)
    max_wait_s: float = Field(default=1800.0, gt=0)
    set_aside_after: int = Field(default=20, ge=1)
    scoring_window: int = Field(default=64, ge=1)
