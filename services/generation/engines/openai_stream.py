"""Reads the stream of a chat completion."""

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from services.core.errors import EngineUnavailableError, InvalidRequestError
from services.generation.domain import FinishReason, TokenUsage
from services.generation.engines.openai_errors import stream_failure

_END = "[DONE]"
_FINISH_REASONS = {"stop": FinishReason.STOP, "length": FinishReason.LENGTH}
_FILTERED = "content_filter"
# What vLLM's server says of an answer that it did not finish.
_LOST = ("abort", "error")


class _Part(BaseModel):
    """Only what we read; endpoints add fields of their own."""

    model_config = ConfigDict(extra="ignore")


class _Delta(_Part):
    content: str | None = None
    refusal: str | None = None


class _Choice(_Part):
    index: int = 0
    delta: _Delta = _Delta()
    finish_reason: str | None = None


class _Usage(_Part):
    prompt_tokens: int = 0
    completion_tokens: int = 0


class _Chunk(_Part):
    model: str | None = None
    system_fingerprint: str | None = None
    choices: list[_Choice] = []
    usage: _Usage | None = None
    error: dict[str, JsonValue] | str | None = None


class Answer:
    """What one answer has said so far.

    Attributes:
        model: What the endpoint says it ran; empty until it does.
        fingerprint: Its ``system_fingerprint``: which of the model's builds; or empty.
        usage: Tokens as the endpoint counts them. Zeros where it does not say; that of the image
            is always 0, because no endpoint says.
        is_over: Whether nothing more can come.

    Args:
        place: The endpoint, as messages name it.
        key: Taken out of what the endpoint says of errors.
    """

    def __init__(self, place: str, key: str) -> None:
        self._place = place
        self._key = key
        self._finish: FinishReason | None = None
        self.model = ""
        self.fingerprint = ""
        self.usage = TokenUsage(0, 0, 0)
        self.is_over = False

    def take(self, data: str) -> str:
        """Takes an event's data and gives the text that it adds, often none.

        Raises:
            EngineUnavailableError: It is no part of an answer, or says that the endpoint gave up.
            InvalidRequestError: The endpoint's content filter withheld the answer.
        """
        if data.strip() == _END:
            self.is_over = True
            return ""
        try:
            chunk = _Chunk.model_validate_json(data)
        except ValidationError as error:
            raise EngineUnavailableError(
                f"{self._place} sent what is no part of a chat completion"
            ) from error
        if chunk.error is not None:
            raise stream_failure(chunk.error, self._place, self._key)
        self.model = chunk.model or self.model
        self.fingerprint = chunk.system_fingerprint or self.fingerprint
        if chunk.usage is not None:
            # The last one counts: some endpoints send running totals.
            self.usage = TokenUsage(chunk.usage.prompt_tokens, 0, chunk.usage.completion_tokens)
        return "".join(self._take_choice(choice) for choice in chunk.choices if choice.index == 0)

    @property
    def is_complete(self) -> bool:
        """Whether all text has come; token counts may still follow."""
        return self._finish is not None

    def finish_reason(self) -> FinishReason:
        """Says why the answer ended.

        Raises:
            EngineUnavailableError: It broke off without saying so.
        """
        if self._finish is None:
            raise EngineUnavailableError(f"{self._place} broke the answer off")
        return self._finish

    def _take_choice(self, choice: _Choice) -> str:
        if choice.finish_reason == _FILTERED:
            raise InvalidRequestError("the endpoint's content filter withheld the answer")
        if choice.finish_reason in _LOST:
            raise EngineUnavailableError(f"{self._place} gave the answer up")
        if choice.finish_reason is not None:
            # Whatever else ends it, such as a tool that nobody offered: the model stopped.
            self._finish = _FINISH_REASONS.get(choice.finish_reason, FinishReason.STOP)
        # A model's own refusal is its answer.
        return (choice.delta.content or "") + (choice.delta.refusal or "")
