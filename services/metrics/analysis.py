"""What the metrics need to know about texts, worked out once and shared by all of them."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import cached_property
from typing import NoReturn, TypeVar, cast

from services.core.errors import FieldViolation, InvalidRequestError
from services.metrics import tokens
from services.metrics.embeddings import TextEncoder, TokenEmbeddings
from services.metrics.entities import (
    EntityList,
    candidate_entity_violations,
    entity_violations,
    list_entities,
)
from services.metrics.lists import list_of_strings
from services.metrics.matching import fold_case, normalise_typography
from services.metrics.occurrences import EntityOccurrences, SearchableText
from services.metrics.options import (
    BoundaryRule,
    CaseRule,
    GeneratedEntitiesRule,
    ScoringOptions,
    TokenizerRule,
    rule_of,
)
from services.metrics.splitting import split_tokens

DerivedT = TypeVar("DerivedT")

_OccurrencesKey = tuple[tuple[str, ...], CaseRule, BoundaryRule]


class TextAnalysis:
    """Tokens, sentences and searchable forms of one text, each worked out when first asked for.

    Keep it to score several candidates against the same reference.

    Args:
        text: The text as it is; may be empty.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self._searchable: dict[CaseRule, SearchableText] = {}
        self._split: dict[TokenizerRule, tuple[str, ...]] = {}
        self._occurrences: tuple[_OccurrencesKey, EntityOccurrences] | None = None
        self._derived: dict[object, object] = {}

    def derived(self, derive: Callable[["TextAnalysis"], DerivedT]) -> DerivedT:
        """Returns what a function makes of this text; calls it the first time only."""
        if derive not in self._derived:
            self._derived[derive] = derive(self)
        return cast("DerivedT", self._derived[derive])

    @property
    def tokens(self) -> tuple[str, ...]:
        """The words and punctuation marks, as ``nltk.word_tokenize`` splits the text."""
        return self.split(TokenizerRule.NLTK)

    def split(self, rule: TokenizerRule) -> tuple[str, ...]:
        """The tokens under a rule.

        Raises:
            InvalidRequestError: There is no such rule.
        """
        if rule not in self._split:
            rule = rule_of(TokenizerRule, "tokenizer", rule)
            nltk = rule is TokenizerRule.NLTK
            self._split[rule] = tuple(
                _words(self.text, self._spans) if nltk else split_tokens(self.text, rule)
            )
        return self._split[rule]

    def split_normalised(self, rule: TokenizerRule, case: CaseRule) -> Sequence[str]:
        """The tokens under a rule as they are compared: of the normalised text, and folded."""
        found: Sequence[str]
        if self._typographic == self.text:
            found = self.split(rule)
        elif rule is TokenizerRule.NLTK:
            found = _words(self._typographic, self._typographic_spans)
        else:
            found = split_tokens(self._typographic, rule)
        return found if case is CaseRule.SENSITIVE else [fold_case(t, case) for t in found]

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

    def occurrences(self, entities: EntityList, options: ScoringOptions) -> EntityOccurrences:
        """Where entities occur. Kept until others are asked for: a reference keeps its own."""
        key = (entities.forms, options.case, options.boundary)
        kept = self._occurrences  # read once, as another thread may ask for other entities
        if kept is not None and kept[0] == key:
            return kept[1]
        searchable = self.searchable(options.case)
        found = EntityOccurrences(searchable, entities.forms, options.boundary)
        self._occurrences = (key, found)
        return found

    def count_occurrences(self, entities: EntityList, options: ScoringOptions) -> list[int]:
        """How often entities occur that nothing else is asked about."""
        searchable = self.searchable(options.case)
        return [len(searchable.occurrences(form, options.boundary)) for form in entities.forms]


def _words(text: str, spans: list[tuple[int, int]]) -> list[str]:
    return [word for start, end in spans for word in tokens.words(text[start:end])]


