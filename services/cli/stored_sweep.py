"""A sweep that ran before, by its output or by its spec."""

from pathlib import Path
from typing import Annotated

import typer

from services.sweep.results.store import ResultStore
from services.sweep.results.stored_spec import stored_spec
from services.sweep.spec.spec import SweepSpec, load_spec

StoredSweep = Annotated[
    str,
    typer.Argument(
        metavar="OUTPUT|SPEC",
        help="The sweep's output, a folder or a URI; or its YAML file, which names it.",
    ),
]


def open_output(named: str) -> ResultStore:
    """Opens a sweep's output, whatever is in it.

    Raises:
        UserInputError: It is no address of an output, or the spec is wrong.
    """
    return ResultStore(load_spec(Path(named)).output if is_spec(named) else named)


def open_sweep(named: str) -> tuple[ResultStore, SweepSpec]:
    """Opens a sweep's output, with the given spec or the one that it was planned by last.

    Raises:
        UserInputError: There is no such sweep, or the spec is wrong.
    """
    if is_spec(named):
        spec = load_spec(Path(named))
        return ResultStore(spec.output), spec
    store = ResultStore(named)
    return store, stored_spec(store)


def is_spec(named: str) -> bool:
    """Whether a sweep is named by its spec."""
    return named.endswith((".yaml", ".yml"))
