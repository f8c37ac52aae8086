"""Lists of names as callers give them."""

from collections.abc import Iterable

from services.core.errors import FieldViolation, InvalidRequestError


def list_of_strings(field: str, values: Iterable[str]) -> tuple[str, ...]:
    """Reads an iterable of strings, once.

    Args:
        field: What it is called.
        values: The strings.

    Raises:
        InvalidRequestError: It is one string, which Python takes for a list of its characters.
    """
    if isinstance(values, str):
        description = f"must be a list of strings, not one string; write [{repr(values)[:80]}]"
        violation = FieldViolation(field, description)
        raise InvalidRequestError(f"{field} {description}", violations=(violation,))
    return tuple(values)
