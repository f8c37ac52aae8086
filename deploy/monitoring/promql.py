"""Writes the PromQL that dashboards and rules share."""

# Grafana puts in a window that is never shorter than a few scrapes.
PANEL_WINDOW = "$__rate_interval"


def selector(name: str, *matchers: str) -> str:
    """Selects series by name and matchers, such as ``model=~"$model"``."""
    return f"{name}{{{','.join(matchers)}}}" if matchers else name


def rate(name: str, *matchers: str, window: str = PANEL_WINDOW) -> str:
    """Writes how fast a counter grows, a second."""
    return f"rate({selector(name, *matchers)}[{window}])"


def total(expression: str, *by: str) -> str:
    """Adds series up, by labels if any are named."""
    return f"sum by ({', '.join(by)}) ({expression})" if by else f"sum({expression})"


def most(expression: str, *by: str) -> str:
    """Takes the largest of series, by labels; for what every front says of the same thing."""
    return f"max by ({', '.join(by)}) ({expression})" if by else f"max({expression})"


def quantile(
    level: float, histogram: str, *matchers: str, by: tuple[str, ...], window: str = PANEL_WINDOW
) -> str:
    """Estimates a quantile of a histogram, by labels.

    Args:
        level: 0 to 1.
        histogram: Its name, without ``_bucket``.
        matchers: Which of its series.
        by: Labels that are kept.
        window: Over what time.
    """
    buckets = total(rate(f"{histogram}_bucket", *matchers, window=window), *by, "le")
    return f"histogram_quantile({level:g}, {buckets})"


def quantile_ever(level: float, histogram: str, *matchers: str, by: tuple[str, ...]) -> str:
    """Estimates a quantile of all that a histogram ever observed, by labels.

    For what happens once in a while to series that begin with it: no rate ever sees that.
    """
    buckets = total(selector(f"{histogram}_bucket", *matchers), *by, "le")
    return f"histogram_quantile({level:g}, {buckets})"


def mean(histogram: str, *matchers: str, by: tuple[str, ...], window: str = PANEL_WINDOW) -> str:
    """Computes the mean of what a histogram observed, by labels."""
    sums = total(rate(f"{histogram}_sum", *matchers, window=window), *by)
    counts = total(rate(f"{histogram}_count", *matchers, window=window), *by)
    return f"{sums} / {counts}"
