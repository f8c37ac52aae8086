"""Says in one line what is wrong with a catalog entry."""

import difflib
from typing import get_args

from pydantic import BaseModel, ValidationError


def explain_validation_error(error: ValidationError, model: type[BaseModel]) -> str:
    """Explains the first mistake: its key and what is allowed; for a misspelt one the right key."""
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    if first["type"] == "extra_forbidden":
        return f"unknown key {key!r}{_nearest(model, first['loc'])}{more}"
    if first["type"] == "missing":
        return f"the key {key!r} is missing{more}"
    reason = first["msg"].removeprefix("Value error, ")
    given = "" if isinstance(first["input"], dict) else f"; got {first['input']!r}"
    return f"{key}: {reason}{given}{more}"


def _nearest(model: type[BaseModel], location: tuple[int | str, ...]) -> str:
    """Names the known key that a misspelt one is nearest to, or all of them."""
    for part in location[:-1]:
        inner = _inner_model(model, str(part))
        if inner is None:
            return ""
        model = inner
    known = list(model.model_fields)
    close = difflib.get_close_matches(str(location[-1]), known, n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; known keys: {', '.join(known)}"


def _inner_model(model: type[BaseModel], name: str) -> type[BaseModel] | None:
    field = model.model_fields.get(name)
    if field is None:
        return None
    for kind in (field.annotation, *get_args(field.annotation)):
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return kind
    return None
