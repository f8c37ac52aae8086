"""What the scoring service takes from the environment, with the prefix ``EXPART_SCORING_``."""

import difflib
import os
import re
from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from services.core.errors import UserInputError
from services.rpc.read_settings import read_settings
from services.rpc.settings import RpcSettings

PREFIX = "EXPART_SCORING_"
DEVICE_PATTERN = r"^(cpu|cuda(:\d+)?)$"
_KIB = 2**10
_MIB = 2**20

# What pods are told of a Service named expart-scoring.
_OF_KUBERNETES = re.compile(r"(SERVICE_HOST|SERVICE_PORT|PORT)(_.*)?")


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
        batch_bytes: The same, in bytes of text; a larger item is given alone.
        stream_window: Items of one stream in flight; further ones wait in the connection.
        max_pending_items: Items waiting or being scored: half of it for single calls, which are
            refused above it, half for streams, which wait.
        max_pending_bytes: The same, in bytes of text.
        max_wait_s: Single calls are refused that would have to wait longer, once ``batch_items``
            are pending.
        max_text_chars: Longest candidate and longest reference, in characters.
        max_entities: Most entities of an item, of its reference and of its candidate.
        max_entity_chars: Longest entity, in characters.
        answer_timeout_s: A worker that answers nothing for so long is taken for stuck and is
            replaced.
        withdrawn_grace_s: How long a worker may go on with an item whose caller has gone before
            it is replaced.
        encoder: Model that BERTScore is computed with, as a hub id or a folder; none by default,
            and then BERTScore is unavailable.
        encoder_revision: Its branch, tag or commit on the hub.
        encoder_layer: Whose output is compared, counted from 1; by default the layer that
            ``bert_score`` takes for the model.
        encoder_device: ``cpu``, ``cuda`` or ``cuda:N``.
        encoder_threads: Processor threads of one encoder; torch's own choice by default.
        encoder_batch_tokens: Tokens that are computed at once, at most.
        encoder_cache_bytes: Memory for the embeddings of references, in each encoder.
        encoder_local_files_only: Whether to take the model from the disk only.
        encoder_workers: Processes that hold an encoder each.
        encoder_batch_items: Items that are embedded together, at most.
        encoder_start_timeout_s: How long loading may take; the hub may have to send the model.
        stop_grace_s: How long calls in flight may take to end when the service is stopped.
        log_format: ``json`` for machines, ``text`` for people.
        log_level: Least severe level that is logged.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid")

    address: str = Field(default="127.0.0.1:0", pattern=r"^.+:\d+$")
    address_file: Path | None = None
    workers: int = Field(default_factory=_half_the_processors, ge=1)
    batch_items: int = Field(default=32, ge=1)
    batch_bytes: int = Field(default=128 * _KIB, ge=_KIB)
    stream_window: int = Field(default=2048, ge=1)
    max_pending_items: int = Field(default=8192, ge=2)
    max_pending_bytes: int = Field(default=64 * _MIB, ge=_MIB)
    max_wait_s: float = Field(default=0.8, gt=0)
    max_text_chars: int = Field(default=50_000, ge=1, le=1_000_000)
    max_entities: int = Field(default=256, ge=1)
    max_entity_chars: int = Field(default=256, ge=1)
    answer_timeout_s: float = Field(default=120.0, gt=0)
    withdrawn_grace_s: float = Field(default=1.0, gt=0)
    encoder: str = ""
    encoder_revision: str = "main"
    encoder_layer: int | None = Field(default=None, ge=1)
    encoder_device: str = Field(default="cpu", pattern=DEVICE_PATTERN)
    encoder_threads: int | None = Field(default=None, ge=1)
    encoder_batch_tokens: int = Field(default=1024, ge=1)
    encoder_cache_bytes: int = Field(default=256 * _MIB, ge=0)
    encoder_local_files_only: bool = False
    encoder_workers: int = Field(default=1, ge=1)
    encoder_batch_items: int = Field(default=64, ge=1)
    encoder_start_timeout_s: float = Field(default=600.0, gt=0)
    stop_grace_s: float = Field(default=10.0, ge=0)
    log_format: Literal["json", "text"] = "json"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"


def load_settings() -> ScoringSettings:
    """Reads the settings from the environment.

    Raises:
        UserInputError: A variable with the prefix is a misspelt setting, or has a value that is
            not allowed.
    """
    known = [name.upper() for name in ScoringSettings.model_fields]
    for variable in sorted(os.environ):  # noqa: TID251 - this module may
        name = variable.upper().removeprefix(PREFIX)
        if name == variable.upper() or name in known or _OF_KUBERNETES.fullmatch(name):
            continue
        # What resembles no setting is somebody else's.
        if nearest := difflib.get_close_matches(name, known, n=1):
            raise UserInputError(f"{variable} is no setting; the nearest is {PREFIX}{nearest[0]}")
    return read_settings(ScoringSettings)
