"""Documents a spec's keys: ``python -m services.sweep.spec.document`` writes to deploy/sweeps."""

from pathlib import Path

from services.core.key_document import KeyDocument
from services.sweep.spec.spec import SweepSpec

_FOLDER = Path(__file__).parents[3] / "deploy" / "sweeps"

# How a section's heading calls it: by the key that holds it.
_TITLES = {
    "DatasetSpec": "dataset",
    "ModelChoice": "one of models",
    "PromptSpec": "one of prompts",
    "SamplingSpec": "sampling",
    "FiltersSpec": "filters",
    "LimitsSpec": "limits",
    "PricesSpec": "prices",
    "ScoringSection": "scoring_options",
    "PriceSpec": "one of prices.models",
}


def spec_document() -> KeyDocument:
    """What documents a spec."""
    schema = SweepSpec.model_json_schema()
    # A model's name alone is short for a mapping with nothing else.
    models = schema["properties"]["models"]
    models["items"] = {"anyOf": [{"type": "string", "minLength": 1}, models["items"]]}
    return KeyDocument(
        schema,
        "The spec",
        _TITLES.__getitem__,
        "services/sweep/spec/document.py",
        "sweep.schema.json",
    )


if __name__ == "__main__":
    spec_document().write(_FOLDER)
