"""``expart score``: scores the rows of a file, on this machine or by a scoring service."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from services.cli.interruption import interruptible
from services.core.errors import UserInputError
from services.metrics.options import (
    BoundaryRule,
    CaseRule,
    GeneratedEntitiesRule,
    NoPairsRule,
    PartialMatchRule,
    ScoringOptions,
    TokenizerRule,
)
from services.rpc.channel import open_channel
from services.scoring.score_file.job import ScoreFileJob, score_file
from services.scoring.score_file.local import LocalRowScorer, local_settings
from services.scoring.score_file.remote import RemoteRowScorer
from services.scoring.score_file.row_scorer import RowScorer, ScoringChoice
from services.scoring.score_file.summary import FileSummary
from services.scoring.settings import load_settings
from services.telemetry.logging import configure_logging

# 128 and SIGPIPE's number, as POSIX shells report a process whose reader went away.
EXIT_BROKEN_PIPE = 141

_DEFAULTS = ScoringOptions()

HELP = """Score the rows of a file by the metrics, and print the means.

FILE holds JSON Lines (.jsonl, .ndjson, .json, also with .gz or .zst) or Parquet (.parquet); - reads
JSON Lines from standard input. Any size will do: rows are read, scored and written as they come.

\b
Columns of FILE; others are ignored:
  candidate           string, may be empty: the text to be scored
  reference           string, not blank: what it is compared with
  entities            list of distinct strings: the reference's entities;
                      absent, null or empty: entity metrics are unscorable
  id                  string or integer: names the row in messages and in OUT.
                      Either every row has one or none; they may repeat
  candidate_entities  list of strings: read and required under
                      --generated-entities given only

A broken row ends the command with exit code 2 and a line that says which row it is and what is
wrong with it. With --skip-bad broken rows are counted and left out; exit code 0 if any row remains.

\b
OUT has one row a row of FILE, in the same order, with the columns
  row                 the row's number in FILE, from 1 (JSON Lines: the line)
  id                  its id, if FILE has ids
  problem             with --skip-bad: why the row was skipped, else null
and for every metric M
  M                   its value (0-1; length: tokens), or null
  M_unscorable        why there is no value, else null
  M_statistics        sufficient statistics by name; summed over rows they
                      give corpus values, micro means and bootstrap samples
pandas and Polars read it as it is. The summary that --json prints, with the
signatures, is in Parquet's metadata under "expart", and beside JSON Lines in
OUT's name with .summary.json. OUT appears when it is complete.

\b
--json prints one object:
  file, scored_by, elapsed_s
  rows          {read, scored, skipped}
  skipped_rows  the first 10 of them: [{row, id, problem}]
  metrics       by name: {mean, precision, recall, corpus_value, scored,
                unscorable {REASON: rows}, signature, corpus_signature,
                statistics {name: sum}}; null where there is no such value

\b
Exit codes: 0 done; 1 the service, the workers or the disk failed; 2 wrong
input; 130 interrupted; 141 nobody reads the result.
"""


def score(
    file: Annotated[str, typer.Argument(metavar="FILE", help="The file to score.")],
    *,
    scoring: Annotated[
        str,
        typer.Option(
            metavar="HOST:PORT",
            help="Have a scoring service score the rows, instead of this machine.",
        ),
    ] = "",
    metrics: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME,...",
            help="Metrics to compute, comma-separated, repeatable; by default the benchmark's.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="OUT", help="Write every row's scores to OUT, .jsonl or .parquet."),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace OUT if it is there.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the result as one JSON object.")
    ] = False,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Count broken rows and go on.")
    ] = False,
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Worker processes on this machine; by default one a core."),
    ] = None,
    encoder: Annotated[
        str,
        typer.Option(
            metavar="MODEL",
            help="BERTScore's text encoder on this machine: a folder, or a model of the hub.",
        ),
    ] = "",
    patience: Annotated[
        float,
        typer.Option(
            min=0,
            metavar="SECONDS",
            help="How long to go on trying while the service cannot be reached or is full.",
        ),
    ] = 60.0,
    case: Annotated[
        CaseRule, typer.Option(help="Whether upper and lower case differ in entities.")
    ] = _DEFAULTS.case,
    boundary: Annotated[
        BoundaryRule, typer.Option(help="Whether entities match whole words, or anywhere.")
    ] = _DEFAULTS.boundary,
    tokenizer: Annotated[
        TokenizerRule,
        typer.Option(help="What a token is to length, length penalty and partial match."),
    ] = _DEFAULTS.tokenizer,
    partial_match: Annotated[
        PartialMatchRule, typer.Option(help="How much of an entity a partial match counts.")
    ] = _DEFAULTS.partial_match,
    no_pairs: Annotated[
        NoPairsRule,
        typer.Option(help="What ECooc says of a reference without a pair of entities."),
    ] = _DEFAULTS.no_pairs,
    generated_entities: Annotated[
        GeneratedEntitiesRule,
        typer.Option(help="Which entities count on the candidate's side."),
    ] = _DEFAULTS.generated_entities,
) -> None:
    """Score the rows of a file by the metrics, and print the means."""
    options = ScoringOptions(case, boundary, tokenizer, partial_match, no_pairs, generated_entities)
    choice = ScoringChoice(_metric_names(metrics or []), options)
    job = ScoreFileJob(file, choice, out, overwrite=overwrite, skip_bad=skip_bad)
    console = Console(stderr=True)
    configure_logging(json=False, level="ERROR")
    if scoring:
        if workers is not None or encoder:
            raise UserInputError(
                "--workers and --encoder belong to scoring on this machine; leave them or "
                "--scoring out"
            )
        scorer: RowScorer = RemoteRowScorer(
            scoring,
            lambda: open_channel(scoring),
            choice,
            patience_s=patience,
            notify=lambda message: _note(console, message),
        )
    else:
        settings = local_settings(load_settings(), choice, workers=workers, encoder=encoder)
        scorer = LocalRowScorer(choice, settings)
    # SIGTERM, as process managers send it, means the same as Ctrl-C.
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    with interruptible():
        summary = asyncio.run(score_file(job, scorer, console))
    _report_skipped(summary, console)
    _print_result(summary, as_json=as_json)


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
        Exit: Nobody reads it any more.
    """
    text = (
        json.dumps(summary.to_json(), ensure_ascii=False, allow_nan=False, indent=2)
        if as_json
        else summary.to_text()
    )
    try:
        print(text, flush=True)
    except BrokenPipeError:
        # Python would try to flush what is left when it exits, and fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(EXIT_BROKEN_PIPE) from None
