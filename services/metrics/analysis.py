"""What the metrics need to know about texts, worked out once and shared by all of them."""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TypeVar, cast

from services.core.errors import FieldViolation, InvalidRequestError
from services.metrics import tokens
from services.metrics.embeddings import TextEncoder, TokenEmbeddings
from services.metrics.matching import (
    SearchableText,
    fold_case,
    normalise_entity,
    normalise_typography,
)
from services.metrics.options import CaseRule, ScoringOptions

DerivedT = TypeVar("DerivedT")


class TextAnalysis:
    """Tokens, sentences and searchable forms of one text, each worked out when first asked for.

    Keep it to score several candidates against the same reference.

    Args:
        text: The text as it is; may be empty.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self._searchable: dict[CaseRule, SearchableText] = {}
        self._token_positions: dict[CaseRule, dict[str, list[int]]] = {}
        self._derived: dict[object, object] = {}

    def derived(self, derive: Callable[["TextAnalysis"], DerivedT]) -> DerivedT:
        """Returns what a function makes of this text; calls it the first time only."""
        if derive not in self._derived:
            self._derived[derive] = derive(self)
        return cast("DerivedT", self._derived[derive])

    @cached_property
    def tokens(self) -> list[str]:
        """The words and punctuation marks, as ``nltk.word_tokenize`` splits the text."""
        return _words(self.text, self._spans)

    @cached_property
    def _spans(self) -> list[tuple[int, int]]:
        return tokens.sentence_spans(self.text)

    @cached_property
    def _typographic(self) -> str:
        return normalise_typography(self.text)

    @cached_property
    def _typographic_spans(self) -> list[tuple[int, int]]:
        same = self._typographic == self.text
        return self._spans if same else tokens.sentence_spans(self._typographic)

    def searchable(self, case: CaseRule) -> SearchableText:
        """The form in which entities are looked for."""
        if case not in self._searchable:
            self._searchable[case] = SearchableText(
                self._typographic, self._typographic_spans, case
            )
        return self._searchable[case]

    def token_positions(self, case: CaseRule) -> dict[str, list[int]]:
        """Positions at which each token occurs in the normalised text, ascending."""
        if case not in self._token_positions:
            same = self._typographic == self.text
            found = self.tokens if same else _words(self._typographic, self._typographic_spans)
            positions: dict[str, list[int]] = {}
            for position, token in enumerate(found):
                positions.setdefault(fold_case(token, case), []).append(position)
            self._token_positions[case] = positions
        return self._token_positions[case]


def _words(text: str, spans: list[tuple[int, int]]) -> list[str]:
    return [word for start, end in spans for word in tokens.words(text[start:end])]


class EntityOccurrences:
    """Where the entities of an item occur in one of its two texts.

    Attributes:
        counts: How often each entity occurs, in the order of the item's entities.
        by_sentence: For each sentence, the set of entities that begin in it, as a bit mask:
            bit i stands for the item's entity i.
    """

    __slots__ = ("by_sentence", "counts")

    def __init__(
        self, analysis: TextAnalysis, entities: Sequence[str], options: ScoringOptions
    ) -> None:
        searchable = analysis.searchable(options.case)
        self.counts: list[int] = []
        self.by_sentence = [0] * len(searchable.sentence_starts)
        for index, entity in enumerate(entities):
            found = searchable.occurrences(entity, options.boundary)
            self.counts.append(len(found))
            for offset in found:
                sentence = bisect_right(searchable.sentence_starts, offset) - 1
                self.by_sentence[sentence] |= 1 << index


class ScoringInput:
    """One explanation to be scored, with everything that several metrics share.

    Args:
        candidate: The explanation to be scored; may be empty.
        reference: The reference explanation.
        entities: The reference's entities. Those that differ only in what matching ignores (see
            :mod:`services.metrics.matching`) count once.
        options: How entities are looked for. Which encoder they name does not matter.
        encoder: Embeds the texts for BERTScore; without one it is unavailable.

    Raises:
        InvalidRequestError: The reference is blank, an entity is blank, or an entity is given
            twice.
    """

    def __init__(
        self,
        candidate: str | TextAnalysis,
        reference: str | TextAnalysis,
        entities: Sequence[str] = (),
        options: ScoringOptions | None = None,
        encoder: TextEncoder | None = None,
    ) -> None:
        self.candidate = _analysed(candidate)
        self.reference = _analysed(reference)
        self.encoder = encoder
        self.embeddings: tuple[TokenEmbeddings, TokenEmbeddings] | None = None
        """Those of candidate and reference, once :func:`services.metrics.prime` has made them."""
        self.options = _naming(encoder, options or ScoringOptions())
        violations = input_violations(self.reference.text, entities)
        if violations:
            first = violations[0]
            raise InvalidRequestError(
                f"{first.field} {first.description}", violations=tuple(violations)
            )
        by_form: dict[str, str] = {}
        for entity in map(normalise_entity, entities):
            by_form.setdefault(fold_case(entity, self.options.case), entity)
        self.entities = tuple(by_form)
        """The entities in the form that is looked for."""
        self.entities_cased = tuple(by_form.values())
        """The same before case folding, from which tokens are taken."""

    @cached_property
    def in_candidate(self) -> EntityOccurrences:
        """The entities' occurrences in the candidate."""
        return EntityOccurrences(self.candidate, self.entities, self.options)

    @cached_property
    def in_reference(self) -> EntityOccurrences:
        """The entities' occurrences in the reference."""
        return EntityOccurrences(self.reference, self.entities, self.options)


def _naming(encoder: TextEncoder | None, options: ScoringOptions) -> ScoringOptions:
    name = encoder.signature if encoder is not None else ""
    return options if options.encoder == name else replace(options, encoder=name)


def _analysed(text: str | TextAnalysis) -> TextAnalysis:
    return text if isinstance(text, TextAnalysis) else TextAnalysis(text)


def input_violations(reference: str, entities: Sequence[str]) -> list[FieldViolation]:
    """Says what :class:`ScoringInput` would refuse.

    Args:
        reference: The reference explanation; must not be blank.
        entities: Its entities; each must be given once, and hold something visible.

    Returns:
        One violation for each thing that is wrong.
    """
    violations = []
    if not reference.strip():
        violations.append(FieldViolation("reference", "must not be blank"))
    first_index: dict[str, int] = {}
    for index, entity in enumerate(entities):
        earlier = first_index.setdefault(entity, index)
        if not normalise_entity(entity):
            violations.append(FieldViolation(f"entities[{index}]", "must not be blank"))
        elif earlier != index:
            description = f"must differ from entities[{earlier}]"
            violations.append(FieldViolation(f"entities[{index}]", description))
    return violations
