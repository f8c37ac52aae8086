"""What several files of sweep tests share."""

from collections.abc import Iterator

import pytest

from tests.contract.scoring_server import ScoringServer, scoring_server
from tests.integration.sweep_driver import DriverHost, driver_host


@pytest.fixture(scope="session")
def starting_drivers() -> Iterator[DriverHost]:
    with driver_host() as host:
        yield host


@pytest.fixture
def drivers(starting_drivers: DriverHost) -> Iterator[DriverHost]:
    """Starts drivers of sweeps; a test that fails leaves none behind."""
    yield starting_drivers
    starting_drivers.kill_all()


@pytest.fixture(scope="session")
def sweep_scoring(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScoringServer]:
    """The real scoring service, which nobody kills."""
    with scoring_server(tmp_path_factory.mktemp("scoring")) as server:
        yield server
