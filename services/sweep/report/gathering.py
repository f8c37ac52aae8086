"""Gathers the results of sweeps into the arrays that a report is made from."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from services.benchmark.records import Part, Setting
from services.core.errors import UserInputError
from services.metrics.options import ScoringOptions
from services.metrics.registry import METRICS
from services.sweep.report.evidence import PARTS, SETTINGS, AskedQuestion, Evidence
from services.sweep.report.model import Contender
from services.sweep.report.sources import Source
from services.sweep.results.stored_columns import Codes, combined
from services.sweep.results.stored_plan import StoredPlan
from services.sweep.spec.controls import Control
from services.sweep.spec.scoring_options import options_of

# What tells the contenders of one sweep apart, besides model and adapter.
_ASKED = ("revision", "prompt", "sampling_name", "control")

# A revision is named by as many characters in labels, as git does.
_SHORT = 8


def gather_evidence(sources: Sequence[Source], metrics: Sequence[str] = ()) -> Evidence:
    """Gathers the results of sweeps.

    Args:
        sources: The sweeps.
        metrics: The metrics to report; by default all that were computed.

    Raises:
        UserInputError: A metric is not known or was not computed, or its scores carry different
            signatures.
    """
    chosen = _metrics(sources, metrics)
    signatures = {metric: _signature(sources, metric) for metric in chosen}
    offsets = np.cumsum([0, *(len(source.plan) for source in sources)])
    contenders: list[Contender] = []
    codes: list[Codes] = []
    for source in sources:
        own, column = _contenders(source)
        codes.append(column + np.int32(len(contenders)))
        contenders += own
    asked = _Asked()
    question = np.concatenate([asked.number(source.plan) for source in sources])
    questions = tuple(asked.questions)
    failed = [source.scores.failures.is_failed & ~source.scores.is_scored for source in sources]
    return Evidence(
        sources=tuple(sources),
        offsets=tuple(offsets.tolist()),
        contenders=_labelled(contenders, sources),
        questions=questions,
        artworks=tuple(asked.artworks),
        pair_count=len(asked.pairs),
        contender=np.concatenate(codes),
        question=question,
        pair=_column(one.pair for one in questions)[question],
        artwork=_column(one.artwork_code for one in questions)[question],
        setting=_column(SETTINGS.index(one.setting) for one in questions)[question],
        part=_column(-1 if one.part is None else PARTS.index(one.part) for one in questions)[
            question
        ],
        replicate=np.concatenate([source.plan.replicate for source in sources]),
        is_generated=np.concatenate([source.scores.is_generated for source in sources]),
        is_scored=np.concatenate([source.scores.is_scored for source in sources]),
        is_failed=np.concatenate(failed),
        is_truncated=np.concatenate([source.scores.is_truncated for source in sources]),
        metrics=chosen,
        signatures=signatures,
        scoring=_scoring(sources, signatures),
    )


class _Asked:
    """Numbers questions, pairs and artworks over all sweeps as they come."""

    def __init__(self) -> None:
        self.questions: list[AskedQuestion] = []
        self.artworks: dict[str, int] = {}
        self.pairs: dict[tuple[str, str], int] = {}
        self._numbers: dict[tuple[str, str, str], int] = {}

    def number(self, plan: StoredPlan) -> Codes:
        """The number of each planned row's question."""
        names = [plan.columns[name] for name in ("split", "question", "setting")]
        _, first, inverse = np.unique(combined(names), return_index=True, return_inverse=True)
        # In the order of the plan.
        order = np.argsort(first, kind="stable")
        numbers = np.empty(len(first), np.int32)
        for at in order.tolist():
            numbers[at] = self._of(plan, int(first[at]))
        found: Codes = numbers[inverse]
        return found

    def _of(self, plan: StoredPlan, place: int) -> int:
        split, record, setting = (plan.text(n, place) for n in ("split", "question", "setting"))
        name = (split, record, setting)
        if name not in self._numbers:
            self._numbers[name] = len(self.questions)
            question_id, artwork = (plan.text(n, place) for n in ("question_id", "artwork"))
            part = plan.text("part", place)
            self.questions.append(
                AskedQuestion(
                    split=split,
                    record=record,
                    question_id=question_id,
                    artwork=artwork,
                    title=plan.text("title", place),
                    section=plan.text("section", place),
                    setting=Setting(setting),
                    part=Part(part) if part else None,
                    pair=self.pairs.setdefault((split, question_id), len(self.pairs)),
                    artwork_code=self.artworks.setdefault(artwork, len(self.artworks)),
                )
            )
        return self._numbers[name]


