"""A report made by hand, for the tests of what writes reports out.

Two models compete, one of them also under the wrong_image control; both settings, all parts, 60
questions on 30 artworks seen and 40 on 20 unseen, each asked twice. Names are hostile to HTML,
LaTeX and Markdown on purpose.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import combinations

from services.benchmark.records import Setting
from services.sweep.progress.costs import ModelCost
from services.sweep.report.knowledge.model import (
    Correlations,
    EntityKnowledge,
    EntityStanding,
    LengthBin,
    LengthCurve,
    Pace,
)
from services.sweep.report.model import (
    Comparison,
    Contender,
    Contrast,
    Counts,
    Estimate,
    Gap,
    GapKind,
    Interval,
    MetricResult,
    MetricSignature,
    PublishedRow,
    Report,
    Resampling,
    Row,
    SweepInfo,
)
from services.sweep.spec.controls import Control

HOSTILE_TO_LATEX = "a_b%$#\\"
HOSTILE_TO_HTML = '<b>&"x'
NOW = datetime(2026, 1, 1, tzinfo=UTC)
PARTS = ("seen", "unseen", "all")

METRICS = ("bleu", "rouge_l", "ef1", "ec_exact", "ecooc_0", "ecooc_2", "length")

_WITH, _WITHOUT = Setting.WITH_TITLE, Setting.WITHOUT_TITLE

# Means of seen and of unseen artworks; `all` is 0.6 of the one and 0.4 of the other. Not there:
# rouge_l was not computed under the control, and nothing is scorable for ecooc_2.
_MEANS: Mapping[tuple[int, Setting], Mapping[str, tuple[float, float]]] = {
    (0, _WITH): {
        "bleu": (0.012, 0.010),
        "rouge_l": (0.16, 0.15),
        "ef1": (0.20, 0.15),
        "ec_exact": (0.18, 0.13),
        "ecooc_0": (0.02, 0.01),
        "length": (90.0, 95.0),
    },
    (1, _WITH): {
        "bleu": (0.011, 0.011),
        "rouge_l": (0.14, 0.14),
        "ef1": (0.30, 0.20),
        "ec_exact": (0.17, 0.135),
        "ecooc_0": (0.03, 0.02),
        "length": (120.0, 125.0),
    },
    (2, _WITH): {
        "bleu": (0.009, 0.009),
        "ef1": (0.12, 0.11),
        "ec_exact": (0.10, 0.10),
        "ecooc_0": (0.01, 0.01),
        "length": (91.0, 96.0),
    },
    (0, _WITHOUT): {
        "bleu": (0.004, 0.003),
        "rouge_l": (0.13, 0.12),
        "ef1": (0.08, 0.05),
        "ec_exact": (0.07, 0.05),
        "ecooc_0": (0.005, 0.005),
        "length": (82.0, 80.0),
    },
    (1, _WITHOUT): {
        "bleu": (0.003, 0.003),
        "rouge_l": (0.11, 0.11),
        "ef1": (0.10, 0.10),
        "ec_exact": (0.06, 0.06),
        "ecooc_0": (0.004, 0.004),
        "length": (110.0, 112.0),
    },
    (2, _WITHOUT): {
        "bleu": (0.002, 0.002),
        "ef1": (0.03, 0.03),
        "ec_exact": (0.03, 0.03),
        "ecooc_0": (0.002, 0.002),
        "length": (81.0, 79.0),
    },
}

# Half the width of every interval.
_SPREAD = {
    "bleu": 0.002,
    "rouge_l": 0.01,
    "ef1": 0.03,
    "ec_exact": 0.02,
    "ecooc_0": 0.005,
    "length": 4.0,
}

_QUESTIONS = {"seen": 60, "unseen": 40, "all": 100}
_ARTWORKS = {"seen": 30, "unseen": 20, "all": 50}
_NO_PAIRS = {"seen": 6, "unseen": 4, "all": 10}


def sample_report() -> Report:
    """The report: rows by contender, setting and part."""
    return Report(
        title="Sample sweep",
        made_at=NOW + timedelta(hours=2),
        sweeps=(_SWEEP,),
        contenders=_CONTENDERS,
        metrics=METRICS,
        signatures={
            metric: MetricSignature(
                f"{metric}|case:mixed|rules:expart-1|replicates:2-averaged-first",
                None if metric == "length" else f"{metric}|case:mixed|rules:expart-1|mean:micro",
            )
            for metric in METRICS
        },
        rows=tuple(_rows()),
        comparisons=tuple(_comparisons()),
        gaps=tuple(_gaps()),
        published=_PUBLISHED,
        resampling=Resampling(resamples=10_000, seed=7, artworks=50),
        entities=_ENTITIES,
        correlations=_CORRELATIONS,
        lengths=tuple(_lengths()),
        pace=_PACE,
    )


def bare_report() -> Report:
    """One model, one setting, one question: nothing can be compared, nothing is known beside."""
    one = Estimate(0.5, None, 1, 1)
    row = Row(
        contender=0,
        setting=_WITH,
        part="seen",
        counts=Counts(1, 1, 1, 1, 0, 0, 0, 0),
        metrics={"ef1": MetricResult(one, None, None, {})},
    )
    report = sample_report()
    return replace(
        report,
        contenders=report.contenders[:1],
        metrics=("ef1",),
        signatures={"ef1": MetricSignature("ef1|rules:expart-1", None)},
        rows=(row, replace(row, part="all")),
        comparisons=(),
        gaps=(),
        published=(),
        resampling=Resampling(10_000, 7, 1),
        entities=None,
        correlations=None,
        lengths=(),
        pace=(),
    )


def crowded_report(contenders: int) -> Report:
    """The sample with as many contenders as are wanted, all shown the right pictures."""
    report = sample_report()
    first_rows = [row for row in report.rows if row.contender == 0]
    (comparison, *_) = report.comparisons
    titles = [gap for gap in report.gaps if gap.contender == 0 and gap.kind is GapKind.TITLE]
    return replace(
        report,
        contenders=tuple(
            replace(report.contenders[0], label=f"model-{number}", model=f"model-{number}")
            for number in range(contenders)
        ),
        rows=tuple(
            replace(row, contender=number) for number in range(contenders) for row in first_rows
        ),
        comparisons=tuple(
            replace(comparison, first=first, second=second)
            for first, second in combinations(range(contenders), 2)
        ),
        gaps=tuple(replace(gap, contender=n) for n in range(contenders) for gap in titles),
        entities=None,
        lengths=(),
    )


def _mean(contender: int, setting: Setting, part: str, metric: str) -> float | None:
    found = _MEANS[contender, setting].get(metric)
    if found is None:
        return None
    seen, unseen = found
    return {"seen": seen, "unseen": unseen, "all": 0.6 * seen + 0.4 * unseen}[part]


def _rows() -> Iterator[Row]:
    for contender in range(3):
        for setting in Setting:
            for part in PARTS:
                yield Row(
                    contender=contender,
                    setting=setting,
                    part=part,
                    counts=_counts(part),
                    metrics={
                        metric: _result(contender, setting, part, metric)
                        for metric in METRICS
                        if metric == "ecooc_2" or metric in _MEANS[contender, setting]
                    },
                )


def _counts(part: str) -> Counts:
    """All planned answers but four of each part are scored: one has failed, three are pending."""
    planned = 2 * _QUESTIONS[part]
    parts = 2 if part == "all" else 1
    return Counts(
        questions=_QUESTIONS[part],
        replicates=2,
        planned=planned,
        scored=planned - 4 * parts,
        unscorable=2 * _NO_PAIRS[part],
        failed=parts,
        pending=3 * parts,
        truncated=5 * parts,
    )


def _result(contender: int, setting: Setting, part: str, metric: str) -> MetricResult:
    value = _mean(contender, setting, part, metric)
    questions, artworks = _QUESTIONS[part], _ARTWORKS[part]
    if value is None:
        nothing = Estimate(None, None, 0, 0)
        return MetricResult(nothing, nothing, None, {"NO_ENTITIES": questions})
    spread = _SPREAD[metric]
    left_out = _NO_PAIRS[part] if metric == "ecooc_0" else 0
    scored = questions - left_out
    macro = Estimate(value, Interval(value - spread, value + spread), scored, artworks)
    return MetricResult(
        macro=macro,
        micro=None if metric == "length" else replace(macro, value=value / 2, interval=None),
        mean_with_zeros=value * scored / questions if left_out else None,
        unscorable={"NO_REFERENCE_PAIRS": left_out} if left_out else {},
    )


def _contrast(
    difference: float | None, spread: float, p: float, corrected: float, part: str
) -> Contrast:
    if difference is None:
        return Contrast(None, None, None, None, 0, 0)
    return Contrast(
        difference=difference,
        interval=Interval(difference - spread, difference + spread),
        p=p,
        p_corrected=corrected,
        questions=_QUESTIONS[part],
        artworks=_ARTWORKS[part],
    )


def _difference(minuend: float | None, subtrahend: float | None) -> float | None:
    return None if minuend is None or subtrahend is None else minuend - subtrahend


def _comparisons() -> Iterator[Comparison]:
    """The two models: ef1 differs significantly with the title, nothing else does."""
    for metric in METRICS:
        for setting in Setting:
            for part in PARTS:
                first, second = (_mean(number, setting, part, metric) for number in (0, 1))
                certain = metric == "ef1" and setting is _WITH
                yield Comparison(
                    metric=metric,
                    setting=setting,
                    part=part,
                    first=0,
                    second=1,
                    contrast=_contrast(
                        _difference(first, second),
                        0.01 if certain else 0.2,
                        0.0001 if certain else 0.2,
                        0.0001 if certain else 0.4,
                        part,
                    ),
                )


def _gaps() -> Iterator[Gap]:
    for metric in METRICS:
        for contender in (0, 1):
            for part in PARTS:
                with_title, without = (_mean(contender, s, part, metric) for s in Setting)
                gap = _contrast(_difference(with_title, without), 0.02, 0.0002, 0.0004, part)
                yield Gap(GapKind.TITLE, contender, metric, None, part, gap)
            for setting in Setting:
                seen, unseen = (_mean(contender, setting, part, metric) for part in PARTS[:2])
                gap = _contrast(_difference(seen, unseen), 0.06, 0.3, 0.6, "unseen")
                yield Gap(GapKind.SEEN, contender, metric, setting, "all", gap)
        for setting in Setting:
            for part in PARTS:
                own, wrong = (_mean(number, setting, part, metric) for number in (0, 2))
                gap = _contrast(_difference(own, wrong), 0.03, 0.002, 0.002, part)
                yield Gap(GapKind.WRONG_IMAGE, 0, metric, setting, part, gap)


def _lengths() -> Iterator[LengthCurve]:
    for contender in (0, 1):
        for setting in Setting:
            low = 0.05 if setting is _WITHOUT else 0.10
            yield LengthCurve(
                contender,
                setting,
                tuple(LengthBin(20.0 + 30 * n, low + 0.02 * n, 20) for n in range(5)),
            )


_CONTENDERS = (
    Contender(HOSTILE_TO_LATEX, "sample", HOSTILE_TO_LATEX, "r1", "paper", "greedy", Control.NONE),
    Contender(HOSTILE_TO_HTML, "sample", HOSTILE_TO_HTML, "r2", "paper", "greedy", Control.NONE),
    Contender(
        f"{HOSTILE_TO_LATEX} wrong_image",
        "sample",
        HOSTILE_TO_LATEX,
        "r1",
        "paper",
        "greedy",
        Control.WRONG_IMAGE,
    ),
)

_SWEEP = SweepInfo(
    name="sample",
    output="results/<sample>",
    dataset="data/expart-mini",
    dataset_revision="3b59b4f",
    dataset_digest="sha256:0123456789abcdef",
    currency="EUR",
    costs=(
        ModelCost(HOSTILE_TO_LATEX, 800, 400_000, 80_000, 1600.0, 400.0, 400.0, 2.0),
        ModelCost(HOSTILE_TO_HTML, 400, 200_000, 60_000, 1200.0, 300.0, 600.0),
    ),
    attested={
        HOSTILE_TO_LATEX: ("vllm 0.32.0, bfloat16", "4 GPUs"),
        HOSTILE_TO_HTML: ("scripted 1, float32",),
    },
    versions={"python": "3.11.9", "expart-serving": "0.1.0"},
    failures={"DEADLINE_EXCEEDED": 9, "IMAGE_MISSING": 3},
    planned_at=NOW,
    ended_at=NOW + timedelta(hours=1),
    notes=("Shards that have not begun: 00003-of-00004.",),
)

_PUBLISHED = (
    PublishedRow(
        "Published & <model>",
        _WITH,
        {"bleu": 0.0118, "ef1": 0.1693, "bertscore": 0.8362, "length": 91.3},
        "A paper, Table 1",
        "1,199 test questions, a 25 % sample",
    ),
    PublishedRow(
        "Published & <model>",
        _WITHOUT,
        {"bleu": 0.0029, "ef1": 0.0595, "bertscore": 0.8265, "length": 82.1},
        "A paper, Table 1",
        "1,199 test questions, a 25 % sample",
    ),
)

_LOUVRE = EntityStanding("Louvre", 80, (40, 40, 0), (10, 20, 0), (3, 0, 0))
_HOSTILE_ENTITY = EntityStanding("</script><i>Paris", 60, (30, 30, 0), (0, 3, 0), (0, 5, 0))
_FLORENCE = EntityStanding("Florence", 20, (10, 10, 0), (9, 10, 0), (0, 0, 0))

_ENTITIES = EntityKnowledge(
    distinct=12,
    coverage_counts=((4, 3, 2, 1, 1, 1), (2, 2, 2, 2, 2, 2), (12, 0, 0, 0, 0, 0)),
    most_asked=(_LOUVRE, _HOSTILE_ENTITY, _FLORENCE),
    most_missed=(_HOSTILE_ENTITY, _LOUVRE, _FLORENCE),
    most_repeated=(_HOSTILE_ENTITY, _LOUVRE),
    most_known=(_FLORENCE, _LOUVRE),
)

_CORRELATIONS = Correlations(
    metrics=("bleu", "ef1", "ecooc_2", "length"),
    values=(
        (1.0, 0.5, None, -0.2),
        (0.5, 1.0, None, 0.3),
        (None, None, None, None),
        (-0.2, 0.3, None, 1.0),
    ),
    answers=392,
)

_PACE = (
    Pace(
        label=HOSTILE_TO_LATEX,
        sweep="sample",
        answers=800,
        began_at=NOW,
        ended_at=NOW + timedelta(seconds=400),
        bin_s=100.0,
        rates=(1.0, 2.5, 2.5, 2.0),
        total_s=(1.2, 3.0, 6.5),
        first_token_s=(0.2, 0.5, 1.1),
        tokens_per_s=42.0,
    ),
    Pace(
        label=HOSTILE_TO_HTML,
        sweep="sample",
        answers=400,
        began_at=NOW + timedelta(seconds=100),
        ended_at=NOW + timedelta(seconds=400),
        bin_s=100.0,
        rates=(0.0, 1.0, 2.0, 1.0),
        total_s=(0.8, 1.5, 2.0),
        first_token_s=(0.1, 0.2, 0.4),
        tokens_per_s=30.5,
    ),
)
