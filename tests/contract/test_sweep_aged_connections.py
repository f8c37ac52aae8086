"""A sweep outlives the age that a scoring service gives its connections, and leaves nothing.

The chart sets such an age, so that a sweep, which keeps one stream open for hours, comes to use the
pods that an autoscaler adds.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from services.cli.settings import child_environment
from services.sweep.results.store import ResultStore
from services.sweep.review.verify import verify_output
from tests.contract.foreign_tools import PROJECT
from tests.contract.scoring_server import ScoringServer, scoring_server

# Two splits, six questions of each, two settings.
QUESTIONS = 2 * 6 * 2


@pytest.fixture
def scoring(tmp_path: Path) -> Iterator[ScoringServer]:
    """A scoring service whose connections end after a second at most."""
    folder = tmp_path / "scoring"
    folder.mkdir()
    age = {"MAX_CONNECTION_AGE_S": "0.5", "MAX_CONNECTION_GRACE_S": "0.5"}
    with scoring_server(folder, **age) as server:
        yield server


@pytest.fixture
def generation() -> Iterator[str]:
    """A front with a model that takes a fifth of a second for an answer."""
    command = [sys.executable, "-m", "services.generation.scripted_server", "--with-parent"]
    with subprocess.Popen(
        [*command, "--model", "one", "--first-token-s", "0.2"],
        cwd=PROJECT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stdout is not None
        yield running.stdout.readline().strip()
        running.terminate()


def test_answers_are_scored_once_each_over_connections_that_age(
    generation: str, scoring: ScoringServer, tmp_path: Path
) -> None:
    shutil.copytree(PROJECT / "deploy" / "expart_mini", tmp_path / "data")
    spec = tmp_path / "sweep.yaml"
    declared = {
        "dataset": {"folder": "data"},
        "models": ["one"],
        "sampling": {"max_tokens": 24, "temperature": 0},
        "limits": {"max_questions_per_split": 6},
        "concurrency": 1,
        "output": "out",
    }
    spec.write_text(yaml.safe_dump(declared), encoding="utf-8")
    ended = subprocess.run(
        [
            *(sys.executable, "-m", "services.cli", "sweep", "run", str(spec)),
            *("--generation", generation, "--scoring", scoring.address, "--log-format=json"),
        ],
        cwd=PROJECT,
        env=child_environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr[-2000:]
    lines = [line for line in ended.stderr.splitlines() if line.startswith("{")]
    events = [json.loads(line)["event"] for line in lines]
    # 24 answers take five seconds, so that at least one stream was cut.
    assert "scoring_stream_lost" in events
    whole = verify_output(ResultStore(tmp_path / "out"))
    assert whole.findings == ()
    assert (whole.planned, whole.generated, whole.scored) == (QUESTIONS, QUESTIONS, QUESTIONS)
