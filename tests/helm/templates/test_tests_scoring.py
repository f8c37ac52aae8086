"""``helm test`` of the scoring service."""

import os
import subprocess
import sys

from tests.conftest import PROJECT
from tests.helm.chart import Manifest, at, mapping_at, render

TEMPLATE = "tests/scoring.yaml"
DEMO = "cpu-demo-values.yaml"


def script() -> list[str]:
    (item,) = render(DEMO).from_template(TEMPLATE)
    command = at(item, "spec", "containers", 0, "command")
    assert isinstance(command, list)
    return [str(one) for one in command]


def test_it_is_not_there_where_scoring_is_disabled() -> None:
    values: Manifest = {
        "scoring": {"enabled": False},
        "sweep": {"scoringAddress": "scoring.example:50061"},
    }
    assert render(DEMO, values=values).from_template(TEMPLATE) == ()


def test_it_is_a_hook_that_has_a_text_scored() -> None:
    (item,) = render(DEMO).from_template(TEMPLATE)
    assert mapping_at(item, "metadata", "annotations")["helm.sh/hook"] == "test"
    assert script()[3] == "demo-expart-serving-scoring.expart.svc:50061"


def test_it_fails_where_there_is_no_service() -> None:
    # That it passes where there is one is tested beside what is deployed.
    _, option, text, _ = script()
    done = subprocess.run(
        [sys.executable, option, text, "127.0.0.1:1"],
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 1
