"""What the checks of the chart share."""

import pytest

from tests.helm.chart import HELMS, VALUE_FILES, Rendered, render


@pytest.fixture(params=VALUE_FILES)
def values_file(request: pytest.FixtureRequest) -> str:
    """Each of the chart's ci values files."""
    return str(request.param)


@pytest.fixture(params=HELMS)
def helm(request: pytest.FixtureRequest) -> str:
    """Each major version of Helm."""
    return str(request.param)


@pytest.fixture
def rendered(values_file: str) -> Rendered:
    """The chart with each of its ci values files."""
    return render(values_file)
