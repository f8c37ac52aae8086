"""What the sweep driver reads from the environment."""

import difflib
import os
from collections.abc import Iterable

from pydantic import AliasChoices, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.core.errors import UserInputError

_PREFIX = "EXPART_SWEEP_"


class SweepSettings(BaseSettings):
    """Settings of the driver itself; what to ask is in the sweep spec.

    Attributes:
        channels: Connections to the generation service; each front takes at least one, and a
            front's own limit of calls on a connection is not reached.
        commit_rows: Results that are made durable together, at most.
        commit_interval_s: Seconds after which results are made durable, at the latest.
        max_attempts: Attempts at one question before it counts as failed; waiting for a service
            that is full, loading or lost is no attempt.
        max_wait_s: Seconds that one question may wait for such a service in all. A model that
            answers nobody for so long is set aside.
        drain_s: Seconds that what is in flight may take to end when the sweep is stopped.
        scoring_window: Explanations at the scoring service at the same time.
        shard_index: Which shard of the questions is this driver's, from 0.
        shard_count: How many shards there are.
        completion_index: What Kubernetes gives to a pod of an Indexed Job, as JOB_COMPLETION_INDEX:
            the shard's index where no other is given.
    """

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX, frozen=True, extra="forbid", populate_by_name=True
    )

    channels: int = Field(default=4, ge=1, le=64)
    commit_rows: int = Field(default=2048, ge=1)
    commit_interval_s: float = Field(default=3.0, gt=0)
    max_attempts: int = Field(default=6, ge=1)
    max_wait_s: float = Field(default=1800.0, gt=0)
    drain_s: float = Field(default=20.0, ge=0)
    scoring_window: int = Field(default=256, ge=1)
    shard_index: int | None = Field(default=None, ge=0)
    shard_count: int | None = Field(default=None, ge=1)
    completion_index: int | None = Field(
        default=None,
        ge=0,
        validation_alias=AliasChoices("JOB_COMPLETION_INDEX", "completion_index"),
    )


def load_settings() -> SweepSettings:
    """Reads the settings from the environment.

    Raises:
        UserInputError: A variable has a wrong value, or is a misspelt setting; the message names
            it.
    """
    _refuse_misspelt(os.environ)  # noqa: TID251 - this module may
    try:
        return SweepSettings()
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = "_".join(map(str, first["loc"])).upper()
        name = place if place == "JOB_COMPLETION_INDEX" else _PREFIX + place
        raise UserInputError(f"{name}: {first['msg']}, got {first['input']!r}") from error


def _refuse_misspelt(environment: Iterable[str]) -> None:
    known = [name.upper() for name in SweepSettings.model_fields]
    for variable in sorted(environment):
        name = variable.upper().removeprefix(_PREFIX)
        if name == variable.upper() or name in known:
            continue
        # What resembles no setting is let be: Kubernetes sets variables for every service.
        if nearest := difflib.get_close_matches(name, known, n=1):
            raise UserInputError(f"{variable} is no setting; the nearest is {_PREFIX}{nearest[0]}")
