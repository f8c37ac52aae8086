"""Everything that a report is made from, as arrays: one row a planned answer, over all sweeps."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from services.benchmark.records import Part, Setting
from services.metrics.options import ScoringOptions
from services.metrics.registry import METRICS
from services.metrics.score_columns import ScoreColumns
from services.sweep.report.model import Contender
from services.sweep.report.sources import Source
from services.sweep.results.rows import Table
from services.sweep.results.stored_columns import Codes, Indices, Mask, chunks, microseconds

SETTINGS: tuple[Setting, ...] = tuple(Setting)
"""The settings by their numbers in :attr:`Evidence.setting`."""

PARTS: tuple[Part, ...] = tuple(Part)
"""The parts by their numbers in :attr:`Evidence.part`; -1 stands for none, as of train and dev."""

# Texts are long: fewer rows are held together than of numbers.
_ROWS_OF_TEXTS = 8 * 1024


@dataclass(frozen=True, slots=True)
class AskedQuestion:
    """A question in one setting, as the plan has it.

    Attributes:
        split: The file that it comes from.
        record: The record's own id.
        question_id: What the two settings of one question share.
        artwork: Names the artwork.
        title: The artwork's title.
        section: The topic asked for; may be empty.
        setting: With Title or Without Title.
        part: Part of the test; none for train and dev.
        pair: Number that the two settings of one question share; see :attr:`Evidence.pair`.
        artwork_code: Number of the artwork; see :attr:`Evidence.artwork`.
    """

    split: str
    record: str
    question_id: str
    artwork: str
    title: str
    section: str
    setting: Setting
    part: Part | None
    pair: int
    artwork_code: int

    @property
    def name(self) -> str:
        """Names it once in its dataset, as :attr:`services.benchmark.records.Question.name`."""
        return f"{self.split}/{self.record}/{self.setting}"


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """All planned answers of a report; each replicate of a question is one.

    The rows of one sweep follow each other, in the order of its plan, and those of ``sources[s]``
    are ``offsets[s]`` to ``offsets[s + 1]``.

    Attributes:
        sources: The sweeps.
        offsets: Where each sweep's rows begin, and the number of rows in all.
        contenders: What is compared, in the order of the specs.
        questions: The distinct questions in their settings, in the order of the plans.
        artworks: Names of the distinct artworks.
        pair_count: How many distinct questions there are, whatever their settings.
        contender: For each row its contender's place among ``contenders``.
        question: Its question's place among ``questions``: equal over contenders where the same
            is asked in the same setting, whatever picture is shown.
        pair: Number of its question that is the same in both settings.
        artwork: Its artwork's place among ``artworks``.
        setting: Its setting's place among :data:`SETTINGS`.
        part: Its part's place among :data:`PARTS`, or -1.
        replicate: Number of the replicate, from 0.
        is_generated: Whether there is an explanation.
        is_scored: Whether it has scores, be they values or reasons why there is none.
        is_failed: Whether it failed, and is not scored.
        is_truncated: Whether the explanation was cut off by the token limit.
        metrics: Names of the metrics of the report, in the order of the published tables.
        signatures: Signature of each metric's scores.
        scoring: The choices by which answers were scored.
    """

    sources: tuple[Source, ...]
    offsets: tuple[int, ...]
    contenders: tuple[Contender, ...]
    questions: tuple[AskedQuestion, ...]
    artworks: tuple[str, ...]
    pair_count: int
    contender: Codes
    question: Codes
    pair: Codes
    artwork: Codes
    setting: Codes
    part: Codes
    replicate: Indices
    is_generated: Mask
    is_scored: Mask
    is_failed: Mask
    is_truncated: Mask
    metrics: tuple[str, ...]
    signatures: Mapping[str, str]
    scoring: ScoringOptions

    def __len__(self) -> int:
        """How many answers are planned."""
        return self.offsets[-1]

    def rows(self, contender: int, setting: Setting | None = None, part: str = "all") -> Indices:
        """Rows of one contender.

        Args:
            contender: Its place.
            setting: With Title or Without Title; by default both.
            part: ``seen``, ``unseen``, or ``all``, to which the questions of train and dev belong.
        """
        chosen: Mask = self.contender == contender
        if setting is not None:
            chosen = chosen & (self.setting == SETTINGS.index(setting))
        if part != "all":
            chosen = chosen & (self.part == PARTS.index(Part(part)))
        found: Indices = np.flatnonzero(chosen)
        return found

    def scores(self, metric: str, rows: Indices) -> tuple[Indices, ScoreColumns]:
        """One metric's scores of those of these rows that have one, and which rows these are.

        Args:
            metric: The metric's name.
            rows: Rows in ascending order.
        """
        found: list[Indices] = []
        columns: list[ScoreColumns] = []
        for source, begin, places in self._by_source(rows):
            if metric not in source.metrics:
                continue
            present, scores = source.scores.scores(metric, places)
            if len(present):
                found.append(present + begin)
                columns.append(scores)
        if len(columns) == 1:
            return found[0], columns[0]
        width = len(METRICS[metric].statistic_names)
        return (
            np.concatenate([*found, np.zeros(0, np.int64)]),
            ScoreColumns(
                metric=metric,
                signature=columns[0].signature if columns else "",
                values=_joined([one.values for one in columns]),
                reasons=np.concatenate([*(c.reasons for c in columns), np.zeros(0, np.int8)]),
                statistics=np.concatenate([*(c.statistics for c in columns), np.zeros((0, width))]),
            ),
        )

    def values(self, metric: str) -> npt.NDArray[np.float64]:
        """One metric's value of every row; not a number where there is none."""
        every: Indices = np.arange(len(self), dtype=np.int64)
        rows, scores = self.scores(metric, every)
        found = np.full(len(self), np.nan)
        found[rows] = np.where(scores.is_scorable, scores.values, np.nan)
        return found

    def unscorable_count(self, rows: Indices) -> int:
        """For how many of these rows, in ascending order, at least one metric has no value."""
        return sum(
            int(np.count_nonzero(source.scores.is_unscorable(places)))
            for source, _, places in self._by_source(rows)
        )

    def answers(self, columns: Sequence[str]) -> Iterator[tuple[Indices, pa.RecordBatch]]:
        """Reads columns of the explanations that count, part by part, in no particular order.

        Args:
            columns: Names of columns of the table of explanations, such as ``text``.

        Yields:
            Rows, and as many rows of the columns; each row comes once at most.

        Raises:
            UserInputError: A table cannot be read.
        """
        wanted = list(dict.fromkeys(["key", "generated_at", *columns]))
        for source, begin in zip(self.sources, self.offsets, strict=False):
            waiting = source.scores.is_generated.copy()
            for tables in source.tables:
                for batch in chunks(tables.batches(Table.GENERATIONS, wanted), _ROWS_OF_TEXTS):
                    places = source.plan.places.find(batch.column("key"))
                    times = microseconds(batch.column("generated_at"))
                    # Of several explanations of one question the earliest counts.
                    counts = (places >= 0) & (times == source.scores.generated_at[places])
                    at = np.flatnonzero(counts & waiting[places])
                    at = at[np.sort(np.unique(places[at], return_index=True)[1])]
                    if not len(at):
                        continue
                    waiting[places[at]] = False
                    chosen = batch if len(at) == len(batch) else batch.take(pa.array(at))
                    yield begin + places[at], chosen.select(list(columns))

    def text(self, column: str, row: int) -> str:
        """What a column of the plan, such as ``image``, says of a row; empty for nothing."""
        source, place = self._locate(row)
        return source.plan.text(column, place)

    def key(self, row: int) -> str:
        """Key of a row: names its answer in the tables of its sweep."""
        source, place = self._locate(row)
        return source.plan.key(place)

    def source_of(self, row: int) -> Source:
        """The sweep that a row is of."""
        return self._locate(row)[0]

    def failure(self, row: int) -> str:
        """Why a row failed last; empty where it did not, or was scored after all."""
        source, place = self._locate(row)
        return source.scores.failures.reason(place) if self.is_failed[row] else ""

    def _locate(self, row: int) -> tuple[Source, int]:
        number = int(np.searchsorted(self.offsets, row, side="right")) - 1
        return self.sources[number], int(row) - self.offsets[number]

    def _by_source(self, rows: Indices) -> Iterator[tuple[Source, int, Indices]]:
        bounds = np.searchsorted(rows, self.offsets)
        for number, source in enumerate(self.sources):
            chosen = rows[bounds[number] : bounds[number + 1]]
            if len(chosen):
                yield source, self.offsets[number], chosen - self.offsets[number]


def _joined(parts: Sequence[npt.NDArray[np.float64]]) -> npt.NDArray[np.float64]:
    return np.concatenate([*parts, np.zeros(0)])
