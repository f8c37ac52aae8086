"""Protobuf to domain and back: requests become tasks, metrics and errors become messages."""

from enum import StrEnum
from functools import lru_cache
from typing import Protocol, TypeVar

from expart.common.v1 import content_pb2
from expart.scoring.v1 import scoring_service_pb2 as pb
from services.core.errors import FieldViolation, InternalError, ServiceError
from services.metrics import (
    BoundaryRule,
    CaseRule,
    GeneratedEntitiesRule,
    Metric,
    NoPairsRule,
    PartialMatchRule,
    ScoringOptions,
    TokenizerRule,
    find_metrics,
)
from services.metrics.bertscore import no_encoder
from services.rpc.status import status_code_of
from services.scoring.checks import ItemLimits, check_item, invalid
from services.scoring.task import ScoringTask

RuleT = TypeVar("RuleT", bound=StrEnum)


class _PbEnum(Protocol):
    def Value(self, name: str) -> int: ...  # noqa: N802 - protobuf's name


def _values_of(enum: _PbEnum, prefix: str, rules: type[RuleT], default: RuleT) -> dict[int, RuleT]:
    """Maps the contract's values of a choice, which are named as our own; unspecified is 0."""
    return {0: default, **{enum.Value(f"{prefix}_{rule.name}"): rule for rule in rules}}


_DEFAULTS = ScoringOptions()
_CASE = _values_of(pb.CaseRule, "CASE_RULE", CaseRule, _DEFAULTS.case)
_BOUNDARY = _values_of(pb.BoundaryRule, "BOUNDARY_RULE", BoundaryRule, _DEFAULTS.boundary)
_TOKENIZER = _values_of(pb.TokenizerRule, "TOKENIZER_RULE", TokenizerRule, _DEFAULTS.tokenizer)
_PARTIAL_MATCH = _values_of(
    pb.PartialMatchRule, "PARTIAL_MATCH_RULE", PartialMatchRule, _DEFAULTS.partial_match
)
_NO_PAIRS = _values_of(pb.NoPairsRule, "NO_PAIRS_RULE", NoPairsRule, _DEFAULTS.no_pairs)
_GENERATED_ENTITIES = _values_of(
    pb.GeneratedEntitiesRule,
    "GENERATED_ENTITIES_RULE",
    GeneratedEntitiesRule,
    _DEFAULTS.generated_entities,
)


def task_from_pb(
    request: pb.ScoreExplanationRequest | pb.ScoreExplanationsRequest,
    limits: ItemLimits,
    encoder: str,
) -> ScoringTask:
    """Reads what is to be scored.

    Args:
        request: The request.
        limits: How large an item may be.
        encoder: Signature of the service's encoder; empty where it has none.

    Raises:
        InvalidRequestError: A field is missing, malformed or over a limit.
        MetricNotFoundError: No metric has one of the names.
        MetricUnavailableError: A metric needs an encoder, and the service has none.
    """
    if not request.HasField("item"):
        raise invalid([FieldViolation("item", "must be set")])
    item = request.item
    options = options_from_pb(request.options, encoder)
    check_item(item, request.metrics, options, limits)
    return ScoringTask(
        candidate=item.candidate,
        reference=item.reference,
        entities=tuple(item.entities),
        metrics=_metric_names(tuple(request.metrics), options),
        options=options,
        candidate_entities=tuple(item.candidate_entities),
    )


@lru_cache(maxsize=1024)
def _metric_names(wanted: tuple[str, ...], options: ScoringOptions) -> tuple[str, ...]:
    return tuple(metric.name for metric in find_metrics(wanted, options))


def options_from_pb(options: pb.ScoringOptions, encoder: str) -> ScoringOptions:
    """Reads the choices that the benchmark leaves open; unset ones are the defaults.

    Args:
        options: The choices.
        encoder: Signature of the service's encoder; empty where it has none.

    Raises:
        InvalidRequestError: A choice is none that this version knows.
    """
    chosen = (
        options.case_rule,
        options.boundary_rule,
        options.tokenizer_rule,
        options.partial_match_rule,
        options.no_pairs_rule,
        options.generated_entities_rule,
    )
    return _options(chosen, encoder)


@lru_cache(maxsize=1024)
def _options(chosen: tuple[int, int, int, int, int, int], encoder: str) -> ScoringOptions:
    case, boundary, tokenizer, partial_match, no_pairs, generated_entities = chosen
    fields = (
        ("case_rule", _CASE, case),
        ("boundary_rule", _BOUNDARY, boundary),
        ("tokenizer_rule", _TOKENIZER, tokenizer),
        ("partial_match_rule", _PARTIAL_MATCH, partial_match),
        ("no_pairs_rule", _NO_PAIRS, no_pairs),
        ("generated_entities_rule", _GENERATED_ENTITIES, generated_entities),
    )
    violations = [
        FieldViolation(f"options.{field}", f"has the unknown value {value}")
        for field, known, value in fields
        if value not in known
    ]
    if violations:
        raise invalid(violations)
    return ScoringOptions(
        case=_CASE[case],
        boundary=_BOUNDARY[boundary],
        tokenizer=_TOKENIZER[tokenizer],
        partial_match=_PARTIAL_MATCH[partial_match],
        no_pairs=_NO_PAIRS[no_pairs],
        generated_entities=_GENERATED_ENTITIES[generated_entities],
        encoder=encoder,
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
        unavailable_reason="" if metric.is_available(options) else no_encoder().message,
    )


def error_to_pb(error: BaseException) -> content_pb2.ItemError:
    """Writes one item's failure."""
    if not isinstance(error, ServiceError):
        error = InternalError("internal error; the service's log has the details")
    code: int = status_code_of(error).value[0]
    return content_pb2.ItemError(
        code=code, reason=error.reason.value, message=error.message, metadata=error.metadata
    )
