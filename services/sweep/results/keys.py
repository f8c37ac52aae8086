"""Names of results: one content hash a question, so that a sweep knows what it has done.

A key is the hash of three hashes and a seed: of the model, of the way of asking, and of the
question with the picture that it is shown with. Each of the three is computed once, however many
questions share it.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from services.sweep.spec.controls import Control
from services.sweep.spec.prompts import Prompt
from services.sweep.spec.sections import SamplingSpec

# Goes up whenever the ingredients or their encoding change: old results are then not reused.
KEY_VERSION = "q2"

# 160 bits: collisions are out of the question, and keys stay short in tables.
_DIGITS = 40

_Ingredient = str | int | float | list[str] | None | dict[str, "_Ingredient"]


@dataclass(frozen=True, slots=True)
class ModelIngredients:
    """What makes a model another one when it changes.

    Attributes:
        name: Its name in the catalog.
        revision: Revision of its weights.
        adapter: Its adapter, or empty.
        chat_template_digest: Names the chat template that the catalog gives it; empty for its own.
        adapter_revision: Revision of the adapter; empty without one.
        configuration_digest: Names what else the catalog says of how it answers, such as number
            format and default sampling.
    """

    name: str
    revision: str
    adapter: str = ""
    chat_template_digest: str = ""
    adapter_revision: str = ""
    configuration_digest: str = ""

    @property
    def digest(self) -> str:
        """Names the model."""
        content: dict[str, _Ingredient] = {
            "name": self.name,
            "revision": self.revision,
            "adapter": self.adapter,
        }
        if self.chat_template_digest:
            content["chat_template"] = self.chat_template_digest
        if self.adapter_revision:
            content["adapter_revision"] = self.adapter_revision
        if self.configuration_digest:
            content["configuration"] = self.configuration_digest
        return _hash(content)


@dataclass(frozen=True, slots=True)
class AskingIngredients:
    """What makes a way of asking another one when it changes.

    The names of prompt and sampling are no part of it: renaming them asks nothing again.

    Attributes:
        prompt: The words around the instruction.
        sampling: How tokens are chosen; its seed is an ingredient of the key itself.
        control: Which picture is shown.
        replicate: Number of the repetition, from 0.
    """

    prompt: Prompt
    sampling: SamplingSpec
    control: Control = Control.NONE
    replicate: int = 0

    @property
    def digest(self) -> str:
        """Names the way of asking."""
        return _hash(
            {
                "system_text": self.prompt.system_text,
                "template": self.prompt.template,
                # Parameters left out are left out here too: adding one to the contract moves
                # no key.
                "sampling": self.sampling.model_dump(
                    mode="json", exclude={"seed"}, exclude_none=True
                ),
                "control": self.control.value,
                "replicate": self.replicate,
            }
        )


@dataclass(frozen=True, slots=True)
class QuestionIngredients:
    """What makes a question another one when it changes.

    Attributes:
        name: Its name in its dataset: split, id and setting.
        instruction: The record's own instruction.
        image_digest: ``sha256:…`` of the bytes of the picture that is shown; empty for none, and
            a marker for one that is missing.
    """

    name: str
    instruction: str
    image_digest: str

    @property
    def digest(self) -> str:
        """Names the question."""
        return _hash(
            {"name": self.name, "instruction": self.instruction, "image": self.image_digest}
        )


def question_key(model: str, asking: str, question: str, seed: int | None) -> str:
    """Names the result of asking a model a question in a way: ``q2-`` and 40 hexadecimal digits.

    Args:
        model: Digest of the model.
        asking: Digest of the way of asking.
        question: Digest of the question.
        seed: The seed that is sent, if any.
    """
    text = f"{model}/{asking}/{question}/{'' if seed is None else seed}"
    return f"{KEY_VERSION}-{hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]}"


def reference_digest(reference: str, entities: tuple[str, ...]) -> str:
    """Names what an explanation is scored against, so that a mended reference is scored anew."""
    return _hash({"reference": reference, "entities": list(entities)})[:_DIGITS]


# What a plan is named by: its questions and references, and the words that tables show for them,
# which may change while keys stay. Names of columns of the plan's table.
PLAN_DIGEST_COLUMNS = (
    "key",
    "reference_digest",
    "question_id",
    "artwork",
    "title",
    "section",
    "image",
    "prompt",
    "sampling_name",
)


def plan_digest(rows: Iterable[tuple[str, ...]]) -> str:
    """Names a plan by its rows, each the values of :data:`PLAN_DIGEST_COLUMNS`: ``sha256:…``."""
    total = hashlib.sha256()
    for row in rows:
        total.update(("\x1f".join(row) + "\n").encode())
    return "sha256:" + total.hexdigest()


def signatures_digest(signatures: Mapping[str, str]) -> str:
    """Names a set of metrics with their signatures, whatever their order."""
    return _hash(dict(signatures))[:_DIGITS]


def content_digest(content: str) -> str:
    """Names a text by its content: ``sha256:…``."""
    return "sha256:" + hashlib.sha256(content.encode()).hexdigest()


def _hash(content: Mapping[str, _Ingredient]) -> str:
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
