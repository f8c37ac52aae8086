"""Documents the catalog's keys: ``python -m services.generation.catalog_document`` does so.

It writes to deploy/models.
"""

import re
from pathlib import Path

from services.core.key_document import KeyDocument
from services.generation.catalog import ModelSpec

_FOLDER = Path(__file__).parents[2] / "deploy" / "models"


def catalog_document() -> KeyDocument:
    """What documents an entry of the catalog."""
    return KeyDocument(
        ModelSpec.model_json_schema(),
        "An entry",
        _title,
        "services/generation/catalog_document.py",
        "model.schema.json",
    )


def _title(name: str) -> str:
    """Names a block as people do: ``ScalingSpec`` is scaling."""
    if name == "OpenAISpec":
        return "openai"
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name.removesuffix("Spec")).lower()


if __name__ == "__main__":
    catalog_document().write(_FOLDER)
