"""Gathers from the answers what the generation service attests of each model."""

import json
from collections.abc import Callable

from pydantic import JsonValue

from services.sweep.results.manifest import Attestation
from services.sweep.results.rows import GenerationRow

# Where each question has a seed of its own, the sampling without it is what they share.
_OWN = "seed"


class Attestations:
    """Passes on what is attested of a model for the first time.

    Args:
        attest: Takes a model's label and what is attested of it.
    """

    def __init__(self, attest: Callable[[str, Attestation], None]) -> None:
        self._attest = attest
        self._known: set[tuple[str, ...]] = set()

    def note(self, label: str, row: GenerationRow) -> None:
        """Takes an answer; nearly every one attests what others did before."""
        sampling = _shared_sampling(row.sampling)
        ran = (
            label,
            row.revision,
            row.engine,
            row.engine_version,
            row.dtype,
            row.quantization,
            json.dumps(sampling, sort_keys=True),
        )
        if ran in self._known:
            return
        self._known.add(ran)
        self._attest(
            label,
            Attestation(
                revision=row.revision,
                engine=row.engine,
                engine_version=row.engine_version,
                dtype=row.dtype,
                quantization=row.quantization,
                sampling=sampling,
            ),
        )


def _shared_sampling(attested: str) -> dict[str, JsonValue]:
    return {name: value for name, value in json.loads(attested).items() if name != _OWN}
