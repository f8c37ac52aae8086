"""Says in one line what is wrong with a catalog entry."""

import difflib
from collections.abc import Mapping
from typing import get_args, get_origin

from pydantic import BaseModel, ValidationError


def explain_validation_error(error: ValidationError, model: type[BaseModel]) -> str:
    """Explains the first mistake: its key and what is allowed; for a misspelt one the right key."""
    found = error.errors()
    # A misspelt key also makes the right one missing; the mistake is what was written.
    first = next((fault for fault in found if fault["type"] == "extra_forbidden"), found[0])
    key = ".".join(str(part) for part in first["loc"])
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    if first["type"] == "extra_forbidden":
        return f"unknown key {key!r}{_nearest(model, first['loc'])}{more}"
    if first["type"] == "missing":
        return f"the key {key!r} is missing{more}"
    reason = first["msg"].removeprefix("Value error, ")
    given = "" if isinstance(first["input"], dict) else f"; got {first['input']!r}"
    place = f"{key}: " if key else ""
    return f"{place}{reason}{given}{more}"


def _nearest(model: type[BaseModel], location: tuple[int | str, ...]) -> str:
    """Names the known key that a misspelt one is nearest to, or all of them."""
    parts = list(map(str, location[:-1]))
    while parts:
        name = parts.pop(0)
        field = model.model_fields.get(name)
        if field is None:
            return ""
        if get_origin(field.annotation) is Mapping and parts:
            parts.pop(0)  # the name of one of its items
        inner = _model_in(field.annotation)
        if inner is None:
            return ""
        model = inner
    known = list(model.model_fields)
    close = difflib.get_close_matches(str(location[-1]), known, n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; known keys: {', '.join(known)}"


def _model_in(annotation: object) -> type[BaseModel] | None:
    """Finds the block that a field holds, optional or by name."""
    for kind in (annotation, *get_args(annotation)):
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return kind
    return None
