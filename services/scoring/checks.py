"""Every check on the sizes and texts of what callers send."""

from collections.abc import Sequence
from dataclasses import dataclass

from expart.scoring.v1 import scoring_service_pb2 as pb
from services.core.errors import FieldViolation, InvalidRequestError
from services.metrics import METRICS, ScoringOptions, input_violations

MAX_ITEM_ID_BYTES = 256

# gRPC drops a status whose details outgrow the metadata limit.
_MAX_REPORTED_VIOLATIONS = 10

# Longest UTF-8 form of a character, and what a field costs on the wire besides its text.
_CHARACTER_BYTES = 4
_FIELD_BYTES = 8

# Requests over a limit of ours, but not beyond all measure, are told which limit.
_MIN_REQUEST_BYTES = 16 * 2**20


@dataclass(frozen=True, slots=True)
class ItemLimits:
    """How large an item may be.

    Attributes:
        max_text_chars: Longest candidate and longest reference, in characters.
        max_entities: Most entities, of the reference and of the candidate.
        max_entity_chars: Longest entity, in characters.
    """

    max_text_chars: int
    max_entities: int
    max_entity_chars: int

    @property
    def max_request_bytes(self) -> int:
        """The size of the largest request that is read; above it gRPC itself refuses."""
        texts = 2 * (_CHARACTER_BYTES * self.max_text_chars + _FIELD_BYTES)
        entity = _CHARACTER_BYTES * self.max_entity_chars + _FIELD_BYTES
        return max(_MIN_REQUEST_BYTES, 2 * (texts + 2 * self.max_entities * entity))


def check_item(
    item: pb.ScoringItem, metrics: Sequence[str], options: ScoringOptions, limits: ItemLimits
) -> None:
    """Checks what is to be scored.

    Raises:
        InvalidRequestError: A field is missing, malformed or over a limit.
    """
    # Sizes first: the other checks read all of the text.
    violations = _size_violations(item, limits)
    if not violations:
        violations = _text_violations(item, options)
    violations += _metric_violations(metrics)
    if violations:
        raise invalid(violations)


def check_item_id(item_id: str) -> None:
    """Checks the id of an item of a stream.

    Raises:
        InvalidRequestError: It is empty or too long.
    """
    size = len(item_id.encode())
    if not 1 <= size <= MAX_ITEM_ID_BYTES:
        description = f"must have 1 to {MAX_ITEM_ID_BYTES} bytes, has {size}"
        raise invalid([FieldViolation("item_id", description)])


def cut_item_id(item_id: str) -> str:
    """The id, or as many of its first characters as the limit has room for."""
    # No character takes less than a byte: the rest need not be encoded to be thrown away.
    return item_id[:MAX_ITEM_ID_BYTES].encode()[:MAX_ITEM_ID_BYTES].decode(errors="ignore")


def repeated_item_id() -> InvalidRequestError:
    """What an item answers with whose id is that of an item in flight."""
    return invalid([FieldViolation("item_id", "must differ from those of items in flight")])


def invalid(violations: Sequence[FieldViolation]) -> InvalidRequestError:
    """The error that says what is wrong with a request."""
    first = violations[0]
    more = f" (and {len(violations) - 1} more)" if len(violations) > 1 else ""
    return InvalidRequestError(
        f"{first.field} {first.description}{more}",
        violations=tuple(violations[:_MAX_REPORTED_VIOLATIONS]),
        field=first.field,
    )


def _size_violations(item: pb.ScoringItem, limits: ItemLimits) -> list[FieldViolation]:
    violations = []
    for field, text in (("candidate", item.candidate), ("reference", item.reference)):
        if len(text) > limits.max_text_chars:
            description = f"must have at most {limits.max_text_chars} characters, has {len(text)}"
            violations.append(FieldViolation(f"item.{field}", description))
    for field, entities in (
        ("entities", item.entities),
        ("candidate_entities", item.candidate_entities),
    ):
        violations += _entity_size_violations(f"item.{field}", entities, limits)
    return violations


def _entity_size_violations(
    field: str, entities: Sequence[str], limits: ItemLimits
) -> list[FieldViolation]:
    if len(entities) > limits.max_entities:
        description = f"must have at most {limits.max_entities} entries, has {len(entities)}"
        return [FieldViolation(field, description)]
    most = limits.max_entity_chars
    return [
        FieldViolation(f"{field}[{index}]", f"must have at most {most} characters, has {len(name)}")
        for index, name in enumerate(entities)
        if len(name) > most
    ]


def _text_violations(item: pb.ScoringItem, options: ScoringOptions) -> list[FieldViolation]:
    return [
        FieldViolation(f"item.{violation.field}", violation.description)
        for violation in input_violations(
            item.reference, item.entities, options, item.candidate_entities
        )
    ]


def _metric_violations(names: Sequence[str]) -> list[FieldViolation]:
    if len(names) > len(METRICS):
        description = f"must have at most {len(METRICS)} entries, has {len(names)}"
        return [FieldViolation("metrics", description)]
    return [
        FieldViolation(f"metrics[{index}]", "must not repeat an earlier name")
        for index, name in enumerate(names)
        if name in names[:index]
    ]
