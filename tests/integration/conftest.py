"""What several files of sweep tests share."""

from collections.abc import Iterator

import pytest

from tests.contract.scoring_server import ScoringServer, scoring_server
from tests.integration.sweep_driver import DriverHost, driver_host


@pytest.fixture(scope="session")
def drivers() -> Iterator[DriverHost]:
    """Starts drivers of sweeps."""
    with driver_host() as host:
        yield host


@pytest.fixture(scope="session")
def sweep_scoring(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScoringServer]:
    """The real scoring service, which nobody kills."""
    with scoring_server(tmp_path_factory.mktemp("scoring")) as server:
        yield server