def _column(values: Iterable[int]) -> Codes:
    return np.fromiter(values, np.int32)


def _contenders(source: Source) -> tuple[list[Contender], Codes]:
    """A sweep's contenders in the order of its spec, and the place of each row's among them."""
    plan = source.plan
    columns = [plan.model, *(plan.columns[name] for name in _ASKED)]
    _, first, inverse = np.unique(combined(columns), return_index=True, return_inverse=True)
    found = []
    for place in first.tolist():
        model, revision, prompt, sampling, control = (column.text(place) for column in columns)
        found.append(
            Contender("", source.name, model, revision, prompt, sampling, Control(control))
        )
    # The codes of a plan are in its order; controls come in their own, the right picture first.
    columns_of = [_rank(plan, place) for place in first.tolist()]
    order = sorted(range(len(found)), key=columns_of.__getitem__)
    ranks = np.empty(len(order), np.int32)
    ranks[order] = np.arange(len(order), dtype=np.int32)
    codes: Codes = ranks[inverse]
    return [found[at] for at in order], codes


def _rank(plan: StoredPlan, place: int) -> tuple[int, ...]:
    columns = [plan.model, *(plan.columns[name] for name in _ASKED[:-1])]
    control = list(Control).index(Control(plan.text("control", place)))
    return (*(int(column.codes[place]) for column in columns), control)


def _labelled(contenders: Sequence[Contender], sources: Sequence[Source]) -> tuple[Contender, ...]:
    """Names each contender by its model, and by what else tells contenders apart."""
    prompts = {one.prompt for one in contenders}
    samplings = {one.sampling for one in contenders}
    revisions = Counter(model for model, _ in {(one.model, one.revision) for one in contenders})
    labels = []
    for one in contenders:
        named = [one.model]
        named += [one.revision[:_SHORT]] * (revisions[one.model] > 1)
        named += [one.prompt] * (len(prompts) > 1)
        named += [one.sampling] * (len(samplings) > 1)
        named += [one.control.replace("_", " ")] * (one.control is not Control.NONE)
        labels.append(", ".join(named))
    if len(set(labels)) < len(labels) and len(sources) > 1:
        labels = [
            f"{label}, {one.sweep}" if labels.count(label) > 1 else label
            for label, one in zip(labels, contenders, strict=True)
        ]
    return tuple(replace(one, label=label) for label, one in zip(labels, contenders, strict=True))


def _metrics(sources: Sequence[Source], wanted: Sequence[str]) -> tuple[str, ...]:
    computed = {metric for source in sources for metric in source.metrics}
    for name in wanted:
        if name not in METRICS:
            raise UserInputError(f"there is no metric '{name}'; there are {', '.join(METRICS)}")
        if name not in computed:
            known = ", ".join(metric for metric in METRICS if metric in computed) or "none"
            raise UserInputError(f"no answer was scored by '{name}'; computed were {known}")
    return tuple(
        metric for metric in METRICS if metric in computed and (not wanted or metric in wanted)
    )


def _signature(sources: Sequence[Source], metric: str) -> str:
    first: tuple[str, str] | None = None
    for source in sources:
        if metric not in source.metrics:
            continue
        for signature in source.scores.signatures(metric):
            if first is None:
                first = (source.output, signature)
            elif signature != first[1]:
                where = (
                    source.output
                    if source.output == first[0]
                    else f"{first[0]} and {source.output}"
                )
                raise UserInputError(
                    f"{where}: scores of {metric} carry different signatures and cannot stand in "
                    f"one report: {first[1]} and {signature}; expart sweep rescore "
                    f"{source.outputs[0]} scores them alike"
                )
    return "" if first is None else first[1]


def _scoring(sources: Sequence[Source], signatures: dict[str, str]) -> ScoringOptions:
    """The choices whose signatures are those that are stored, or as many of them as can be."""
    known = [options_of(source.spec.scoring_options) for source in sources]
    for source in sources:
        for manifest in source.manifests:
            known += [options_of(scoring.options) for scoring in reversed(manifest.scorings)]

    def agreeing(options: ScoringOptions) -> int:
        return sum(
            METRICS[metric].sign(options) == signature
            for metric, signature in signatures.items()
            if METRICS[metric].is_available(options)
        )

    return max(known, key=agreeing)
