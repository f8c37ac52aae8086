"""A sweep of ExpArt-mini with the real scoring service and scripted models."""

import asyncio
import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from rich.console import Console

from services.sweep.leaderboard.leaderboard import (
    build_leaderboard,
    render_leaderboard,
    write_leaderboard,
)
from services.sweep.plan.prepare import plan_sweep
from services.sweep.progress.progress import LineProgress
from services.sweep.remote.endpoints import Endpoints
from services.sweep.remote.listing import served_models
from services.sweep.run.runner import run_sweep
from services.sweep.spec.spec import load_spec
from tests.integration.sweep_services import ScriptedGeneration, serving

PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def scoring_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """``python -m services.scoring`` on a free port."""
    address_file = tmp_path_factory.mktemp("scoring") / "address"
    process = subprocess.Popen(
        [sys.executable, "-m", "services.scoring"],
        cwd=PROJECT,
        stderr=subprocess.DEVNULL,
        env={
            **os.environ,
            "EXPART_SCORING_ADDRESS_FILE": str(address_file),
            "EXPART_SCORING_WORKERS": "1",
        },
    )
    try:
        deadline = time.monotonic() + 60
        while not address_file.exists():
            assert process.poll() is None, "the scoring service ended"
            assert time.monotonic() < deadline, "the scoring service did not start"
            time.sleep(0.05)
        yield address_file.read_text()
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


@pytest.mark.slow
async def test_expart_mini_ends_in_a_leaderboard_that_tells_the_settings_apart(
    tmp_path: Path, scoring_address: str
) -> None:
    spec_file = tmp_path / "spec.yaml"
    spec_file.write_text(
        yaml.safe_dump(
            {
                "dataset": {"folder": str(PROJECT / "deploy" / "expart_mini")},
                "models": ["echo", {"model": "echo", "adapter": "wit"}],
                "sampling": {"max_tokens": 64, "temperature": 0},
                "output": "results",
            }
        )
    )
    console = Console(width=150, record=True, file=io.StringIO())
    async with serving(ScriptedGeneration({"echo": "r1"})) as (generating,):
        directory = await served_models(generating)
        plan = plan_sweep(load_spec(spec_file), directory)
        with LineProgress(console) as progress:
            outcome = await run_sweep(
                plan, Endpoints(generating, scoring_address), progress, asyncio.Event()
            )
    assert outcome.complete
    output = tmp_path / "results"
    board = build_leaderboard(output)
    write_leaderboard(board, output)
    rows = {(row.model, row.setting, row.part): row for row in board.standings}
    assert len(rows) == 2 * 2 * 3
    assert {row.pending + row.failed for row in rows.values()} == {0}
    # The scripted model repeats its instruction, which names the title in one setting only; some
    # references have their work's title among the entities.
    with_title = rows["echo", "with_title", "all"]
    without_title = rows["echo", "without_title", "all"]
    assert with_title.planned == with_title.scored == without_title.scored
    rouge = with_title.metrics["rouge_1"].mean, without_title.metrics["rouge_1"].mean
    assert rouge[0] is not None
    assert rouge[1] is not None
    assert rouge[0] > rouge[1]
    document = json.loads((output / "leaderboard.json").read_text())
    lines = list(csv.DictReader((output / "leaderboard.csv").read_text().splitlines()))
    assert len(document["standings"]) == len(lines) == 12
    standing = next(
        row
        for row in document["standings"]
        if (row["model"], row["setting"], row["part"]) == ("echo", "with_title", "all")
    )
    assert standing["metrics"]["rouge_1"]["mean"] == pytest.approx(rouge[0] * 100)
    line = next(
        row
        for row in lines
        if (row["model"], row["setting"], row["part"]) == ("echo", "with_title", "all")
    )
    assert float(line["rouge_1"]) == pytest.approx(rouge[0] * 100)
    render_leaderboard(board, console)
    shown = console.export_text()
    assert f"{rouge[0] * 100:.2f}" in shown
    assert "echo+wit" in shown
