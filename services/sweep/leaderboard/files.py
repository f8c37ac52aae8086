"""A leaderboard as JSON and CSV, with all its columns."""

import csv
import io
import json

from services.sweep.leaderboard.standings import Leaderboard, Standing, reported

JSON_FILE = "leaderboard.json"
CSV_FILE = "leaderboard.csv"

_Json = str | int | float | None | dict[str, "_Json"]


def as_json(board: Leaderboard) -> str:
    """The leaderboard as a JSON document; shares are times 100."""
    document = {
        "failures": dict(board.failures),
        "partly_scored": dict(board.partly_scored),
        "missing_shards": list(board.missing_shards),
        "stale_shards": list(board.stale_shards),
        "standings": [_row(standing) for standing in board.standings],
    }
    return json.dumps(document, indent=2) + "\n"


def as_csv(board: Leaderboard) -> str:
    """The leaderboard as CSV, one line a row; shares are times 100."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    header = list(_counts(board.standings[0]))
    for metric in board.metrics:
        header += [metric, f"{metric}_scored"]
    writer.writerow(header)
    for standing in board.standings:
        row: list[_Json] = list(_counts(standing).values())
        for metric in board.metrics:
            found = standing.metrics.get(metric)
            row += (
                [None, 0] if found is None else [reported(metric, found.mean), found.scored_count]
            )
        writer.writerow(row)
    return text.getvalue()


def _row(standing: Standing) -> dict[str, _Json]:
    metrics: dict[str, _Json] = {}
    for name, metric in standing.metrics.items():
        metrics[name] = {
            "mean": reported(name, metric.mean),
            "corpus_value": reported(name, metric.corpus_value),
            "corpus_signature": metric.corpus_signature,
            "mean_with_zeros": reported(name, metric.mean_with_zeros),
            "scored": metric.scored_count,
            "unscorable": dict(metric.unscorable_counts),
            "signature": metric.signature,
        }
    return {**_counts(standing), "metrics": metrics}


def _counts(standing: Standing) -> dict[str, _Json]:
    group = standing.group
    return {
        "model": group.model,
        "revision": group.revision,
        "prompt": group.prompt,
        "sampling": group.sampling,
        "control": group.control.value,
        "setting": group.setting.value,
        "part": group.part,
        "questions": standing.questions,
        "replicates": standing.replicates,
        "planned": standing.planned,
        "scored": standing.scored,
        "failed": standing.failed,
        "pending": standing.pending,
        "truncated": standing.truncated,
        "unscorable": standing.unscorable,
    }
