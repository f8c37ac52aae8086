"""Names of results: one content hash a question, so that a sweep knows what it has done."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

from services.sweep.spec import SamplingSpec

# Goes up whenever the ingredients or their encoding change: old results are then not reused.
KEY_VERSION = "q1"

# 160 bits: collisions are out of the question, and keys stay short in tables.
_DIGITS = 40

_Ingredient = str | int | float | list[str] | None | dict[str, "_Ingredient"]


@dataclass(frozen=True, slots=True)
class KeyIngredients:
    """Everything that makes a question another question when it changes.

    Attributes:
        question: The question's name in its dataset: split, id and setting.
        image_digest: ``sha256:…`` of the picture's bytes; what is missing has another marker.
        instruction: The words given to the model.
        system_text: System text, or empty.
        sampling: Sampling parameters as asked for.
        model: Name of the model.
        revision: Revision of its weights.
        adapter: Its adapter, or empty.
        replicate: Number of the repetition, from 0.
    """

    question: str
    image_digest: str
    instruction: str
    system_text: str
    sampling: SamplingSpec
    model: str
    revision: str
    adapter: str
    replicate: int = 0


def question_key(ingredients: KeyIngredients) -> str:
    """Names the result of asking this: ``q1-`` and 40 hexadecimal digits."""
    return f"{KEY_VERSION}-{_hash(_encode(ingredients))[:_DIGITS]}"


def reference_digest(reference: str, entities: tuple[str, ...]) -> str:
    """Names what an explanation is scored against, so that a mended reference is scored anew."""
    return _hash({"reference": reference, "entities": list(entities)})[:_DIGITS]


def signatures_digest(signatures: Mapping[str, str]) -> str:
    """Names a set of metrics with their signatures, whatever their order."""
    return _hash(dict(signatures))[:_DIGITS]


def content_digest(content: str) -> str:
    """Names a text by its content: ``sha256:…``."""
    return "sha256:" + hashlib.sha256(content.encode()).hexdigest()


def _encode(ingredients: KeyIngredients) -> dict[str, _Ingredient]:
    return {
        "question": ingredients.question,
        "image": ingredients.image_digest,
        "instruction": ingredients.instruction,
        "system_text": ingredients.system_text,
        # Parameters left out are left out here too: adding one to the contract moves no key.
        "sampling": ingredients.sampling.model_dump(mode="json", exclude_none=True),
        "model": ingredients.model,
        "revision": ingredients.revision,
        "adapter": ingredients.adapter,
        "replicate": ingredients.replicate,
    }


def _hash(content: Mapping[str, _Ingredient]) -> str:
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
