"""``expart models``: the catalog's entries, listed and checked."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from services.cli.exit_codes import EXIT_FAILED, EXIT_WRONG_INPUT
from services.cli.interruption import end_as_by_ctrl_c, interruptible
from services.cli.model_question import Answer, Question, ask_model, reason_not_to_ask
from services.cli.models_display import (
    check_as_json,
    list_as_json,
    print_answer,
    print_check,
    print_models,
    print_summary,
)
from services.cli.settings import CliSettings
from services.cli.standard_output import printing_the_result
from services.core.errors import UserInputError
from services.generation.catalog import load_catalog
from services.generation.catalog_check import EntryCheck, Verdict, check_folder
from services.generation.installed_engines import read_installed_engines
from services.generation.settings import GenerationSettings
from services.rpc.read_settings import read_settings

_PICTURE = Path(__file__).parents[2] / "deploy" / "expart_mini" / "images" / "senecio.png"

Folder = Annotated[
    Path | None,
    typer.Option(help="Folder of the entries.", show_default="EXPART_GENERATION_CATALOG_FOLDER"),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]

models_app = typer.Typer(help="List and check the model catalog.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Adds the commands to the app."""
    app.add_typer(models_app, name="models")


@models_app.callback()
def models() -> None:
    """List and check the model catalog."""


@models_app.command("list")
@interruptible()
def list_models(folder: Folder = None, as_json: AsJson = False) -> None:
    """Print every model of the catalog."""
    settings = read_settings(GenerationSettings)
    catalog = load_catalog(folder or settings.catalog_folder, settings.models_folder)
    with printing_the_result():
        if as_json:
            print(list_as_json(catalog))
        else:
            print_models(catalog, Console())


@models_app.command("check")
@interruptible()
def check(  # noqa: PLR0917 - typer passes them by name
    names: Annotated[
        list[str] | None,
        typer.Argument(
            help="Models to check; by default all.", metavar="[NAME]...", show_default=False
        ),
    ] = None,
    folder: Folder = None,
    ask: Annotated[
        bool,
        typer.Option(
            "--ask",
            help="Also start each model whose weights are on this machine, one at a time, and ask "
            "it one question; models behind endpoints only when named.",
        ),
    ] = False,
    image: Annotated[Path, typer.Option(help="Picture to ask about.")] = _PICTURE,
    instruction: Annotated[str, typer.Option(help="Question to ask.")] = "Explain this artwork.",
    as_json: AsJson = False,
) -> None:
    """Check entries against what the installed engines know, without loading them.

    Prints a line an entry: ok, warning or wrong, and why. Exit code 2 if one is wrong, 1 if one
    that was asked did not answer.
    """
    end_as_by_ctrl_c()
    console = Console(stderr=as_json)
    settings = read_settings(GenerationSettings)
    installed = read_installed_engines()
    source = folder or settings.catalog_folder
    checks = _chosen(check_folder(source, settings.models_folder, installed), tuple(names or ()))
    question = Question(instruction, _read_picture(image)) if ask else None
    if not as_json:
        with printing_the_result():
            for entry in checks:
                print_check(entry, console)
            print_summary(checks, installed, console)
    answers: dict[str, Answer] = {}
    if question is not None:
        answers = _ask(checks, question, console, chosen=bool(names))
    if as_json:
        with printing_the_result():
            print(check_as_json(checks, installed, answers))
    if any(entry.verdict is Verdict.WRONG for entry in checks):
        raise typer.Exit(EXIT_WRONG_INPUT)
    if any(answer.failure for answer in answers.values()):
        raise typer.Exit(EXIT_FAILED)


def _chosen(checks: Sequence[EntryCheck], names: tuple[str, ...]) -> tuple[EntryCheck, ...]:
    """Gives the checks of these names in the order of the files; without names, all.

    Raises:
        UserInputError: One of them is not in the catalog.
    """
    known = {entry.name for entry in checks}
    for name in names:
        if name not in known:
            held = ", ".join(sorted(known))
            raise UserInputError(f"no model named {name!r} in the catalog; it holds {held}")
    return tuple(entry for entry in checks if not names or entry.name in names)


def _read_picture(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise UserInputError(f"--image {file}: {error.strerror or error}") from error


def _ask(
    checks: Sequence[EntryCheck], question: Question, console: Console, *, chosen: bool
) -> dict[str, Answer]:
    """Asks what can be asked, and says of every model that was named why it cannot.

    Raises:
        UserInputError: No model can be asked.
    """
    answers: dict[str, Answer] = {}
    reasons: dict[str, str] = {}
    log_path = read_settings(CliSettings).log_folder / "models-check.log"
    for entry in checks:
        reason = reason_not_to_ask(entry, chosen=chosen)
        if entry.spec is None or reason:
            reasons[entry.name] = reason
            if chosen:
                console.print(f"{entry.name} is not asked: {reason}", markup=False, soft_wrap=True)
            continue
        answers[entry.name] = ask_model(entry.spec, question, console, log_path)
        print_answer(entry.name, answers[entry.name], console)
    if not answers:
        name, reason = next(iter(reasons.items()))
        raise UserInputError(f"no model can be asked; {name}: {reason}")
    return answers
