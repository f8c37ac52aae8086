"""Compares the metrics that were asked for with those that a service offers."""

from collections.abc import Iterable, Sequence

from expart.scoring.v1 import scoring_service_pb2 as pb
from services.core.errors import UserInputError
from services.metrics import METRICS
from services.scoring.score_file.row_scorer import ScoredMetric, ScoreFileError


def chosen_metrics(names: Sequence[str], offer: Iterable[pb.Metric]) -> tuple[ScoredMetric, ...]:
    """Finds metrics in a service's list, in the order of the names; its default ones for no name.

    Raises:
        UserInputError: The service has no metric of one of the names, or lacks what it needs.
        ScoreFileError: This version computes other statistics for a metric, or none.
    """
    offered = {metric.name: metric for metric in offer}
    for name in names:
        if name not in offered:
            raise UserInputError(
                f"the service has no metric named {name[:80]!r}; it has {', '.join(offered)}"
            )
        if reason := offered[name].unavailable_reason:
            raise UserInputError(f"the service does not compute {name}: {reason}")
    chosen = [offered[name] for name in names] or [m for m in offered.values() if m.default]
    return tuple(map(_known, chosen))


def _known(metric: pb.Metric) -> ScoredMetric:
    names = tuple(metric.statistic_names)
    known = METRICS.get(metric.name)
    if known is None or known.statistic_names != names:
        raise ScoreFileError(
            f"the service is of another version, whose {metric.name} this version of expart "
            "cannot sum up; leave it out of --metrics, or use the service's version"
        )
    return ScoredMetric(metric.name, metric.signature, names, metric.max_value)
