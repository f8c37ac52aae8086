"""Protobuf to domain and back, with every check on what callers send."""

from collections.abc import Sequence
from dataclasses import dataclass

from expart.common.v1 import content_pb2
from expart.scoring.v1 import scoring_service_pb2 as pb
from services.core.errors import (
    FieldViolation,
    InternalError,
    InvalidRequestError,
    ServiceError,
)
from services.metrics import (
    METRICS,
    BoundaryRule,
    CaseRule,
    Metric,
    Score,
    ScoringOptions,
    Unscorable,
    find_metrics,
    input_violations,
)
from services.rpc.status import status_code_of
from services.scoring.task import ScoringTask

MAX_ITEM_ID_BYTES = 256

# gRPC drops a status whose details outgrow the metadata limit.
_MAX_REPORTED_VIOLATIONS = 10

_CASE_RULES = {
    pb.CASE_RULE_UNSPECIFIED: CaseRule.SENSITIVE,
    pb.CASE_RULE_SENSITIVE: CaseRule.SENSITIVE,
    pb.CASE_RULE_INSENSITIVE: CaseRule.INSENSITIVE,
}
_BOUNDARY_RULES = {
    pb.BOUNDARY_RULE_UNSPECIFIED: BoundaryRule.WORD,
    pb.BOUNDARY_RULE_WORD: BoundaryRule.WORD,
    pb.BOUNDARY_RULE_SUBSTRING: BoundaryRule.SUBSTRING,
}


@dataclass(frozen=True, slots=True)
class ItemLimits:
    """How large an item may be.

    Attributes:
        max_text_chars: Longest candidate and longest reference, in characters.
        max_entities: Most entities.
        max_entity_chars: Longest entity, in characters.
    """

    max_text_chars: int
    max_entities: int
    max_entity_chars: int


def task_from_pb(
    request: pb.ScoreExplanationRequest | pb.ScoreExplanationsRequest, limits: ItemLimits
) -> ScoringTask:
    """Reads what is to be scored.

    Raises:
        InvalidRequestError: A field is missing, malformed or over a limit.
        MetricNotFoundError: No metric has one of the names.
    """
    if not request.HasField("item"):
        raise _invalid([FieldViolation("item", "must be set")])
    item = request.item
    # Sizes first: the other checks read all of the text.
    violations = _size_violations(item, limits)
    if not violations:
        violations = [
            FieldViolation(f"item.{violation.field}", violation.description)
            for violation in input_violations(item.reference, item.entities)
        ]
    violations += _metric_violations(request.metrics)
    if violations:
        raise _invalid(violations)
    return ScoringTask(
        candidate=item.candidate,
        reference=item.reference,
        entities=tuple(item.entities),
        metrics=tuple(metric.name for metric in find_metrics(request.metrics)),
        options=options_from_pb(request.options),
    )


def options_from_pb(options: pb.ScoringOptions) -> ScoringOptions:
    """Reads the choices that the benchmark leaves open; unset ones are the defaults.

    Raises:
        InvalidRequestError: A choice is none that this version knows.
    """
    case = _CASE_RULES.get(options.case_rule)
    boundary = _BOUNDARY_RULES.get(options.boundary_rule)
    if case is None or boundary is None:
        field, value = (
            ("case_rule", options.case_rule)
            if case is None
            else ("boundary_rule", options.boundary_rule)
        )
        raise _invalid([FieldViolation(f"options.{field}", f"has the unknown value {value}")])
    return ScoringOptions(case, boundary)


def scores_to_pb(scores: Sequence[Score]) -> list[pb.Score]:
    """Writes the scores of one item."""
    return [_score_to_pb(score) for score in scores]


def _score_to_pb(score: Score) -> pb.Score:
    if isinstance(score.outcome, Unscorable):
        return pb.Score(
            metric=score.metric,
            unscorable=pb.UnscorableReason.Value(f"UNSCORABLE_REASON_{score.outcome.reason}"),
            statistics=score.statistics,
            signature=score.signature,
        )
    return pb.Score(
        metric=score.metric,
        value=score.outcome,
        statistics=score.statistics,
        signature=score.signature,
    )


def metric_to_pb(metric: Metric, options: ScoringOptions) -> pb.Metric:
    """Writes a metric as ListMetrics gives it."""
    return pb.Metric(
        name=metric.name,
        description=metric.description,
        signature=metric.sign(options),
        min_value=metric.min_value,
        max_value=metric.max_value,
        statistic_names=metric.statistic_names,
        default=metric.is_default(options),
    )


def check_item_id(item_id: str) -> None:
    """Checks the id of an item of a stream.

    Raises:
        InvalidRequestError: It is empty or too long.
    """
    size = len(item_id.encode())
    if not 1 <= size <= MAX_ITEM_ID_BYTES:
        description = f"must have 1 to {MAX_ITEM_ID_BYTES} bytes, has {size}"
        raise _invalid([FieldViolation("item_id", description)])


def repeated_item_id() -> InvalidRequestError:
    """What an item answers with whose id is that of an item in flight."""
    return _invalid([FieldViolation("item_id", "must differ from those of items in flight")])


def error_to_pb(error: BaseException) -> content_pb2.ItemError:
    """Writes one item's failure."""
    if not isinstance(error, ServiceError):
        error = InternalError("internal error; the service's log has the details")
    code: int = status_code_of(error).value[0]
    return content_pb2.ItemError(
        code=code, reason=error.reason.value, message=error.message, metadata=error.metadata
    )


def _size_violations(item: pb.ScoringItem, limits: ItemLimits) -> list[FieldViolation]:
    violations = []
    for field, text in (("candidate", item.candidate), ("reference", item.reference)):
        if len(text) > limits.max_text_chars:
            description = f"must have at most {limits.max_text_chars} characters, has {len(text)}"
            violations.append(FieldViolation(f"item.{field}", description))
    if len(item.entities) > limits.max_entities:
        description = f"must have at most {limits.max_entities} entries, has {len(item.entities)}"
        violations.append(FieldViolation("item.entities", description))
        return violations
    for index, entity in enumerate(item.entities):
        if len(entity) > limits.max_entity_chars:
            description = (
                f"must have at most {limits.max_entity_chars} characters, has {len(entity)}"
            )
            violations.append(FieldViolation(f"item.entities[{index}]", description))
    return violations


def _metric_violations(names: Sequence[str]) -> list[FieldViolation]:
    if len(names) > len(METRICS):
        description = f"must have at most {len(METRICS)} entries, has {len(names)}"
        return [FieldViolation("metrics", description)]
    return [
        FieldViolation(f"metrics[{index}]", "must not repeat an earlier name")
        for index, name in enumerate(names)
        if name in names[:index]
    ]


def _invalid(violations: Sequence[FieldViolation]) -> InvalidRequestError:
    first = violations[0]
    more = f" (and {len(violations) - 1} more)" if len(violations) > 1 else ""
    return InvalidRequestError(
        f"{first.field} {first.description}{more}",
        violations=tuple(violations[:_MAX_REPORTED_VIOLATIONS]),
        field=first.field,
    )
