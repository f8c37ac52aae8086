"""Every span and every attribute of a trace, declared once.

Where OpenTelemetry's semantic conventions have a name (for RPC, for generative AI, for errors), it
is that name; the others begin with ``expart.``. No attribute ever holds an instruction, an answer,
a reference, a picture or a token.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar

AttributeValue = str | bool | int | float | Sequence[str]
Attributes = Mapping[str, AttributeValue]


class Kind(Enum):
    """A span's place between programs."""

    INTERNAL = "internal"
    CLIENT = "client"
    SERVER = "server"


@dataclass(frozen=True, slots=True)
class SpanType:
    """A kind of span.

    Attributes:
        name: Its name; a span may add what it is about, such as a model.
        kind: Its place between programs.
        meaning: From when to when it lasts.
        program: Which program records it.
        attributes: What it may have besides what says how it ended.
    """

    name: str
    kind: Kind
    meaning: str
    program: str
    attributes: tuple[str, ...]


class Attribute:
    """The names of attributes."""

    # Source: semantic conventions for RPC (gRPC) and for errors.
    RPC_SYSTEM = "rpc.system.name"
    RPC_METHOD = "rpc.method"
    RPC_METHOD_ORIGINAL = "rpc.method_original"
    RPC_STATUS = "rpc.response.status_code"
    ERROR_TYPE = "error.type"
    # Source: semantic conventions for generative AI.
    OPERATION = "gen_ai.operation.name"
    PROVIDER = "gen_ai.provider.name"
    MODEL = "gen_ai.request.model"
    MAX_TOKENS = "gen_ai.request.max_tokens"
    TEMPERATURE = "gen_ai.request.temperature"
    TOP_P = "gen_ai.request.top_p"
    TOP_K = "gen_ai.request.top_k"
    SEED = "gen_ai.request.seed"
    FREQUENCY_PENALTY = "gen_ai.request.frequency_penalty"
    PRESENCE_PENALTY = "gen_ai.request.presence_penalty"
    FINISH_REASONS = "gen_ai.response.finish_reasons"
    FIRST_TOKEN_S = "gen_ai.response.time_to_first_chunk"  # noqa: S105 - a duration
    INPUT_TOKENS = "gen_ai.usage.input_tokens"
    OUTPUT_TOKENS = "gen_ai.usage.output_tokens"
    # Ours.
    REQUEST_ID = "expart.request_id"
    SWEEP = "expart.sweep"
    QUESTION = "expart.question"
    ADAPTER = "expart.adapter"
    LANE = "expart.lane"
    ATTEMPTS = "expart.attempts"
    CANCELLED = "expart.cancelled"
    QUEUE_S = "expart.engine.queue_s"
    PREFILL_S = "expart.engine.prefill_s"
    DECODE_S = "expart.engine.decode_s"


class Span:
    """The types of spans."""

    QUESTION: ClassVar = SpanType(
        "question",
        Kind.INTERNAL,
        "From when a question is taken up to its answer or its failure, waits and retries included",
        "sweep driver",
        (
            Attribute.REQUEST_ID,
            Attribute.SWEEP,
            Attribute.QUESTION,
            Attribute.MODEL,
            Attribute.ADAPTER,
            Attribute.ATTEMPTS,
        ),
    )
    SCORE: ClassVar = SpanType(
        "score",
        Kind.INTERNAL,
        "From when an explanation is sent to be scored until its scores are back; a link leads to "
        "the call whose stream carries it",
        "sweep driver",
        (Attribute.REQUEST_ID,),
    )
    CALL: ClassVar = SpanType(
        "",
        Kind.CLIENT,
        "A call of a service: one attempt at a question, a picture's upload, a stream of "
        "explanations to be scored",
        "sweep driver",
        (Attribute.RPC_SYSTEM, Attribute.RPC_METHOD, Attribute.RPC_STATUS),
    )
    SERVED_CALL: ClassVar = SpanType(
        "",
        Kind.SERVER,
        "From a call's arrival to its end; health checks have none",
        "front, scoring service",
        (
            Attribute.RPC_SYSTEM,
            Attribute.RPC_METHOD,
            Attribute.RPC_METHOD_ORIGINAL,
            Attribute.RPC_STATUS,
            Attribute.REQUEST_ID,
            Attribute.MODEL,
            Attribute.SWEEP,
        ),
    )
    ADMISSION: ClassVar = SpanType(
        "admission",
        Kind.INTERNAL,
        "The wait for a place at a model's replicas, where there is one",
        "front",
        (Attribute.MODEL, Attribute.LANE),
    )
    REPLICA_CALL: ClassVar = SpanType(
        "replica call",
        Kind.CLIENT,
        "From when a request is handed to Ray Serve to the last that comes of it",
        "front",
        (Attribute.MODEL, Attribute.REQUEST_ID),
    )
    GENERATION: ClassVar = SpanType(
        "generate_content",
        Kind.SERVER,
        "The generation in a replica. Its name ends with the model's",
        "replica",
        (
            Attribute.OPERATION,
            Attribute.PROVIDER,
            Attribute.MODEL,
            Attribute.REQUEST_ID,
            Attribute.SWEEP,
            Attribute.ADAPTER,
            Attribute.LANE,
            Attribute.MAX_TOKENS,
            Attribute.TEMPERATURE,
            Attribute.TOP_P,
            Attribute.TOP_K,
            Attribute.SEED,
            Attribute.FREQUENCY_PENALTY,
            Attribute.PRESENCE_PENALTY,
            Attribute.FINISH_REASONS,
            Attribute.FIRST_TOKEN_S,
            Attribute.INPUT_TOKENS,
            Attribute.OUTPUT_TOKENS,
            Attribute.QUEUE_S,
            Attribute.PREFILL_S,
            Attribute.DECODE_S,
        ),
    )


def all_spans() -> tuple[SpanType, ...]:
    """Every type of span, in the order of the declarations."""
    return tuple(value for value in vars(Span).values() if isinstance(value, SpanType))
