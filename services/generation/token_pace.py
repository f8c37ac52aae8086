"""Estimates how many tokens a generation had that was given up before it could say so."""

from services.generation.domain import Completion

# A generation's weight in the averages: about the last 16 count.
_WEIGHT = 1 / 16
# English text, before anything is known of the model.
_CHARS_A_TOKEN = 4.0


class TokenPace:
    """What one model's finished generations tell about those that did not finish."""

    __slots__ = ("_chars_a_token", "_first_token_s", "_token_s")

    def __init__(self) -> None:
        self._chars_a_token = _CHARS_A_TOKEN
        self._first_token_s = 0.0
        self._token_s = 0.0

    def learn(self, completion: Completion, text_chars: int) -> None:
        """Takes a generation that finished."""
        tokens = completion.usage.generated_token_count
        if tokens <= 0:
            return
        timings = completion.timings
        self._chars_a_token += _WEIGHT * (max(1, text_chars) / tokens - self._chars_a_token)
        self._first_token_s += _WEIGHT * (timings.queue_s + timings.prefill_s - self._first_token_s)
        if tokens > 1:
            self._token_s += _WEIGHT * (timings.decode_s / (tokens - 1) - self._token_s)

    def tokens_of(self, text_chars: int) -> int:
        """Estimates the tokens of a text that has come so far."""
        return round(text_chars / self._chars_a_token)

    def tokens_in(self, duration_s: float) -> int:
        """Estimates the tokens that came while a replica worked, of which nobody saw any text."""
        if duration_s < self._first_token_s or not self._token_s:
            return 0
        return 1 + int((duration_s - self._first_token_s) / self._token_s)
