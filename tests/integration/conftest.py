"""What several files of sweep tests share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.scoring_server import ScoringServer, scoring_server
from tests.integration.expart_host import ExpartHost, ExpartShell, expart_host


@pytest.fixture(scope="session")
def starting_expart() -> Iterator[ExpartHost]:
    with expart_host() as host:
        yield host


@pytest.fixture
def drivers(starting_expart: ExpartHost) -> Iterator[ExpartHost]:
    """Starts drivers of sweeps; a test that fails leaves none behind."""
    yield starting_expart
    starting_expart.kill_all()


@pytest.fixture
def shell(starting_expart: ExpartHost, tmp_path: Path) -> Iterator[ExpartShell]:
    """Runs commands to their end, in the environment as it is when one begins."""
    own = {"EXPART_CLI_LOG_FOLDER": str(tmp_path / "log"), "COLUMNS": "200"}
    yield ExpartShell(starting_expart, tmp_path, own)
    starting_expart.kill_all()


@pytest.fixture(scope="session")
def sweep_scoring(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScoringServer]:
    """The real scoring service, which nobody kills."""
    with scoring_server(tmp_path_factory.mktemp("scoring")) as server:
        yield server
