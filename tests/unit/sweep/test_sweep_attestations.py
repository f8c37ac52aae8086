"""What is noted of a model when many answers attest the same."""

import json
from dataclasses import replace

from services.sweep.results.manifest import Attestation
from services.sweep.run.attestations import Attestations
from tests.unit.sweep.finished_sweep import GENERATION


def test_answers_that_differ_in_their_seeds_alone_attest_one_thing() -> None:
    noted: list[tuple[str, Attestation]] = []
    attestations = Attestations(lambda label, attestation: noted.append((label, attestation)))
    for seed in range(1000):
        sampling = json.dumps({"temperature": 0.7, "seed": str(seed)})
        attestations.note("alpha", replace(GENERATION, sampling=sampling))
    attestations.note("beta", replace(GENERATION, sampling='{"seed": "1", "temperature": 0.7}'))
    attestations.note("alpha", replace(GENERATION, sampling='{"temperature": 0.8}'))
    assert [(label, attested.sampling) for label, attested in noted] == [
        ("alpha", {"temperature": 0.7}),
        ("beta", {"temperature": 0.7}),
        ("alpha", {"temperature": 0.8}),
    ]
