"""Prompts: what a model is told around a record's own instruction."""

from dataclasses import dataclass

# Where a template takes the record's instruction.
PLACEHOLDER = "{instruction}"


@dataclass(frozen=True, slots=True)
class Prompt:
    """One way of asking.

    Attributes:
        name: How tables name it; no part of a result's key.
        system_text: Placed before the instruction as the model's template has it; may be empty.
        template: What is sent as the instruction; holds :data:`PLACEHOLDER`.
    """

    name: str = "plain"
    system_text: str = ""
    template: str = PLACEHOLDER

    def instruction(self, asked: str) -> str:
        """What is sent for a record's own instruction."""
        return self.template.replace(PLACEHOLDER, asked)
