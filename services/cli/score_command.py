"""``expart score``: scores the rows of a file, on this machine or by a scoring service."""

import asyncio
import json
from collections.abc import Mapping, Sequence

import typer
from rich.console import Console

from services.cli import score_options
from services.cli.connection_options import Connection, with_connection_options
from services.cli.interruption import end_as_by_ctrl_c, interruptible
from services.cli.settings import CliSettings
from services.cli.standard_output import check_standard_output, printing_the_result
from services.core.errors import UserInputError
from services.metrics.options import ScoringOptions
from services.rpc.channel import open_channel
from services.rpc.client_security import ClientSecurity
from services.rpc.read_settings import read_settings
from services.scoring.score_file.job import ScoreFileJob, score_file
from services.scoring.score_file.local import EncoderChoice, LocalRowScorer, local_settings
from services.scoring.score_file.remote import RemoteRowScorer
from services.scoring.score_file.row_scorer import RowScorer, ScoringChoice
from services.scoring.score_file.summary import FileSummary
from services.scoring.settings import load_settings
from services.telemetry.logging import configure_logging

_DEFAULTS = ScoringOptions()


def add_to(app: typer.Typer) -> None:
    """Adds the command to the app."""
    app.command("score", help=score_options.HELP)(score)


@interruptible()
@with_connection_options
def score(
    file: score_options.File,
    *,
    scoring: score_options.Scoring = "",
    metrics: score_options.Metrics = None,
    out: score_options.Out = None,
    overwrite: score_options.Overwrite = False,
    as_json: score_options.AsJson = False,
    skip_bad: score_options.SkipBad = False,
    workers: score_options.Workers = None,
    encoder: score_options.Encoder = "",
    encoder_layer: score_options.EncoderLayer = None,
    encoder_device: score_options.EncoderDevice = "",
    case: score_options.Case = _DEFAULTS.case,
    boundary: score_options.Boundary = _DEFAULTS.boundary,
    tokenizer: score_options.Tokenizer = _DEFAULTS.tokenizer,
    partial_match: score_options.PartialMatch = _DEFAULTS.partial_match,
    no_pairs: score_options.NoPairs = _DEFAULTS.no_pairs,
    generated_entities: score_options.GeneratedEntities = _DEFAULTS.generated_entities,
    patience: score_options.Patience = None,
    connection: Connection,
) -> None:
    """Score the rows of a file by the metrics, and print the means."""
    check_standard_output()
    options = ScoringOptions(case, boundary, tokenizer, partial_match, no_pairs, generated_entities)
    choice = ScoringChoice(_metric_names(metrics or []), options)
    job = ScoreFileJob(file, choice, out, overwrite=overwrite, skip_bad=skip_bad)
    console = Console(stderr=True)
    if scoring:
        local = {
            "--workers": workers,
            "--encoder": encoder,
            "--encoder-layer": encoder_layer,
            "--encoder-device": encoder_device,
        }
        _refuse(local, "scoring on this machine")
        security = connection.security(read_settings(CliSettings), scoring=scoring)
        patience_s = score_options.DEFAULT_PATIENCE_S if patience is None else patience
        summary = _run(job, _remote(scoring, security, choice, patience_s, console), console)
    else:
        remote = {**connection.given(), "--patience": patience}
        _refuse(remote, "a scoring service: name it by --scoring")
        chosen = EncoderChoice(encoder, encoder_layer, encoder_device)
        settings = local_settings(load_settings(), choice, chosen, workers=workers)
        summary = _run(job, LocalRowScorer(choice, settings), console)
    _report_skipped(summary, console)
    _print_result(summary, as_json=as_json)


def _refuse(options: Mapping[str, object], owner: str) -> None:
    """Refuses options that would be ignored.

    Raises:
        UserInputError: One of them is given.
    """
    for name, value in options.items():
        if value is not None and value is not False and value != "":
            raise UserInputError(f"{name} belongs to {owner}")


def _remote(
    address: str,
    security: ClientSecurity,
    choice: ScoringChoice,
    patience_s: float,
    console: Console,
) -> RemoteRowScorer:
    return RemoteRowScorer(
        address,
        lambda: open_channel(address, security),
        choice,
        patience_s=patience_s,
        notify=lambda message: _note(console, message),
    )


def _run(job: ScoreFileJob, scorer: RowScorer, console: Console) -> FileSummary:
    configure_logging(json=False, level="ERROR")
    end_as_by_ctrl_c()
    return asyncio.run(score_file(job, scorer, console))


def _metric_names(options: Sequence[str]) -> tuple[str, ...]:
    """Splits the values of --metrics.

    Raises:
        UserInputError: A name is empty or given twice.
    """
    names = [name.strip() for option in options for name in option.split(",")]
    for name in names:
        if not name:
            raise UserInputError("--metrics: a name is empty; write NAME,NAME,…")
        if names.count(name) > 1:
            raise UserInputError(f"--metrics: {name} is given twice")
    return tuple(names)


def _report_skipped(summary: FileSummary, console: Console) -> None:
    for row in summary.first_broken:
        _note(console, f"skipped {row.describe(summary.unit)}")
    more = summary.skipped_count - len(summary.first_broken)
    if more:
        _note(console, f"skipped {more:,} more")


def _note(console: Console, message: str) -> None:
    console.print(message, markup=False, highlight=False, soft_wrap=True)


def _print_result(summary: FileSummary, *, as_json: bool) -> None:
    """Prints the result, and nothing else, on standard output.

    Raises:
        StandardOutputError: It cannot be written.
        Exit: Nobody reads it any more.
    """
    text = (
        json.dumps(summary.to_json(), ensure_ascii=False, allow_nan=False, indent=2)
        if as_json
        else summary.to_text()
    )
    with printing_the_result():
        print(text)
