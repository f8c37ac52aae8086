"""Names what a spec asks."""

import json

from services.core.digests import digest_of
from services.sweep.spec.spec import SweepSpec

# Keys of a spec that decide neither which questions there are nor how they are asked. Scores say by
# themselves how they were computed, and the dataset has a digest of its own.
_ASKS_NOTHING = {
    "name",
    "dataset",
    "shuffle",
    "concurrency",
    "min_concurrency",
    "max_parallel_models",
    "deadline_s",
    "set_aside_after",
    "prices",
    "metrics",
    "scoring_options",
    "output",
}


def spec_digest(spec: SweepSpec) -> str:
    """Names what a spec asks; how fast, where to and at what price is no part of it."""
    asked = spec.model_dump(mode="json", exclude=_ASKS_NOTHING)
    return digest_of(json.dumps(asked, sort_keys=True).encode())
