"""The options of ``expart score``, and its help."""

from pathlib import Path
from typing import Annotated

import typer

from services.metrics.options import (
    BoundaryRule,
    CaseRule,
    GeneratedEntitiesRule,
    NoPairsRule,
    PartialMatchRule,
    TokenizerRule,
)

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
What --json prints, with the signatures, is in Parquet's metadata under "expart",
and for JSON Lines in a file beside OUT: NAME.summary.json for NAME.jsonl. OUT
appears when it is complete; pandas reads it as it is.

\b
--json prints one object:
  file, scored_by, elapsed_s
  rows          {read, scored, skipped}
  skipped_rows  the first 10 of them: [{row, id, problem}]
  metrics       by name: {mean, precision, recall, corpus_value, scored,
                unscorable {REASON: rows}, signature, corpus_signature,
                statistics {name: sum}}; null where there is no such value

On this machine rows may be as large as the scoring service's own settings say
(EXPART_SCORING_MAX_TEXT_CHARS and the like). The --encoder options take their
defaults from them too (EXPART_SCORING_ENCODER_LAYER and the like).

\b
Exit codes: 0 done; 1 the service, the workers or the disk failed; 2 wrong
input, options, token or certificates; 130 interrupted; 141 nobody reads the
result.
"""

DEFAULT_PATIENCE_S = 60.0

File = Annotated[str, typer.Argument(metavar="FILE", help="The file to score.")]
Scoring = Annotated[
    str,
    typer.Option(
        metavar="HOST:PORT",
        help="Have a scoring service score the rows, instead of this machine.",
    ),
]
Metrics = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME,...",
        help="Metrics to compute, comma-separated, repeatable; by default the benchmark's.",
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(metavar="OUT", help="Write every row's scores to OUT, .jsonl or .parquet."),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace OUT if it is there.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")]
SkipBad = Annotated[bool, typer.Option("--skip-bad", help="Count broken rows and go on.")]
Workers = Annotated[
    int | None,
    typer.Option(
        min=1, metavar="N", help="Worker processes on this machine; by default one a core."
    ),
]
Encoder = Annotated[
    str,
    typer.Option(
        metavar="MODEL",
        help="BERTScore's text encoder on this machine: a folder, or a model of the hub.",
    ),
]
EncoderLayer = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="N",
        help="The layer of the encoder whose output is compared, from 1; needed with a folder. "
        "Default: the layer that bert_score takes for the model.",
    ),
]
EncoderDevice = Annotated[
    str,
    typer.Option(metavar="DEVICE", help="What the encoder runs on: cpu (default), cuda or cuda:N."),
]
Patience = Annotated[
    float | None,
    typer.Option(
        min=0,
        metavar="SECONDS",
        help="How long to go on trying while the service is lost or full; by default "
        f"{DEFAULT_PATIENCE_S:g}.",
    ),
]
Case = Annotated[CaseRule, typer.Option(help="Whether upper and lower case differ in entities.")]
Boundary = Annotated[
    BoundaryRule, typer.Option(help="Whether entities match whole words, or anywhere.")
]
Tokenizer = Annotated[
    TokenizerRule,
    typer.Option(help="What a token is to length, length penalty and partial match."),
]
PartialMatch = Annotated[
    PartialMatchRule, typer.Option(help="How much of an entity a partial match counts.")
]
NoPairs = Annotated[
    NoPairsRule,
    typer.Option(help="What ECooc says of a reference without a pair of entities."),
]
GeneratedEntities = Annotated[
    GeneratedEntitiesRule,
    typer.Option(help="Which entities count on the candidate's side."),
]
