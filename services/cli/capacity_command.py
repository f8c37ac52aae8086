"""``expart plan-capacity``: what a sweep needs on a cluster, before anything is started."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from services.cli.capacity_display import print_capacity
from services.cli.catalog_directory import CatalogDirectory
from services.cli.catalog_needs import needs_of
from services.cli.interruption import interruptible
from services.cli.stack import local_catalog
from services.cli.standard_output import printing_the_result
from services.cli.stored_sweep import open_output
from services.core.errors import UserInputError
from services.generation.settings import GenerationSettings
from services.rpc.read_settings import read_settings
from services.sweep.capacity.capacity import plan_capacity
from services.sweep.capacity.document import as_json
from services.sweep.capacity.gpus import choose_gpus
from services.sweep.capacity.measured import EarlierSweep, measure
from services.sweep.capacity.needs import FrontLimits, Known, Wish
from services.sweep.capacity.notes import notes_on
from services.sweep.plan.prepare import plan_sweep
from services.sweep.spec.key_advice import nearest
from services.sweep.spec.spec import SweepSpec, load_spec

_WIDE_COLUMNS = 160

# Beyond these a number is a slip of the keyboard.
_MOST = 1_000_000
_MOST_PODS = 10_000


def add_to(app: typer.Typer) -> None:
    """Adds the command to the app."""
    app.command("plan-capacity")(capacity)


@interruptible()
def capacity(  # noqa: PLR0917 - typer passes them by name
    spec_file: Annotated[Path, typer.Argument(help="The sweep's YAML file.", metavar="SPEC")],
    hours: Annotated[
        float | None,
        typer.Option(
            min=0.01, max=_MOST, help="How long it may take: replicas follow.", show_default="any"
        ),
    ] = None,
    replicas: Annotated[
        list[str] | None,
        typer.Option(
            help="Replicas of every model, or NAME=N of one, repeatedly: the time follows.",
            metavar="N|NAME=N",
            show_default="scaling.max_replicas of the catalog",
        ),
    ] = None,
    results: Annotated[
        str,
        typer.Option(
            help="Output of an earlier sweep, or its spec: paces and sizes are measured in it.",
            metavar="OUTPUT|SPEC",
            show_default="assumptions, which are printed",
        ),
    ] = "",
    results_replicas: Annotated[
        int, typer.Option(min=1, max=_MOST_PODS, help="Replicas that each model had in that sweep.")
    ] = 1,
    results_scoring_pods: Annotated[
        int, typer.Option(min=1, max=_MOST_PODS, help="Scoring pods that there were in that sweep.")
    ] = 1,
    gpu: Annotated[
        list[str] | None,
        typer.Option(
            help="GPU type that there is, repeatedly; NAME=GIB describes another.",
            show_default="all that are known",
        ),
    ] = None,
    questions_per_s: Annotated[
        float | None, typer.Option(min=0.001, max=_MOST, help="Answers a second of each replica.")
    ] = None,
    image_tokens: Annotated[
        float | None, typer.Option(min=0, max=_MOST, help="Tokens that a picture takes.")
    ] = None,
    output_tokens: Annotated[
        float | None, typer.Option(min=1, max=_MOST, help="Tokens that an answer takes.")
    ] = None,
    scored_per_s: Annotated[
        float | None,
        typer.Option(min=0.001, max=_MOST, help="Answers that a scoring pod scores a second."),
    ] = None,
    scoring_workers: Annotated[
        int, typer.Option(min=1, max=_MOST_PODS, help="Worker processes of a scoring pod.")
    ] = 2,
    load_s: Annotated[
        float | None, typer.Option(min=0, max=_MOST, help="Seconds that loading a model takes.")
    ] = None,
    drivers: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=_MOST_PODS,
            help="Drivers that share the sweep.",
            show_default="as many as needed",
        ),
    ] = None,
    as_document: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Print what a sweep needs: GPUs, replicas, drivers, scoring pods, storage, time and money.

    Counted is what sweep plan counts: what is left to ask. Give --hours or --replicas.
    """
    spec = load_spec(spec_file)
    wish = Wish(hours, _replicas(replicas or (), spec, hours), drivers)
    gpus = choose_gpus(gpu or ())
    known = Known(
        earlier=_measured(results) if results else None,
        earlier_replicas=results_replicas,
        earlier_scoring_pods=results_scoring_pods,
        questions_per_s=questions_per_s,
        image_tokens=image_tokens,
        output_tokens=output_tokens,
        scored_per_s=scored_per_s,
        load_s=load_s,
        scoring_workers=scoring_workers,
        gpus=gpus,
    )
    catalog = local_catalog()
    settings = read_settings(GenerationSettings)
    plan = plan_sweep(spec, CatalogDirectory(catalog, unknown=_remark))
    share = settings.interactive_share
    needs = {choice.model: needs_of(catalog.get(choice.model), share) for choice in spec.models}
    front = FrontLimits(min(settings.max_calls, settings.max_calls_per_client))
    computed = plan_capacity(plan, needs, front, wish, known)
    notes = notes_on(computed, plan, wish, known)
    with printing_the_result():
        if as_document:
            print(as_json(computed, plan, notes))
        else:
            print_capacity(computed, plan, notes, _console())


def _replicas(given: Sequence[str], spec: SweepSpec, hours: float | None) -> dict[str, int]:
    """Reads ``--replicas``: numbers of replicas by label.

    Raises:
        UserInputError: It is no number, a model is not in the spec, or hours are given too.
    """
    if given and hours is not None:
        raise UserInputError("give either --hours or --replicas: the one follows from the other")
    labels = [choice.label for choice in spec.models]
    found: dict[str, int] = {}
    # What holds for every model comes first, wherever it stands.
    for text in sorted(given, key=lambda one: "=" in one):
        name, has_name, number = text.rpartition("=")
        if not (number.isdecimal() and 1 <= int(number) <= _MOST_PODS):
            raise UserInputError(
                f"--replicas {text}: must be N or NAME=N, N from 1 to {_MOST_PODS}"
            )
        if has_name and name not in labels:
            advice = nearest(name, labels) or f"; it has {', '.join(labels)}"
            raise UserInputError(f"--replicas {text}: the sweep has no model '{name}'{advice}")
        found.update(dict.fromkeys([name] if has_name else labels, int(number)))
    return found


def _measured(named: str) -> EarlierSweep:
    """Measures an earlier sweep.

    Raises:
        UserInputError: There are no answers, or too few of each model.
    """
    store = open_output(named)
    found = measure(store)
    if not found.pace:
        raise UserInputError(
            f"--results {named}: no model has 20 answers or more there that tell how long they "
            "took; leave it out, and assumptions are taken"
        )
    return found


def _remark(text: str) -> None:
    Console(stderr=True).print(text, markup=False, highlight=False, soft_wrap=True)


def _console() -> Console:
    """A console that is wide where nobody's terminal is narrow: in a file or a pipe."""
    console = Console()
    return console if console.is_terminal else Console(width=_WIDE_COLUMNS)
