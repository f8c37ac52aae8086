"""What a rule of Prometheus is."""

from dataclasses import dataclass, field

RUNBOOKS = "docs/runbooks"


@dataclass(frozen=True, slots=True)
class Recording:
    """A series that Prometheus computes from others."""

    record: str
    expr: str
    labels: dict[str, str] = field(default_factory=dict)

    def as_data(self) -> dict[str, object]:
        """As the rule file has it."""
        data: dict[str, object] = {"record": self.record, "expr": self.expr}
        return data | ({"labels": self.labels} if self.labels else {})


@dataclass(frozen=True, slots=True)
class Alert:
    """A condition that somebody should know of.

    Attributes:
        name: Its name, which is its runbook's too.
        expr: True while it has results.
        after: How long it must last.
        severity: ``critical`` wakes somebody up, ``warning`` waits for the day.
        summary: One line; may name labels as Prometheus' templates do.
        description: What is wrong and what it does to users.
        labels: More labels.
    """

    name: str
    expr: str
    after: str
    severity: str
    summary: str
    description: str
    labels: dict[str, str] = field(default_factory=dict)

    def as_data(self) -> dict[str, object]:
        """As the rule file has it."""
        return {
            "alert": self.name,
            "expr": self.expr,
            "for": self.after,
            "labels": {"severity": self.severity, **self.labels},
            "annotations": {
                "summary": self.summary,
                "description": self.description,
                "runbook_url": f"{RUNBOOKS}/{self.name}.md",
            },
        }


Rule = Recording | Alert


@dataclass(frozen=True, slots=True)
class RuleGroup:
    """Rules that Prometheus computes one after the other."""

    name: str
    rules: tuple[Rule, ...]

    def as_data(self) -> dict[str, object]:
        """As the rule file has it."""
        return {"name": self.name, "rules": [rule.as_data() for rule in self.rules]}
