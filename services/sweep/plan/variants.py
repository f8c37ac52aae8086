"""The ways in which a sweep asks each question: prompt by sampling by control by replicate."""

import hashlib
from dataclasses import dataclass
from itertools import product

from services.sweep.spec.controls import Control
from services.sweep.spec.prompts import Prompt
from services.sweep.spec.sections import SamplingSpec
from services.sweep.spec.spec import SweepSpec

# Short enough for an engine whose seeds have 32 bits and a sign.
_SEED_BITS = 31


@dataclass(frozen=True, slots=True)
class NamedSampling:
    """A way of choosing tokens.

    Attributes:
        name: How tables name it; no part of a result's key.
        parameters: The parameters, as the spec has them.
    """

    name: str
    parameters: SamplingSpec


@dataclass(frozen=True, slots=True)
class Variant:
    """One way of asking a question.

    Attributes:
        prompt: The words around the record's instruction.
        sampling: How tokens are chosen.
        control: Which picture is shown.
        replicate: Number of the repetition, from 0.
        seed: What the seeds of sampling are derived from.
    """

    prompt: Prompt
    sampling: NamedSampling
    control: Control = Control.NONE
    replicate: int = 0
    seed: int = 0

    @property
    def derives_seeds(self) -> bool:
        """Whether every question has a seed of its own."""
        parameters = self.sampling.parameters
        return not parameters.is_greedy and (self.replicate > 0 or parameters.seed is None)

    def seed_for(self, question: str) -> int | None:
        """The seed that is sent with a question, if any.

        Args:
            question: The question's name in its dataset.
        """
        given = self.sampling.parameters.seed
        if not self.derives_seeds:
            return given
        base = self.seed if given is None else given
        text = f"sampling/{base}/{self.replicate}/{question}"
        drawn = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])
        return drawn >> (64 - _SEED_BITS)

    def sampling_for(self, question: str) -> SamplingSpec:
        """The parameters that are sent with a question.

        Args:
            question: The question's name in its dataset.
        """
        parameters = self.sampling.parameters
        if not self.derives_seeds:
            return parameters
        return parameters.model_copy(update={"seed": self.seed_for(question)})


def variants_of(spec: SweepSpec) -> tuple[Variant, ...]:
    """Every way in which a spec asks each question, in the order of the spec."""
    samplings = [NamedSampling(*item) for item in spec.named_samplings.items()]
    ways = product(spec.named_prompts, samplings, spec.controls, range(spec.replicates))
    return tuple(Variant(*way, seed=spec.seed) for way in ways)
