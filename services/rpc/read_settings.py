"""Reads settings from the environment, and says which variable is wrong."""

from typing import TypeVar

from pydantic import ValidationError
from pydantic_settings import BaseSettings

from services.core.errors import UserInputError

SettingsT = TypeVar("SettingsT", bound=BaseSettings)

_MAX_SHOWN_CHARS = 80


def read_settings(kind: type[SettingsT]) -> SettingsT:
    """Reads settings.

    Raises:
        UserInputError: A variable has a value that is not allowed; the message names it.
    """
    try:
        return kind()
    except ValidationError as error:
        message = explain_settings_error(error, kind.model_config.get("env_prefix", ""))
        raise UserInputError(message) from error


def explain_settings_error(error: ValidationError, prefix: str) -> str:
    """Explains the first mistake: the variable, what is allowed, what it holds.

    Args:
        error: The mistakes.
        prefix: What the names of the variables begin with.
    """
    first = error.errors(include_url=False)[0]
    reason = first["msg"].removeprefix("Value error, ")
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    if not first["loc"]:  # settings that do not go together
        return f"{prefix}…: {reason}{more}"
    name = prefix + "_".join(map(str, first["loc"])).upper()
    given = repr(first["input"])
    if len(given) > _MAX_SHOWN_CHARS:
        given = f"{given[:_MAX_SHOWN_CHARS]}…"
    return f"{name}: {reason}, got {given}{more}"
