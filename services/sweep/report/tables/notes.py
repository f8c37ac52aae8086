"""The notes under a report's tables: what the numbers are, and what is not as it should be."""

from services.sweep.leaderboard.standings import ALL_PARTS
from services.sweep.report.model import Report, Resampling, SweepInfo
from services.sweep.report.tables.layout import SIGNIFICANCE_LEVEL


def number_notes(report: Report) -> list[str]:
    """Says what the leaderboard's numbers are."""
    notes = [
        "Means over questions, times 100; len: mean length in tokens. title: whether the "
        "instruction names it. n: answers scored; uns: of these, without a value for at least "
        "one metric; fail: answers that failed, which are not scored; cut: ended by the token "
        "limit."
    ]
    replicates = max((row.counts.replicates for row in report.rows), default=1)
    if replicates > 1:
        notes.append(
            f"Each question is asked {replicates} times: a question's scores are averaged first, "
            "and the means are over questions."
        )
    notes.append(resampling_note(report.resampling))
    notes.append(best_note())
    return notes


def resampling_note(how: Resampling) -> str:
    """Says how intervals were computed."""
    return (
        f"Intervals are 95 % percentile intervals by the bootstrap over artworks, not questions: "
        f"{how.resamples:,} resamples of {how.artworks:,} "
        f"{'artwork' if how.artworks == 1 else 'artworks'}, seed {how.seed}."
    )


def best_note() -> str:
    """Says which numbers are marked as the best."""
    return (
        "Marked as the best: the greatest of the rows that compete, which have the same setting, "
        "part and picture. †: its lead over the next is not significant, or not tested."
    )


def difference_note() -> str:
    """Says what the numbers of the tables of differences and gaps are."""
    return (
        "Differences of means, times 100, over all parts of the test and the questions that both "
        "have, paired by question except for seen minus unseen; n: these questions, for the "
        f"metric with the most. *: significant, p < {SIGNIFICANCE_LEVEL} after Holm's correction. "
        "All parts, intervals and p-values are in comparisons.csv."
    )


def published_notes(report: Report) -> list[str]:
    """Says where the published rows come from, a note for each source and sample."""
    sources = dict.fromkeys((row.source, row.sample) for row in report.published)
    return [f"Not computed here: {source}; {sample}." for source, sample in sources]


def sweep_notes(report: Report) -> list[str]:
    """Says what is not as it should be."""
    notes: list[str] = []
    for sweep in report.sweeps:
        notes += [f"{_of(sweep, report)}{note}" for note in sweep.notes]
        if sweep.failures:
            reasons = ", ".join(f"{name} {n}" for name, n in sorted(sweep.failures.items()))
            notes.append(f"{_of(sweep, report)}Failed, counted apart and not scored: {reasons}.")
    pending = sum(row.counts.pending for row in report.rows if row.part == ALL_PARTS)
    if pending:
        notes.append(f"Answers without a result yet: {pending}; run the sweep again.")
    return notes


def signatures(report: Report) -> list[str]:
    """The signatures of the metrics' means, in the order of the columns."""
    return [report.signatures[name].macro for name in report.metrics if name in report.signatures]


def micro_note() -> str:
    """Says what the table of values from summed statistics shows."""
    return (
        "Computed from the statistics of all questions summed up, times 100: micro means, and "
        "corpus BLEU. The headline is the macro mean above."
    )


def micro_signatures(report: Report) -> list[str]:
    """The signatures of the values from summed statistics, in the order of the columns."""
    known = [report.signatures[name].micro for name in report.metrics if name in report.signatures]
    return [signature for signature in known if signature is not None]


def _of(sweep: SweepInfo, report: Report) -> str:
    return f"{sweep.name}: " if len(report.sweeps) > 1 else ""