class EntityInput:
    """A candidate and the entities to be looked for in it.

    Args:
        candidate: The explanation to be scored; may be empty.
        entities: The reference's entities. Those that differ only in what matching ignores (see
            :mod:`services.metrics.matching`) count once.
        options: The choices that the benchmark leaves open.
        candidate_entities: The candidate's own entities, as some recogniser found them; they count
            once likewise. Wanted if the options say that they are given, and refused otherwise. An
            empty list says that none was found.

    Raises:
        InvalidRequestError: An entity is blank or given twice, or the candidate's entities are
            missing or unasked for.
    """

    def __init__(
        self,
        candidate: str | TextAnalysis,
        entities: Iterable[str],
        options: ScoringOptions,
        candidate_entities: Iterable[str] | None,
    ) -> None:
        entities = list_of_strings("entities", entities)
        if candidate_entities is not None:
            candidate_entities = list_of_strings("candidate_entities", candidate_entities)
        self.candidate = analysed(candidate)
        self.options = options
        self.entity_list = list_entities(entities, options.case)
        self.given_list: EntityList | None = None
        """The candidate's own entities; None where they are not given."""
        valid = self.entity_list.is_valid
        if options.generated_entities is GeneratedEntitiesRule.REFERENCE_FOUND:
            valid = valid and not candidate_entities
        elif candidate_entities is None:
            valid = False
        else:
            self.given_list = list_entities(candidate_entities, options.case)
            valid = valid and self.given_list.is_valid
        if not valid:
            _refuse(
                entity_violations("entities", entities)
                + candidate_entity_violations(candidate_entities, options)
            )

    @property
    def entities(self) -> tuple[str, ...]:
        """The entities in the form that is looked for."""
        return self.entity_list.forms

    @cached_property
    def in_candidate(self) -> EntityOccurrences:
        """The entities' occurrences in the candidate."""
        return self.candidate.occurrences(self.entity_list, self.options)

    @cached_property
    def mentioned(self) -> list[bool]:
        """For each entity whether it is among those that count on the candidate's side."""
        if self.given_list is None:
            return [count > 0 for count in self.in_candidate.counts]
        given = set(self.given_list.forms)
        return [form in given for form in self.entities]


class ScoringInput(EntityInput):
    """One explanation to be scored, with everything that several metrics share.

    Args:
        candidate: The explanation to be scored; may be empty.
        reference: The reference explanation.
        entities: The reference's entities. Those that differ only in what matching ignores (see
            :mod:`services.metrics.matching`) count once.
        options: The choices that the benchmark leaves open. Which encoder they name does not
            matter.
        encoder: Embeds the texts for BERTScore; without one it is unavailable.
        candidate_entities: The candidate's own entities, as some recogniser found them; they count
            once likewise. Wanted if the options say that they are given, and refused otherwise. An
            empty list says that none was found.

    Raises:
        InvalidRequestError: The reference is blank, an entity is blank or given twice, or the
            candidate's entities are missing or unasked for.
    """

    def __init__(
        self,
        candidate: str | TextAnalysis,
        reference: str | TextAnalysis,
        entities: Iterable[str] = (),
        options: ScoringOptions | None = None,
        encoder: TextEncoder | None = None,
        *,
        candidate_entities: Iterable[str] | None = None,
    ) -> None:
        options = _naming(encoder, options or _DEFAULT_OPTIONS)
        self.reference = analysed(reference)
        if not self.reference.text.strip():
            _refuse(input_violations(self.reference.text, entities, options, candidate_entities))
        super().__init__(candidate, entities, options, candidate_entities)
        self.encoder = encoder
        self.embeddings: tuple[TokenEmbeddings, TokenEmbeddings] | None = None
        """Those of candidate and reference, once :func:`services.metrics.prime` has made them."""

    @cached_property
    def token_counts(self) -> tuple[int, int]:
        """How many tokens candidate and reference have."""
        rule = self.options.tokenizer
        return len(self.candidate.split(rule)), len(self.reference.split(rule))

    @cached_property
    def in_reference(self) -> EntityOccurrences:
        """The entities' occurrences in the reference."""
        return self.reference.occurrences(self.entity_list, self.options)


_DEFAULT_OPTIONS = ScoringOptions()


def _naming(encoder: TextEncoder | None, options: ScoringOptions) -> ScoringOptions:
    name = encoder.signature if encoder is not None else ""
    return options if options.encoder == name else replace(options, encoder=name)


def analysed(text: str | TextAnalysis) -> TextAnalysis:
    """Makes an analysis of a text that is none yet."""
    return text if isinstance(text, TextAnalysis) else TextAnalysis(text)


def _refuse(violations: Sequence[FieldViolation]) -> NoReturn:
    first = violations[0]
    raise InvalidRequestError(f"{first.field} {first.description}", violations=tuple(violations))


def input_violations(
    reference: str,
    entities: Iterable[str],
    options: ScoringOptions | None = None,
    candidate_entities: Iterable[str] | None = None,
) -> list[FieldViolation]:
    """Says what :class:`ScoringInput` would refuse.

    Args:
        reference: The reference explanation; must not be blank.
        entities: Its entities; each must be given once, and hold something visible.
        options: The choices that the benchmark leaves open; these say whether the candidate's
            entities are given.
        candidate_entities: The candidate's own entities, if so, of which the same holds.

    Returns:
        One violation for each thing that is wrong.

    Raises:
        InvalidRequestError: Entities are one string instead of a list.
    """
    blank = [] if reference.strip() else [FieldViolation("reference", "must not be blank")]
    entities = list_of_strings("entities", entities)
    if candidate_entities is not None:
        candidate_entities = list_of_strings("candidate_entities", candidate_entities)
    return [
        *blank,
        *entity_violations("entities", entities),
        *candidate_entity_violations(candidate_entities, options or _DEFAULT_OPTIONS),
    ]
