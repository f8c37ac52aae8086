"""Scores a file from its opening to its summary."""

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from services.core.errors import UserInputError
from services.metrics.options import GeneratedEntitiesRule
from services.scoring.score_file.output import ScoreOutput
from services.scoring.score_file.progress import ScoringProgress
from services.scoring.score_file.row_scorer import RowScorer, ScoringChoice
from services.scoring.score_file.run import score_rows
from services.scoring.score_file.source import RowSource, open_source
from services.scoring.score_file.summary import FileSummary, MetricSummary
from services.scoring.score_file.tally import Tally


@dataclass(frozen=True, slots=True)
class ScoreFileJob:
    """What is to be scored, and where the scores go.

    Attributes:
        file: The file; ``-`` for standard input.
        choice: What every row is asked for.
        out: Where the scores of every row go, if anywhere.
        overwrite: Whether that may replace a file.
        skip_bad: Whether to count broken rows and go on, instead of ending at the first.
    """

    file: str
    choice: ScoringChoice
    out: Path | None
    overwrite: bool
    skip_bad: bool


async def score_file(job: ScoreFileJob, scorer: RowScorer, console: Console) -> FileSummary:
    """Scores a file.

    Args:
        job: What is to be scored.
        scorer: Scores it; not yet entered.
        console: Where progress is shown.

    Raises:
        UserInputError: The file, a row of it or the output is wrong, or there is nothing to score.
        ExpArtError: No row can be scored any more.
    """
    given = job.choice.options.generated_entities is GeneratedEntitiesRule.GIVEN
    with ExitStack() as files:
        source = files.enter_context(open_source(job.file, wants_candidate_entities=given))
        output = _make_output(job)
        if output is not None:
            files.enter_context(output)
        return await _score(job, source, scorer, output, console)


def _make_output(job: ScoreFileJob) -> ScoreOutput | None:
    if job.out is None:
        return None
    if job.out.exists() and Path(job.file).exists() and job.out.samefile(job.file):
        raise UserInputError(f"--out {job.out}: is the file that is scored")
    return ScoreOutput(job.out, overwrite=job.overwrite)


async def _score(
    job: ScoreFileJob,
    source: RowSource,
    scorer: RowScorer,
    output: ScoreOutput | None,
    console: Console,
) -> FileSummary:
    async with scorer:
        if output is not None:
            output.begin(scorer.metrics, with_problems=job.skip_bad)
        tally = Tally(scorer.metrics)
        with ScoringProgress(console) as progress:
            await score_rows(source, scorer, tally, output, progress, skip_bad=job.skip_bad)
            elapsed_s = progress.elapsed_s
    if not tally.scored_count:
        raise _nothing_scored(source, tally)
    summary = FileSummary(
        file=source.name,
        unit=source.unit,
        place=scorer.place,
        scored_count=tally.scored_count,
        skipped_count=tally.skipped_count,
        first_broken=tally.first_broken,
        metrics=[MetricSummary(metric, sums) for metric, sums in tally.results().items()],
        elapsed_s=elapsed_s,
    )
    if output is not None:
        output.finish(summary.to_json())
    return summary


def _nothing_scored(source: RowSource, tally: Tally) -> UserInputError:
    if not tally.skipped_count:
        return UserInputError(f"{source.name}: has no rows")
    first = tally.first_broken[0].describe(source.unit)
    return UserInputError(
        f"{source.name}: all of its {tally.skipped_count:,} rows are broken; the first: {first}"
    )
