"""Series that no real process tells here have the names and labels that it would give them."""

import re
from collections.abc import Iterator

import pytest
from ray.dashboard.modules.reporter.reporter_agent import METRICS_GAUGES

from deploy.monitoring.series import declared_series
from tests.monitoring.prometheus_server import RECORDED_FILES


def recorded() -> Iterator[tuple[str, set[str]]]:
    for file in RECORDED_FILES:
        for line in file.read_text("utf-8").splitlines():
            if not line.startswith("#"):
                name, _, labels = line.partition("{")
                yield name, set(re.findall(r'(\w+)="', labels))


def test_something_is_recorded() -> None:
    assert [*recorded()]


@pytest.mark.parametrize(("name", "labels"), [*recorded()])
def test_a_recorded_series_is_one_of_rays_agents(name: str, labels: set[str]) -> None:
    gauge = METRICS_GAUGES[name.removeprefix("ray_")]
    assert name == f"ray_{gauge.name}"
    assert labels == set(gauge.view.columns) == declared_series()[name]
