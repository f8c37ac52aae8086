"""Turns an endpoint's refusals into the service's own errors."""

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, ValidationError

from services.core.errors import (
    EngineUnavailableError,
    InvalidRequestError,
    ModelFailedError,
    PromptTooLongError,
    ServiceError,
)
from services.generation.engines.openai_key import KeyFile, hide_key
from services.generation.messages import one_line

_MAX_MESSAGE_CHARS = 300

_TOO_MANY_REQUESTS = 429
# 529 is what Anthropic's endpoints answer when they are overloaded.
_OVERLOADED = (503, 529)
# What a caller can change; other codes below 500 mean that the entry or the account is wrong.
_REQUEST_FAULTS = (400, 413, 415, 422)
# Passing trouble of the endpoint: a timeout, a conflict, a request that came too early.
_PASSING = (408, 409, 425)

_TOO_LONG_CODES = ("context_length_exceeded", "string_above_max_length")
# vLLM's server has no code for it.
_TOO_LONG_PHRASE = "maximum context length"
# Used up until somebody pays: no wait helps.
_QUOTA_CODES = ("insufficient_quota", "billing_hard_limit_reached")


class _Detail(BaseModel):
    model_config = ConfigDict(extra="ignore")

    message: str = ""
    code: str | int | None = None
    type: str | None = None


class _Refusal(BaseModel):
    """What endpoints answer: OpenAI's form, vLLM's older flat one, FastAPI's."""

    model_config = ConfigDict(extra="ignore")

    error: _Detail | str | None = None
    message: str = ""
    detail: str | None = None

    def told(self) -> _Detail:
        if isinstance(self.error, _Detail):
            return self.error
        return _Detail(message=self.error or self.message or self.detail or "")


class Refusal:
    """An answer that is no stream: its status and what it says.

    Args:
        status: The HTTP status.
        content: The answer's body, or its beginning.
        key: Taken out of what is said.
    """

    def __init__(self, status: int, content: bytes, key: str) -> None:
        self.status = status
        try:
            told = _Refusal.model_validate_json(content).told()
        except ValidationError:
            # Pages of proxies tell a caller nothing.
            told = _Detail()
        self.code = str(told.code or told.type or "")
        said = one_line(hide_key(told.message, key))[:_MAX_MESSAGE_CHARS]
        self.message = said or f"HTTP status {status} without an explanation"

    @property
    def is_rate_limit(self) -> bool:
        """Whether the same request may pass later, once the endpoint's limits allow it."""
        return self.status == _TOO_MANY_REQUESTS and self.code not in _QUOTA_CODES

    @property
    def is_overload(self) -> bool:
        """Whether the endpoint has too much to do now; worth a wait if it says how long."""
        return self.status in _OVERLOADED

    def error(self, place: str, model: str, key_file: KeyFile) -> ServiceError:
        """Makes the error that a caller gets.

        Args:
            place: The endpoint, as messages name it.
            model: What the endpoint calls the model.
            key_file: Where the key is.
        """
        if self.status in _REQUEST_FAULTS:
            if self.code in _TOO_LONG_CODES or _TOO_LONG_PHRASE in self.message:
                return PromptTooLongError(f"the endpoint refuses the request: {self.message}")
            return InvalidRequestError(f"the endpoint refuses the request: {self.message}")
        if self.status >= 500 or self.status in _PASSING:  # noqa: PLR2004 - HTTP's server errors
            return EngineUnavailableError(f"{place} failed: {self.message}")
        return ModelFailedError(self._failure(place, model, key_file))

    def _failure(self, place: str, model: str, key_file: KeyFile) -> str:
        said = f"{place} answers {self.status} to a request with {key_file}"
        if self.status == 401:  # noqa: PLR2004
            # Providers quote parts of the key here.
            return f"{said}, which it does not accept"
        if self.status == 404:  # noqa: PLR2004
            return f"{place} answers 404 for the model {model!r}: {self.message}"
        if 300 <= self.status < 400:  # noqa: PLR2004 - redirects
            return (
                f"{place} answers with a redirect, and none is followed: "
                "set base_url to where it leads"
            )
        return f"{said}: {self.message}"


def stream_failure(error: Mapping[str, object] | str, place: str, key: str) -> ServiceError:
    """Makes the error for one that came within a stream."""
    told = error if isinstance(error, str) else str(error.get("message", ""))
    said = one_line(hide_key(told, key))[:_MAX_MESSAGE_CHARS] or "no reason given"
    return EngineUnavailableError(f"{place} gave the answer up: {said}")
