"""What a catalog entry's engine_arguments mean to the transformers engine."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec

from services.core.errors import ModelFailedError
from services.generation.catalog import ModelSpec

_MAX_BATCH_SIZE = 8
# What comes together arrives within milliseconds; a batch of one would hold the others up.
_BATCH_WAIT_S = 0.01


@dataclass(frozen=True, slots=True)
class TransformersArguments:
    """The engine_arguments of a catalog entry.

    Attributes:
        max_batch_size: Most requests that are generated together.
        batch_wait_s: How long an idle engine waits for more requests after the first.
        processor: What the processor is made with, by its own names.
        model: Everything else: what the model is loaded with, by transformers' names.
    """

    max_batch_size: int = _MAX_BATCH_SIZE
    batch_wait_s: float = _BATCH_WAIT_S
    processor: Mapping[str, object] = field(default_factory=dict)
    model: Mapping[str, object] = field(default_factory=dict)


def transformers_arguments(spec: ModelSpec) -> TransformersArguments:
    """Reads the engine_arguments of a catalog entry.

    Raises:
        ModelFailedError: One of ours has a value it cannot have, or the entry asks for what the
            engine cannot do here; the message names it.
    """
    if spec.quantization is not None:
        raise ModelFailedError(
            "quantization: the transformers engine takes weights as they are; leave it out "
            "(weights that bring a quantization_config of their own are loaded with it)"
        )
    if spec.num_gpus > 1 and find_spec("accelerate") is None:
        raise ModelFailedError(
            f"num_gpus: transformers spreads a model over {spec.num_gpus:g} GPUs by the package "
            "accelerate, which is not installed: pip install accelerate"
        )
    given: dict[str, object] = dict(spec.engine_arguments)
    size = given.pop("max_batch_size", _MAX_BATCH_SIZE)
    wait = given.pop("batch_wait_s", _BATCH_WAIT_S)
    processor = given.pop("processor", {})
    if isinstance(size, bool) or not isinstance(size, int) or size < 1:
        raise ModelFailedError(f"engine_arguments.max_batch_size must be at least 1; got {size!r}")
    if isinstance(wait, bool) or not isinstance(wait, int | float) or wait < 0:
        raise ModelFailedError(f"engine_arguments.batch_wait_s must be at least 0; got {wait!r}")
    if not isinstance(processor, dict):
        raise ModelFailedError(
            f"engine_arguments.processor must be a mapping of names to values; got {processor!r}"
        )
    return TransformersArguments(size, float(wait), processor, given)
