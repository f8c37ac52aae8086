"""How long planning takes over a finished sweep, and the memory, with no service at all.

``PYTHONPATH=. python tests/bench/sweep_plan.py`` writes the full ExpArt test's number of questions
for 29 models as results into a scratch folder, and plans the sweep again in a process of its own.
"""

import json
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import yaml
from deltalake import write_deltalake

from services.metrics.registry import DEFAULT_METRICS
from services.sweep.plan.directory import FixedDirectory, ModelDescription
from services.sweep.plan.plan import Job
from services.sweep.plan.prepare import plan_sweep
from services.sweep.plan.report import report_on
from services.sweep.results.rows import SCHEMAS, Table
from services.sweep.results.store import ResultStore
from services.sweep.spec.sharding import Shard
from services.sweep.spec.spec import load_spec
from tests.bench.scoring_service import say

# 5,227 questions, each in two settings, of 29 models: 303,166 results.
RECORDS = 5227
MODELS = 29
ARTWORKS = 1200
# As many appends as a sweep of an hour may have left behind where nothing was compacted.
APPENDS = 60
TARGET_S, TARGET_MIB = 10, 350


def main() -> None:
    """Prints how long planning takes and the memory of its process."""
    if len(sys.argv) > 1:
        _plan(Path(sys.argv[1]))
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        spec = _write_spec(folder)
        _write_results(spec)
        for _ in range(3):
            subprocess.run([sys.executable, __file__, str(spec)], check=True)


def _plan(path: Path) -> None:
    imported_mib = _most_mib()
    began = time.perf_counter()
    plan = plan_sweep(load_spec(path), _directory())
    planned = time.perf_counter()
    assert not plan.has_work
    report_on(plan)
    say(
        f"{len(plan.jobs)} finished rows: planned in {planned - began:.1f} s, reported in "
        f"{time.perf_counter() - planned:.1f} s more, at most {_most_mib():.0f} MiB, of them "
        f"{imported_mib:.0f} MiB for Python and its libraries "
        f"(targets: {TARGET_S} s, {TARGET_MIB} MiB)"
    )


def _most_mib() -> float:
    # Not the usage that the system accounts: that begins with the memory of the parent process.
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def _directory() -> FixedDirectory:
    models = [ModelDescription(f"model-{number}", "r1") for number in range(MODELS)]
    return FixedDirectory(models, "the bench")


def _write_spec(folder: Path) -> Path:
    (folder / "images").mkdir()
    for work in range(ARTWORKS):
        (folder / "images" / f"{work}.png").write_bytes(f"{work}".encode() * 10_000)
    records = [
        {
            "id": f"question {number}",
            "title": f"The artwork {number % ARTWORKS}",
            "section": "History",
            "image": f"images/{number % ARTWORKS}.png",
            "instruction_with_title": f"Explain the history of The artwork {number % ARTWORKS}.",
            "instruction_without_title": "Explain the history of this artwork.",
            "reference": f"The history of artwork {number} is known. " * 12,
            "entities": [f"Painter {number}", "Paris", "Louvre"],
        }
        for number in range(RECORDS)
    ]
    (folder / "test_seen.json").write_text(json.dumps(records))
    spec = {
        "dataset": {"folder": "."},
        "splits": ["test_seen"],
        "models": [f"model-{number}" for number in range(MODELS)],
        "output": "results",
    }
    path = folder / "sweep.yaml"
    path.write_text(yaml.safe_dump(spec))
    return path


def _write_results(path: Path) -> None:
    spec = load_spec(path)
    jobs = plan_sweep(spec, _directory()).jobs
    folder = ResultStore(spec.output).folder(Shard()).uri
    each = len(jobs) // APPENDS + 1
    for start in range(0, len(jobs), each):
        part = jobs[start : start + each]
        for table, data in (
            (Table.GENERATIONS, _generations(part)),
            (Table.SCORES, _scores(part)),
        ):
            write_deltalake(f"{folder}/{table}", data, mode="append")


def _generations(jobs: tuple[Job, ...]) -> pa.Table:
    known = {
        "key": [job.key for job in jobs],
        "model": [job.model.choice.model for job in jobs],
        "text": [job.question.reference for job in jobs],
    }
    return _filled(known, len(jobs), SCHEMAS[Table.GENERATIONS])


def _scores(jobs: tuple[Job, ...]) -> pa.Table:
    count = len(DEFAULT_METRICS)
    known = {
        "key": [job.key for job in jobs for _ in range(count)],
        "reference_digest": [job.reference_digest for job in jobs for _ in range(count)],
        "signatures_digest": ["0" * 40] * (count * len(jobs)),
        "metric": list(DEFAULT_METRICS) * len(jobs),
        "value": [0.5] * (count * len(jobs)),
    }
    return _filled(known, count * len(jobs), SCHEMAS[Table.SCORES])


def _filled(known: dict[str, list[str]], count: int, schema: pa.Schema) -> pa.Table:
    now = datetime.now(UTC)
    columns = []
    for field in schema:
        if field.name in known:
            columns.append(pa.array(known[field.name], field.type))
        elif pa.types.is_timestamp(field.type):
            columns.append(pa.array([now] * count, field.type))
        elif pa.types.is_list(field.type):
            columns.append(pa.array([[1.0, 2.0]] * count, field.type))
        else:
            columns.append(pc.cast(pa.array([0] * count, pa.int32()), field.type))
    return pa.Table.from_arrays(columns, schema=schema)


if __name__ == "__main__":
    main()
