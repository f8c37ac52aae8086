"""What the command line takes from the environment."""

import os
from pathlib import Path

from pydantic_settings import BaseSettings, SettingsConfigDict


class CliSettings(BaseSettings):
    """Defaults of the ``expart`` command, each from a variable with the prefix ``EXPART_CLI_``.

    Attributes:
        log_folder: Where the local stack's services write their logs.
    """

    model_config = SettingsConfigDict(env_prefix="EXPART_CLI_", frozen=True, extra="forbid")

    log_folder: Path = Path("var/log")


def child_environment(**variables: str) -> dict[str, str]:
    """Gives a child process this process's environment and some variables of its own."""
    return {**os.environ, **variables}  # noqa: TID251 - this module may
