"""Shows a leaderboard in the terminal, in one table where it fits and in two where it does not."""

from collections import Counter
from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from services.benchmark.records import Setting
from services.metrics.entity_cooccurrence import ENTITY_COOCCURRENCE_METRICS
from services.metrics.entity_coverage import ENTITY_COVERAGE_METRICS
from services.metrics.entity_f1 import ENTITY_F1_METRICS
from services.sweep.leaderboard.standings import ALL_PARTS, Leaderboard, Standing, reported

_SETTINGS = {Setting.WITH_TITLE: "with", Setting.WITHOUT_TITLE: "w/o"}

# At most two short lines each: 13 metrics and the counts have to fit into 120 columns.
_HEADINGS = {
    "bleu": "BLEU",
    "rouge_1": "R-1",
    "rouge_2": "R-2",
    "rouge_l": "R-L",
    "bertscore": "BERT\nscore",
    "ef1": "EF1",
    "ec_exact": "EC\nexact",
    "ec_partial": "EC\npart",
    "ecooc_0": "ECooc\n0",
    "ecooc_1": "ECooc\n1",
    "ecooc_2": "ECooc\n2",
    "ecooc_inf": "ECooc\n∞",
    "length": "len",
}

_ENTITY_METRICS = frozenset(
    metric.name
    for metric in (*ENTITY_F1_METRICS, *ENTITY_COVERAGE_METRICS, *ENTITY_COOCCURRENCE_METRICS)
)

_UNBOUNDED = 10_000

# Counts of answers, with the words that the headings stand for.
_COUNTS = (
    ("n", "scored"),
    ("uns", "unscorable"),
    ("fail", "failed"),
    ("cut", "truncated"),
)


def render_leaderboard(board: Leaderboard, console: Console) -> None:
    """Prints a leaderboard.

    It is one table where the console is wide enough (120 columns for models with short names),
    and otherwise two, with the text metrics and the entity metrics: those fit into 80.

    Args:
        board: What to print.
        console: Where to; its width decides.
    """
    whole = _table(board, board.metrics, _COUNTS)
    unbounded = console.options.update(max_width=_UNBOUNDED)
    if console.measure(whole, options=unbounded).maximum <= console.width:
        console.print(whole)
    else:
        entity_metrics = [name for name in board.metrics if name in _ENTITY_METRICS]
        text_metrics = [name for name in board.metrics if name not in entity_metrics]
        console.print(_table(board, text_metrics, _COUNTS))
        console.print()
        console.print(_table(board, entity_metrics, _COUNTS[:1]))
    console.print()
    for line in _notes(board):
        console.print(line, style="dim", highlight=False)


def _table(board: Leaderboard, metrics: Sequence[str], counts: Sequence[tuple[str, str]]) -> Table:
    table = Table(box=SIMPLE_HEAD, show_edge=False, padding=0, pad_edge=False)
    table.add_column("model", overflow="fold")
    ways = _ways(board)
    for heading in ways:
        table.add_column(heading, overflow="fold")
    table.add_column("title", no_wrap=True)
    table.add_column("part", no_wrap=True)
    for heading, _ in counts:
        table.add_column(heading, justify="right", no_wrap=True)
    for metric in metrics:
        heading = _HEADINGS.get(metric, metric)
        table.add_column(heading, justify="right", no_wrap=True)
    best = {metric: _best(board, metric) for metric in metrics}
    before: tuple[str, ...] = ()
    for standing in board.standings:
        names = (standing.model, *(_way(standing, name) for name in ways))
        names = (*names, _SETTINGS[standing.setting])
        if before and before[0] != names[0]:
            table.add_section()
        table.add_row(
            *_new(names, before),
            standing.part,
            *(str(getattr(standing, name)) for _, name in counts),
            *(_cell(standing, metric, best[metric]) for metric in metrics),
            style="bold" if standing.part == ALL_PARTS else None,
        )
        before = names
    return table


def _ways(board: Leaderboard) -> list[str]:
    """The ways of asking in which rows differ: the others are the same in all of them."""
    return [
        name
        for name in ("prompt", "sampling", "control")
        if len({_way(standing, name) for standing in board.standings}) > 1
    ]


def _way(standing: Standing, name: str) -> str:
    return str(getattr(standing.group, name))


def _new(names: tuple[str, ...], before: tuple[str, ...]) -> list[str]:
    """Names as they are shown: from the first one on that differs from the row above."""
    same = 0
    while same < len(before) and names[same] == before[same]:
        same += 1
    return ["" if place < same else name for place, name in enumerate(names)]


# Rows that compete: shown the same kind of picture, in the same setting and part.
_Contest = tuple[str, Setting, str]


def _contest(standing: Standing) -> _Contest:
    return standing.group.control.value, standing.setting, standing.part


def _cell(standing: Standing, metric: str, best: dict[_Contest, float]) -> str:
    found = standing.metrics.get(metric)
    value = reported(metric, found.mean) if found is not None else None
    if value is None:
        return "–"  # noqa: RUF001 - a dash in a table cell
    text = f"{value:.2f}" if metric != "length" else f"{value:.1f}"
    return f"[green]{text}[/green]" if value == best.get(_contest(standing)) else text


def _best(board: Leaderboard, metric: str) -> dict[_Contest, float]:
    """The best value where several rows compete; length has none."""
    if metric == "length":
        return {}
    rivals = Counter(map(_contest, board.standings))
    best: dict[_Contest, float] = {}
    for standing in board.standings:
        found = standing.metrics.get(metric)
        value = reported(metric, found.mean) if found is not None else None
        place = _contest(standing)
        if value is not None and rivals[place] > 1 and value > best.get(place, 0.0):
            best[place] = value
    return best


def _notes(board: Leaderboard) -> list[str]:
    notes = [
        "Means over questions, times 100; len: mean length in tokens. title: whether the "
        "instruction names it. n: answers scored; uns: of these, without a value for at least "
        "one metric; cut: ended by the token limit. Signatures are in the JSON file."
    ]
    replicates = max((standing.replicates for standing in board.standings), default=1)
    if replicates > 1:
        notes.append(
            f"Each question is asked {replicates} times: a question's scores are averaged first, "
            "and the means are over questions."
        )
    if board.partly_scored:
        counts = ", ".join(f"{name} {count}" for name, count in board.partly_scored.items())
        notes.append(
            "Metrics that not all the scored answers were scored by, whose means are not to be "
            f"compared with the others: {counts}; expart sweep rescore scores all alike."
        )
    if board.missing_shards:
        notes.append(
            f"Shards that have not begun, whose questions are not counted: "
            f"{', '.join(board.missing_shards)}."
        )
    if board.stale_shards:
        notes.append(
            f"Shards planned from another spec, dataset or models than the last one, whose "
            f"questions are not counted until they are run again: {', '.join(board.stale_shards)}."
        )
    if board.failures:
        reasons = ", ".join(f"{reason} {count}" for reason, count in sorted(board.failures.items()))
        notes.append(f"Failed, counted apart and not scored: {reasons}.")
    if board.to_ask_again:
        notes.append(
            f"{board.to_ask_again} of these failed for a reason that may pass; run the sweep again."
        )
    if board.pending:
        notes.append(f"Questions without a result yet: {board.pending}; run the sweep again.")
    return notes
