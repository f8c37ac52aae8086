"""Adds to an app the command that is called, and of the others no more than the help tells.

Most commands need large packages, and none needs those of another: loading all of them takes
seconds, and an installation need not have them all.
"""

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import NamedTuple

import typer


class Command(NamedTuple):
    """A command, as long as its module is not loaded.

    Attributes:
        module: Its module; a function ``add_to`` there adds it to an app.
        summary: What the help says of it beside its name; one line of at most 60 characters.
        has_commands: Whether it is a group, whose ``add_to`` also takes the arguments after it.
    """

    module: str
    summary: str
    has_commands: bool = False


def add_called(app: typer.Typer, commands: Mapping[str, Command], arguments: Sequence[str]) -> None:
    """Adds the command that the first argument names; if it names none, all their summaries.

    Args:
        app: Where to add it.
        commands: The commands by name, in the order of the help.
        arguments: What follows the app's own name on the command line.
    """
    command = commands.get(arguments[0]) if arguments else None
    if command is None:
        for name, entry in commands.items():
            app.command(name, help=entry.summary)(_not_loaded)
    elif command.has_commands:
        import_module(command.module).add_to(app, arguments[1:])
    else:
        import_module(command.module).add_to(app)


def _not_loaded() -> None:
    """Stands in the help for a command that was not called."""
