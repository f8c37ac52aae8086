"""Finds mistakes in a chat template before a model is loaded with it."""

import re

from jinja2 import Environment, TemplateSyntaxError

# transformers adds these two tags to Jinja; they mark an assistant's words and print nothing.
_GENERATION_TAG = re.compile(r"\{%-?\s*(?:end)?generation\s*-?%\}")


def template_fault(template: str) -> str:
    """Says in one line what is wrong with a template's syntax; empty for a good one."""
    plain = _GENERATION_TAG.sub("", template)
    try:
        # It is only parsed, so nothing of it runs.
        Environment(extensions=["jinja2.ext.loopcontrols"], autoescape=True).parse(plain)
    except TemplateSyntaxError as error:
        return f"line {error.lineno} is no valid Jinja: {error.message}"
    if "messages" not in plain:
        return "never mentions messages, so every prompt would be the same"
    return ""
