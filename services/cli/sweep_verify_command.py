"""``expart sweep verify``: checks a sweep's tables, and asks a sample again."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console

from services.cli.connection_options import Connection, with_connection_options
from services.cli.interruption import end_as_by_ctrl_c, interruptible
from services.cli.settings import CliSettings
from services.cli.standard_output import printing_the_result
from services.cli.stoppable import run_stoppable
from services.cli.stored_sweep import StoredSweep, is_spec, open_sweep
from services.cli.sweep_log import logging_to
from services.cli.sweep_services import SweepServices, chosen_endpoints
from services.core.errors import UserInputError
from services.rpc.read_settings import read_settings
from services.sweep.plan.prepare import plan_sweep
from services.sweep.review.drift import SampleChoice, measure_drift
from services.sweep.review.drift_report import ModelDrift
from services.sweep.review.verify import verify_output
from services.sweep.review.verify_findings import Verification
from services.sweep.run.settings import load_settings
from services.sweep.spec.spec import SweepSpec

# The tables have faults, or the sweep is not finished.
EXIT_NOT_IN_ORDER = 1

_EPILOG = (
    "Faults are contradictions: a question that is there twice, an answer to something else than "
    "what is planned, scores without an answer. What is open is only not done yet. --ask stores "
    "nothing and changes no exit code: models that choose tokens at random, or that compute in "
    "batches, need not say the same twice. Exit codes: 0 all is in order, 1 there are faults, "
    "the sweep is not finished or the storage failed, 2 wrong input, 130 stopped."
)


def add_to(app: typer.Typer) -> None:
    """Adds the command to the app of sweeps."""
    app.command("verify", epilog=_EPILOG)(verify)


@interruptible()
@with_connection_options
def verify(
    sweep: StoredSweep,
    *,
    ask: Annotated[
        int, typer.Option(min=0, metavar="K", help="Ask each model K answered questions again.")
    ] = 0,
    seed: Annotated[
        int | None,
        typer.Option(min=0, help="Draws the questions.", show_default="the spec's"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
    generation: Annotated[
        str, typer.Option(help="Address of the generation service, host:port, for --ask.")
    ] = "",
    scoring: Annotated[
        str, typer.Option(help="Address of the scoring service, host:port, for --ask.")
    ] = "",
    local: Annotated[
        bool, typer.Option("--local", help="Start both services on this machine, for --ask.")
    ] = False,
    connection: Connection,
) -> None:
    """Check that each planned question is there exactly once, with scores that belong to it."""
    end_as_by_ctrl_c()
    if bool(ask) != (local or bool(generation or scoring)):
        raise UserInputError("--ask K and the services, or --local, go together")
    settings = read_settings(CliSettings)
    endpoints = None
    if ask:
        endpoints = chosen_endpoints(
            settings, connection, local=local, generation=generation, scoring=scoring
        )
    store, spec = open_sweep(sweep)
    console = Console(stderr=as_json)
    verification = verify_output(store, spec if is_spec(sweep) else None)
    if not as_json:
        with printing_the_result():
            console.print(verification.describe(), markup=False, highlight=False, soft_wrap=True)
    drifts: Sequence[ModelDrift] = ()
    if ask:
        sample = SampleChoice(ask, spec.seed if seed is None else seed)
        services = SweepServices(spec, endpoints, settings, console)
        drifts = _ask(spec, sample, services, settings, console)
    with printing_the_result():
        if as_json:
            print(json.dumps(_document(verification, drifts), ensure_ascii=False, indent=2))
        for drift in () if as_json else drifts:
            console.print(drift.describe(), markup=False, highlight=False, soft_wrap=True)
    if not (verification.is_sound and verification.is_complete):
        raise typer.Exit(EXIT_NOT_IN_ORDER)


def _ask(
    spec: SweepSpec,
    sample: SampleChoice,
    services: SweepServices,
    settings: CliSettings,
    console: Console,
) -> tuple[ModelDrift, ...]:
    def note(message: str) -> None:
        console.print(message, markup=False, soft_wrap=True)

    driver = load_settings()
    plan = plan_sweep(spec, services.directory(driver.max_wait_s))
    with services.running() as endpoints, logging_to(None, None, settings.log_folder, spec.name):
        return run_stoppable(
            lambda stop: measure_drift(
                plan, sample, endpoints, stop=stop, note=note, settings=driver
            ),
            note,
        )


def _document(verification: Verification, drifts: Sequence[ModelDrift]) -> dict[str, object]:
    return {
        "output": verification.output,
        "sound": verification.is_sound,
        "complete": verification.is_complete,
        "planned": verification.planned,
        "generated": verification.generated,
        "failed": verification.failed,
        "scored": verification.scored,
        "findings": [
            {
                "kind": finding.kind.value,
                "gravity": finding.gravity.value,
                "count": finding.count,
                "examples": list(finding.examples),
            }
            for finding in verification.findings
        ],
        "asked_again": [asdict(drift) for drift in drifts],
    }
