"""Turns the tokens of one answer into pieces of text, and finds where a stop text ends it."""

from collections.abc import Callable, Sequence

# Tokens of the prompt that the first token of the answer is decoded after: what a token reads
# as, such as its leading space, depends on those before it.
_CONTEXT_TOKENS = 5
# How decoders write bytes that are no whole character yet.
_INCOMPLETE = "\ufffd"


class AnswerText:
    """Grows by a token at a time, and gives out what no stop text can take back any more.

    Args:
        decode: Turns token ids into text, leaving special tokens out.
        prompt_ids: Token ids of the prompt.
        stop: Texts that end the answer; the first to come ends it, and is not part of it.
        min_tokens: Tokens that must have come before a stop text counts.
    """

    def __init__(
        self,
        decode: Callable[[Sequence[int]], str],
        prompt_ids: Sequence[int],
        *,
        stop: tuple[str, ...],
        min_tokens: int,
    ) -> None:
        self._decode = decode
        # Tokens that the text of the next one depends on, the last _read of them not yet in it.
        self._ids = list(prompt_ids[-_CONTEXT_TOKENS:])
        self._read = len(self._ids)
        self._text = ""
        self._given = 0
        self._checked = 0
        self._stop = stop
        self._held_back = max(map(len, stop), default=1) - 1
        self._min_tokens = min_tokens
        self._count = 0

    def add(self, token_id: int) -> bool:
        """Takes the next token; True where a stop text now ends the answer."""
        self._count += 1
        self._ids.append(token_id)
        before = self._decode(self._ids[: self._read])
        whole = self._decode(self._ids)
        if len(whole) > len(before) and not whole.endswith(_INCOMPLETE):
            self._text += whole[len(before) :]
            self._ids = self._ids[self._read :]
            self._read = len(self._ids)
        return self._cut_at_stop_text()

    def take(self, *, is_finished: bool = False) -> str:
        """Gives the text that is settled since the last call; all of it once finished."""
        end = len(self._text) if is_finished else len(self._text) - self._held_back
        piece = self._text[self._given : max(end, self._given)]
        self._given += len(piece)
        return piece

    def _cut_at_stop_text(self) -> bool:
        if self._count <= self._min_tokens:
            self._checked = len(self._text)
            return False
        found = [
            at
            for text in self._stop
            # It may have begun in text that was checked before.
            if (at := self._text.find(text, max(0, self._checked - len(text) + 1))) >= 0
        ]
        self._checked = len(self._text)
        if not found:
            return False
        self._text = self._text[: min(found)]
        return True
