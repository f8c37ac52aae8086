"""What the sweep driver reads from the environment."""

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.core.errors import UserInputError

_PREFIX = "EXPART_SWEEP_"


class SweepSettings(BaseSettings):
    """Settings of the driver itself; what to ask is in the sweep spec.

    Attributes:
        commit_rows: Results that are made durable together, at most.
        commit_interval_s: Seconds after which results are made durable, at the latest.
        max_attempts: Attempts at one question before it counts as failed; waiting because the
            service said that it is full or loading is no attempt.
        max_wait_s: Seconds that one question may wait for a full or loading service in all.
        set_aside_after: Questions of one model that fail by the service's fault, with no answer in
            between, before the sweep leaves that model for this run.
        scoring_window: Explanations at the scoring service at the same time.
    """

    model_config = SettingsConfigDict(env_prefix=_PREFIX, frozen=True, extra="forbid")

    commit_rows: int = Field(default=512, ge=1)
    commit_interval_s: float = Field(default=3.0, gt=0)
    max_attempts: int = Field(default=6, ge=1)
    max_wait_s: float = Field(default=1800.0, gt=0)
    set_aside_after: int = Field(default=20, ge=1)
    scoring_window: int = Field(default=64, ge=1)


def load_settings() -> SweepSettings:
    """Reads the settings from the environment.

    Raises:
        UserInputError: A variable has a wrong value; the message names it.
    """
    try:
        return SweepSettings()
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = _PREFIX + "_".join(map(str, first["loc"])).upper()
        raise UserInputError(f"{name}: {first['msg']}, got {first['input']!r}") from error
