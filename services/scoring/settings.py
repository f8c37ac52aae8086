"""What the scoring service takes from the environment, with the prefix ``EXPART_SCORING_``."""

import difflib
import os
from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from services.core.errors import UserInputError
from services.rpc.settings import RpcSettings

PREFIX = "EXPART_SCORING_"
_MIB = 2**20


def _half_the_processors() -> int:
    return max(1, len(os.sched_getaffinity(0)) // 2)


class ScoringSettings(RpcSettings):
    """Settings of the scoring service, beside those that every server has.

    Attributes:
        address: Where to listen, ``host:port``; port 0 picks a free one.
        address_file: File that receives the bound address once calls are answered, and that is
            removed at the end; none by default.
        workers: Processes that compute metrics; by default one for every two processors.
        batch_items: Items that a worker is given at once, at most.
        stream_window: Items of one stream in flight; further ones wait in the connection.
        max_pending_items: Items waiting or being scored, over all calls. Above it single calls
            are refused and streams wait.
        max_pending_bytes: The same, in bytes of text.
        max_text_chars: Longest candidate and longest reference, in characters.
        max_entities: Most entities of an item.
        max_entity_chars: Longest entity, in characters.
        batch_timeout_s: After this long a worker is taken for stuck and is replaced.
        stop_grace_s: How long calls in flight may take to end when the service is stopped.
        log_format: ``json`` for machines, ``text`` for people.
        log_level: Least severe level that is logged.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid")

    address: str = Field(default="127.0.0.1:0", pattern=r"^.+:\d+$")
    address_file: Path | None = None
    workers: int = Field(default_factory=_half_the_processors, ge=1)
    batch_items: int = Field(default=16, ge=1)
    stream_window: int = Field(default=256, ge=1)
    max_pending_items: int = Field(default=4096, ge=1)
    max_pending_bytes: int = Field(default=64 * _MIB, ge=_MIB)
    max_text_chars: int = Field(default=50_000, ge=1, le=1_000_000)
    max_entities: int = Field(default=256, ge=1)
    max_entity_chars: int = Field(default=256, ge=1)
    batch_timeout_s: float = Field(default=120.0, gt=0)
    stop_grace_s: float = Field(default=10.0, ge=0)
    log_format: Literal["json", "text"] = "json"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"


def load_settings() -> ScoringSettings:
    """Reads the settings from the environment.

    Raises:
        UserInputError: A variable with the prefix is a misspelt setting.
        ValidationError: A value is not allowed.
    """
    known = [name.upper() for name in ScoringSettings.model_fields]
    for variable in sorted(os.environ):  # noqa: TID251 - this module may
        name = variable.upper().removeprefix(PREFIX)
        if name == variable.upper() or name in known:
            continue
        # What resembles no setting is let be: Kubernetes sets EXPART_SCORING_PORT_… for a service.
        if nearest := difflib.get_close_matches(name, known, n=1):
            raise UserInputError(f"{variable} is no setting; the nearest is {PREFIX}{nearest[0]}")
    return ScoringSettings()
