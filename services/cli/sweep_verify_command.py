"""``expart sweep verify``: checks a sweep's tables, and asks a sample again."""

import asyncio
import json
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console

from services.cli import connection_options
from services.cli.catalog_directory import CatalogDirectory
from services.cli.interruption import end_as_by_ctrl_c, interruptible
from services.cli.settings import CliSettings
from services.cli.stack import local_stack, pinned_catalog
from services.cli.standard_output import printing_the_result
from services.cli.stoppable import run_stoppable
from services.cli.stored_sweep import StoredSweep, open_sweep
from services.cli.sweep_log import logging_to
from services.core.errors import UserInputError
from services.rpc.read_settings import read_settings
from services.sweep.plan.prepare import plan_sweep
from services.sweep.remote.endpoints import Endpoints
from services.sweep.remote.listing import served_models
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
    tls: connection_options.Tls = False,
    tls_ca: connection_options.TlsCa = None,
    tls_certificate: connection_options.TlsCertificate = None,
    tls_key: connection_options.TlsKey = None,
    tls_server_name: connection_options.TlsServerName = "",
    token_file: connection_options.TokenFile = None,
) -> None:
    """Check that each planned question is there exactly once, with scores that belong to it."""
    end_as_by_ctrl_c()
    if bool(ask) != (local or bool(generation or scoring)):
        raise UserInputError("--ask K and the services, or --local, go together")
    if ask and (local == bool(generation or scoring) or bool(generation) != bool(scoring)):
        raise UserInputError("give either --local, or both --generation and --scoring")
    settings = read_settings(CliSettings)
    store, spec = open_sweep(sweep)
    console = Console(stderr=as_json)
    verification = verify_output(store)
    if not as_json:
        with printing_the_result():
            console.print(verification.describe(), markup=False, highlight=False, soft_wrap=True)
    drifts: Sequence[ModelDrift] = ()
    if ask:
        endpoints = None
        if not local:
            connection_options.check_address("--generation", generation)
            connection_options.check_address("--scoring", scoring)
            security = connection_options.client_security(
                settings,
                tls=tls,
                tls_ca=tls_ca,
                tls_certificate=tls_certificate,
                tls_key=tls_key,
                tls_server_name=tls_server_name,
                token_file=token_file,
            )
            connection_options.note_clear_token(security, generation, scoring)
            endpoints = Endpoints(generation, scoring, security)
        sample = SampleChoice(ask, spec.seed if seed is None else seed)
        drifts = _ask(spec, sample, endpoints, settings, console)
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
    endpoints: Endpoints | None,
    settings: CliSettings,
    console: Console,
) -> tuple[ModelDrift, ...]:
    def note(message: str) -> None:
        console.print(message, markup=False, soft_wrap=True)

    driver = load_settings()
    names = tuple(dict.fromkeys(choice.model for choice in spec.models))
    with ExitStack() as stack:
        if endpoints is None:
            catalog = pinned_catalog(names, console)
            plan = plan_sweep(spec, CatalogDirectory(catalog))
            running = local_stack(
                settings,
                names,
                console,
                catalog=catalog,
                at_a_time=spec.max_parallel_models,
                plaintext=True,
            )
            endpoints = stack.enter_context(running).endpoints
        else:
            listed = served_models(
                endpoints.generation,
                endpoints.security,
                awaited=names,
                patience_s=driver.max_wait_s,
                note=note,
            )
            plan = plan_sweep(spec, asyncio.run(listed))
        stack.enter_context(logging_to(None, None, settings.log_folder))
        services = endpoints
        return run_stoppable(
            lambda stop: measure_drift(
                plan, sample, services, stop=stop, note=note, settings=driver
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
