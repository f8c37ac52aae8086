"""What a comparison of two sweeps says. Values are as the metrics give them, mostly 0 to 1."""

from collections.abc import Mapping
from dataclasses import dataclass

from services.benchmark.records import Setting
from services.sweep.report.model import Contrast, Resampling
from services.sweep.spec.controls import Control


@dataclass(frozen=True, slots=True)
class MetricChange:
    """How one metric changed in one setting and part, over the questions scored in both sweeps.

    Attributes:
        metric: The metric.
        setting: With Title or Without Title.
        part: ``seen``, ``unseen`` or ``all``.
        old: Mean in the old sweep over these questions; none where there is none.
        new: Mean in the new one.
        contrast: New minus old, paired by question; Holm-corrected over the models compared, for
            this metric, setting and part.
        old_scored: Questions with a value in the old sweep, with or without one in the new.
        new_scored: The same of the new sweep.
        rose: Questions whose value is greater in the new sweep.
        fell: Questions whose value is less.
        same: Questions whose value is the same.
    """

    metric: str
    setting: Setting
    part: str
    old: float | None
    new: float | None
    contrast: Contrast
    old_scored: int
    new_scored: int
    rose: int
    fell: int
    same: int


@dataclass(frozen=True, slots=True)
class AnswerChanges:
    """What became of the answers to the questions of both sweeps, in one setting.

    Attributes:
        setting: With Title or Without Title.
        planned: Answers planned in both; each replicate of a question is one.
        given: Those of them that both have given.
        changed: Those of these whose text differs.
        newly_failed: Scored in the old sweep, failed in the new one.
        mended: Failed in the old sweep, scored in the new one.
        pending: Scored in the old sweep, and without a result yet in the new one.
    """

    setting: Setting
    planned: int
    given: int
    changed: int
    newly_failed: int
    mended: int
    pending: int


@dataclass(frozen=True, slots=True)
class ModelChange:
    """How one model, asked in one way, changed.

    Attributes:
        label: How tables name it.
        control: Which picture was shown.
        old_revision: Revision of the weights in the old sweep.
        new_revision: The same in the new one.
        answers: What became of its answers, by setting.
        metrics: Its metrics by metric, setting and part.
    """

    label: str
    control: Control
    old_revision: str
    new_revision: str
    answers: tuple[AnswerChanges, ...]
    metrics: tuple[MetricChange, ...]


@dataclass(frozen=True, slots=True)
class QuestionChange:
    """How one question's value changed.

    Attributes:
        label: How tables name the model.
        metric: The metric.
        question: Names the question in its setting.
        title: Title of its artwork.
        old: Value in the old sweep, the mean over replicates.
        new: Value in the new one.
    """

    label: str
    metric: str
    question: str
    title: str
    old: float
    new: float

    @property
    def difference(self) -> float:
        """New minus old."""
        return self.new - self.old


@dataclass(frozen=True, slots=True)
class SweepComparison:
    """Two sweeps of the same questions.

    Attributes:
        old: The old sweep's output.
        new: The new sweep's output.
        models: The models that both have.
        only_old: Those that the old sweep alone has.
        only_new: Those that the new sweep alone has.
        metrics: Names of the metrics that both have, in the order of the published tables.
        signatures: Signature of each metric's means, which is the same in both.
        largest: For each metric the largest changes of single questions, the largest first.
        resampling: How intervals and p-values were computed.
    """

    old: str
    new: str
    models: tuple[ModelChange, ...]
    only_old: tuple[str, ...]
    only_new: tuple[str, ...]
    metrics: tuple[str, ...]
    signatures: Mapping[str, str]
    largest: tuple[QuestionChange, ...]
    resampling: Resampling
