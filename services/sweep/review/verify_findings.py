"""What a verification finds, kind by kind, with examples."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

# More examples help nobody; the counts say how much there is.
MOST_EXAMPLES = 3


class Gravity(StrEnum):
    """How bad a finding is."""

    FAULT = "fault"
    """The tables contradict each other, the plan or themselves."""

    OPEN = "open"
    """Something is not done yet; running the sweep again does it."""

    NOTE = "note"
    """Nothing wrong, but worth knowing."""


class Kind(StrEnum):
    """What was found."""

    SHARD_NOT_BEGUN = "shard_not_begun"
    SPECS_DIFFER = "specs_differ"
    SPEC_CHANGED = "spec_changed"
    PLAN_UNFINISHED = "plan_unfinished"
    PLAN_CHANGED = "plan_changed"
    PLANNED_TWICE = "planned_twice"
    PLANNED_ELSEWHERE = "planned_elsewhere"
    WITHOUT_RESULT = "without_result"
    FAILED_FOR_NOW = "failed_for_now"
    FAILED_FOR_GOOD = "failed_for_good"
    GENERATED_TWICE = "generated_twice"
    GENERATED_OTHERWISE = "generated_otherwise"
    GENERATED_ELSEWHERE = "generated_elsewhere"
    NOT_PLANNED = "not_planned"
    UNSCORED = "unscored"
    SCORED_WITHOUT_ANSWER = "scored_without_answer"
    SCORED_TWICE = "scored_twice"
    SCORED_IN_PART = "scored_in_part"
    SCORE_MALFORMED = "score_malformed"
    SCORED_DIFFERENTLY = "scored_differently"
    SCORED_BEFORE = "scored_before"


@dataclass(frozen=True, slots=True)
class _Meaning:
    gravity: Gravity
    text: str


_F, _O, _N = Gravity.FAULT, Gravity.OPEN, Gravity.NOTE
_MEANINGS = {
    Kind.SHARD_NOT_BEGUN: _Meaning(_O, "shards of the present plan that have not begun"),
    Kind.SPECS_DIFFER: _Meaning(
        _O, "shards planned from something else than the last one; run them again"
    ),
    Kind.SPEC_CHANGED: _Meaning(_O, "spec that asks something else than what was planned last"),
    Kind.PLAN_UNFINISHED: _Meaning(_O, "shards whose plan was being replaced"),
    Kind.PLAN_CHANGED: _Meaning(_F, "shards whose plan is not the one that their manifest names"),
    Kind.PLANNED_TWICE: _Meaning(_F, "questions planned more than once"),
    Kind.PLANNED_ELSEWHERE: _Meaning(_F, "questions planned in a shard that is not theirs"),
    Kind.WITHOUT_RESULT: _Meaning(_O, "planned questions neither answered nor failed"),
    Kind.FAILED_FOR_NOW: _Meaning(_O, "questions that failed for a reason that may pass"),
    Kind.FAILED_FOR_GOOD: _Meaning(_N, "questions that failed for good, or have no picture"),
    Kind.GENERATED_TWICE: _Meaning(_F, "questions with more than one answer; the earliest counts"),
    Kind.GENERATED_OTHERWISE: _Meaning(_F, "answers to something else than what is planned"),
    Kind.GENERATED_ELSEWHERE: _Meaning(_F, "answers stored in a shard that is not theirs"),
    Kind.NOT_PLANNED: _Meaning(_N, "answers to questions of earlier specs, not planned now"),
    Kind.UNSCORED: _Meaning(_O, "answers without scores against the present reference"),
    Kind.SCORED_WITHOUT_ANSWER: _Meaning(_F, "scores of answers that are not stored"),
    Kind.SCORED_TWICE: _Meaning(_F, "scorings that hold a metric more than once"),
    Kind.SCORED_IN_PART: _Meaning(_F, "scorings with other metrics or signatures than they name"),
    Kind.SCORE_MALFORMED: _Meaning(_F, "scores that cannot be: out of range, or no number"),
    Kind.SCORED_DIFFERENTLY: _Meaning(
        _O, "scorings whose signatures differ from the last one's; expart sweep rescore mends it"
    ),
    Kind.SCORED_BEFORE: _Meaning(_N, "earlier scorings, which count no more"),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """Everything of one kind.

    Attributes:
        kind: The kind.
        count: How much of it there is.
        examples: The first few, for people.
    """

    kind: Kind
    count: int
    examples: tuple[str, ...]

    @property
    def gravity(self) -> Gravity:
        """How bad it is."""
        return _MEANINGS[self.kind].gravity

    def describe(self) -> str:
        """One line for people, and one for each example."""
        lines = [f"{self.gravity.value}: {self.count:,} {_MEANINGS[self.kind].text}"]
        lines += [f"  {example}" for example in self.examples]
        if self.examples and self.count > len(self.examples):
            lines.append(f"  and {self.count - len(self.examples):,} more")
        return "\n".join(lines)


@dataclass(slots=True)
class Findings:
    """Collects findings as they come."""

    _counts: dict[Kind, int] = field(default_factory=dict)
    _examples: dict[Kind, list[str]] = field(default_factory=dict)

    def add(self, kind: Kind, count: int, examples: Iterable[str] = ()) -> None:
        """Takes so many of a kind, and what names the first of them; nothing where there is none.

        Of the examples only as many are read as are kept.
        """
        if not count:
            return
        self._counts[kind] = self._counts.get(kind, 0) + count
        kept = self._examples.setdefault(kind, [])
        remaining = iter(examples)
        while len(kept) < MOST_EXAMPLES and (example := next(remaining, None)) is not None:
            kept.append(example)

    def result(self) -> tuple[Finding, ...]:
        """What was found: faults first, then what is open, then notes."""
        found = [
            Finding(kind, count, tuple(self._examples[kind]))
            for kind, count in self._counts.items()
        ]
        gravities, kinds = list(Gravity), list(Kind)
        return tuple(
            sorted(found, key=lambda one: (gravities.index(one.gravity), kinds.index(one.kind)))
        )


@dataclass(frozen=True, slots=True)
class Verification:
    """What the tables of an output are worth.

    Attributes:
        output: Path or URI.
        planned: Questions planned, over all models and ways of asking.
        generated: Of these, with a stored answer.
        failed: Of these, without an answer, with a failure.
        scored: Of these, with scores against the present reference.
        findings: What was found.
    """

    output: str
    planned: int
    generated: int
    failed: int
    scored: int
    findings: Sequence[Finding]

    @property
    def is_sound(self) -> bool:
        """Whether there is no fault."""
        return all(one.gravity is not Gravity.FAULT for one in self.findings)

    @property
    def is_complete(self) -> bool:
        """Whether nothing is left to do."""
        return all(one.gravity is not Gravity.OPEN for one in self.findings)

    def describe(self) -> str:
        """What to tell people, as lines."""
        lines = [
            f"{self.output}: {self.planned:,} questions planned; {self.generated:,} answered, "
            f"{self.failed:,} failed, {self.scored:,} scored"
        ]
        lines += [finding.describe() for finding in self.findings]
        if not self.is_sound:
            lines.append("the tables have faults")
        elif not self.is_complete:
            left = {one.kind for one in self.findings if one.gravity is Gravity.OPEN}
            # A run makes the scores of its own shard alike, which they may be already.
            only_scores = left == {Kind.SCORED_DIFFERENTLY}
            advice = f"expart sweep rescore {self.output}" if only_scores else "run it again"
            lines.append(f"no fault; the sweep is not finished: {advice}")
        else:
            lines.append("no fault: each planned question is there exactly once")
        return "\n".join(lines)
