"""A list of entities, brought once to the forms in which it is compared."""

from collections.abc import Sequence
from functools import lru_cache

from services.core.errors import FieldViolation
from services.metrics.matching import fold_case, normalise_entity
from services.metrics.options import CaseRule, GeneratedEntitiesRule, ScoringOptions, TokenizerRule
from services.metrics.splitting import split_tokens

# The entities of a reference come again with every explanation of every model, and some entities
# with many references.
_CACHED_LISTS = 256
_CACHED_LIST_MAX_CHARS = 2_000
_CACHED_ENTITIES = 4096
_CACHED_ENTITY_MAX_CHARS = 64


class EntityList:
    """Entities in the forms in which they are looked for.

    Args:
        entities: As they were given. Those that matching cannot tell apart count once.
        case: Whether case matters.

    Attributes:
        forms: In the form that is looked for, in order.
        is_valid: Whether none is blank, and none is given twice.
    """

    __slots__ = ("_case", "_cased", "_tokens", "forms", "is_valid")

    def __init__(self, entities: Sequence[str], case: CaseRule) -> None:
        by_form: dict[str, str] = {}
        for entity in map(normalise_entity, entities):
            by_form.setdefault(fold_case(entity, case), entity)
        self.forms = tuple(by_form)
        self.is_valid = "" not in by_form and len(set(entities)) == len(entities)
        self._cased = tuple(by_form.values())
        self._case = case
        self._tokens: dict[TokenizerRule, list[tuple[str, ...]]] = {}

    def tokens(self, rule: TokenizerRule) -> list[tuple[str, ...]]:
        """The tokens of each entity: split before case is folded, since tokenisers look at it."""
        if rule not in self._tokens:
            self._tokens[rule] = [_split(entity, rule, self._case) for entity in self._cased]
        return self._tokens[rule]


def list_entities(entities: Sequence[str], case: CaseRule) -> EntityList:
    """Makes an entity list, or finds the one that was made of the same entities before."""
    entities = tuple(entities)
    small = sum(map(len, entities)) <= _CACHED_LIST_MAX_CHARS
    return _list_cached(entities, case) if small else EntityList(entities, case)


_list_cached = lru_cache(maxsize=_CACHED_LISTS)(EntityList)


def _split(entity: str, rule: TokenizerRule, case: CaseRule) -> tuple[str, ...]:
    short = len(entity) <= _CACHED_ENTITY_MAX_CHARS
    return (_split_cached if short else _split_uncached)(entity, rule, case)


def _split_uncached(entity: str, rule: TokenizerRule, case: CaseRule) -> tuple[str, ...]:
    return tuple(fold_case(token, case) for token in split_tokens(entity, rule))


_split_cached = lru_cache(maxsize=_CACHED_ENTITIES)(_split_uncached)


def entity_violations(field: str, entities: Sequence[str]) -> list[FieldViolation]:
    """Says which entities of a list are blank, and which are given twice."""
    violations = []
    first_index: dict[str, int] = {}
    for index, entity in enumerate(entities):
        earlier = first_index.setdefault(entity, index)
        if not normalise_entity(entity):
            violations.append(FieldViolation(f"{field}[{index}]", "must not be blank"))
        elif earlier != index:
            description = f"must differ from {field}[{earlier}]"
            violations.append(FieldViolation(f"{field}[{index}]", description))
    return violations


def candidate_entity_violations(
    candidate_entities: Sequence[str] | None, options: ScoringOptions
) -> list[FieldViolation]:
    """Says what is wrong with a candidate's own entities, or that they are missing or unasked."""
    field = "candidate_entities"
    if options.generated_entities is GeneratedEntitiesRule.GIVEN:
        if candidate_entities is None:
            description = "must be given, if only as an empty list, since the options say so"
            return [FieldViolation(field, description)]
        return entity_violations(field, candidate_entities)
    if candidate_entities:
        description = "must be left out unless the options say that they are given"
        return [FieldViolation(field, description)]
    return []
