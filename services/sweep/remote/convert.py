"""Between the driver's values and the contract's messages."""

from __future__ import annotations  # protobuf's durations have no run-time type worth importing

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from google.protobuf.json_format import MessageToJson

from expart.common.v1 import content_pb2
from expart.generation.v1 import generation_service_pb2 as generation_pb2
from expart.scoring.v1 import scoring_service_pb2 as scoring_pb2
from services.core.errors import (
    ErrorReason,
    InternalError,
    ServiceError,
    service_error_classes,
)
from services.metrics.options import ScoringOptions
from services.sweep.remote.messages import (
    Explanation,
    ExplanationRequest,
    MetricScore,
    ScoringAnswer,
    ScoringRequest,
)
from services.sweep.results.rows import FinishReason
from services.sweep.spec.spec import SamplingSpec

if TYPE_CHECKING:
    from google.protobuf.duration_pb2 import Duration

# A sweep has a handful of samplings; where replicates have seeds of their own, nothing is gained.
_KEPT_SAMPLINGS = 256


def explanation_message(
    request: ExplanationRequest, image: content_pb2.Image | None
) -> generation_pb2.StreamExplanationRequest:
    """Writes a question.

    Args:
        request: The question.
        image: How its picture is given.
    """
    return generation_pb2.StreamExplanationRequest(
        request_id=request.request_id,
        model=request.model,
        adapter=request.adapter,
        image=image,
        instruction=request.instruction,
        system_text=request.system_text,
        sampling=_sampling_message(request.sampling),
        lane=generation_pb2.LANE_SWEEP,
    )


def explanation(text: str, completion: generation_pb2.Completion) -> Explanation:
    """Reads a whole answer."""
    cut_off = completion.finish_reason == generation_pb2.FINISH_REASON_LENGTH
    usage, timings, ran = completion.usage, completion.timings, completion.provenance
    return Explanation(
        text=text,
        finish_reason=FinishReason.LENGTH if cut_off else FinishReason.STOP,
        truncated=completion.truncated,
        prompt_token_count=usage.prompt_token_count,
        image_token_count=usage.image_token_count,
        generated_token_count=usage.generated_token_count,
        admission_s=_seconds(timings.admission_duration),
        queue_s=_seconds(timings.queue_duration),
        prefill_s=_seconds(timings.prefill_duration),
        decode_s=_seconds(timings.decode_duration),
        first_token_s=_seconds(timings.first_token_duration),
        total_s=_seconds(timings.total_duration),
        model=ran.model,
        revision=ran.revision,
        adapter=ran.adapter,
        engine=ran.engine,
        engine_version=ran.engine_version,
        dtype=ran.dtype,
        quantization=ran.quantization,
        sampling=_sampling_text(ran.sampling.SerializeToString(deterministic=True)),
        image_digest=ran.image_digest,
        chat_template_digest=ran.chat_template_digest,
        gpu_count=ran.gpu_count,
        configuration_digest=ran.configuration_digest,
        adapter_revision=ran.adapter_revision,
    )


def options_message(options: ScoringOptions) -> scoring_pb2.ScoringOptions | None:
    """Writes the choices that the benchmark leaves open; nothing where all are the defaults."""
    if options == ScoringOptions():
        return None
    return scoring_pb2.ScoringOptions(
        case_rule=scoring_pb2.CaseRule.Value(f"CASE_RULE_{options.case.name}"),
        boundary_rule=scoring_pb2.BoundaryRule.Value(f"BOUNDARY_RULE_{options.boundary.name}"),
        tokenizer_rule=scoring_pb2.TokenizerRule.Value(f"TOKENIZER_RULE_{options.tokenizer.name}"),
        partial_match_rule=scoring_pb2.PartialMatchRule.Value(
            f"PARTIAL_MATCH_RULE_{options.partial_match.name}"
        ),
        no_pairs_rule=scoring_pb2.NoPairsRule.Value(f"NO_PAIRS_RULE_{options.no_pairs.name}"),
    )


def scoring_message(
    request: ScoringRequest,
    metrics: Sequence[str],
    options: scoring_pb2.ScoringOptions | None = None,
) -> scoring_pb2.ScoreExplanationsRequest:
    """Writes an item to be scored by these metrics; by the default ones where there are none."""
    return scoring_pb2.ScoreExplanationsRequest(
        item_id=request.item_id,
        item=scoring_pb2.ScoringItem(
            candidate=request.candidate, reference=request.reference, entities=request.entities
        ),
        metrics=metrics,
        options=options,
    )


def scoring_answer(response: scoring_pb2.ScoreExplanationsResponse) -> ScoringAnswer:
    """Reads what came of an item."""
    if response.WhichOneof("result") == "scores":
        scores = tuple(_score(score) for score in response.scores.scores)
        return ScoringAnswer(response.item_id, scores, None)
    return ScoringAnswer(response.item_id, (), _item_error(response.error))


@lru_cache(maxsize=_KEPT_SAMPLINGS)
def _sampling_message(sampling: SamplingSpec) -> generation_pb2.SamplingParameters:
    # The spec's field names are the contract's; what was left out stays unset.
    return generation_pb2.SamplingParameters(**sampling.model_dump(exclude_none=True))


@lru_cache(maxsize=_KEPT_SAMPLINGS)
def _sampling_text(serialized: bytes) -> str:
    sampling = generation_pb2.SamplingParameters.FromString(serialized)
    return MessageToJson(sampling, preserving_proto_field_name=True, indent=None)


def _seconds(duration: Duration) -> float:
    return duration.seconds + duration.nanos / 1e9


def _score(score: scoring_pb2.Score) -> MetricScore:
    has_value = score.WhichOneof("outcome") == "value"
    return MetricScore(
        metric=score.metric,
        value=score.value if has_value else None,
        unscorable=None if has_value else _unscorable(score.unscorable),
        statistics=tuple(score.statistics),
        signature=score.signature,
    )


def _unscorable(reason: scoring_pb2.UnscorableReason.ValueType) -> str:
    return scoring_pb2.UnscorableReason.Name(reason).removeprefix("UNSCORABLE_REASON_")


def _item_error(error: content_pb2.ItemError) -> ServiceError:
    try:
        kind = service_error_classes()[ErrorReason(error.reason)]
    except ValueError:
        # A newer service may know reasons that this driver does not.
        return InternalError(f"{error.reason}: {error.message}")
    return kind(error.message, **dict(error.metadata))
