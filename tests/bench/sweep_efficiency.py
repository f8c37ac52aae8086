"""The driver with a real model, against bare streaming calls of the same concurrency."""

import asyncio
import json
import shutil
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path

from services.generation.catalog import load_catalog
from services.generation.settings import GenerationSettings
from tests.bench.generation_engines import IN_FLIGHT, MODEL, answered_in_s
from tests.bench.generation_load import stack
from tests.bench.generation_questions import DATASET, NEW_TOKENS, Asked, questions
from tests.bench.scoring_service import say
from tests.bench.sweep_box import run_drivers, sweep_command, write_spec
from tests.bench.targets import Targets
from tests.contract.scoring_server import scoring_server
from tests.integration.stored_results import rows_of

TARGET = 0.97


def efficiency(rounds: int, questions_a_round: int, targets: Targets) -> None:
    """Prints both rates, round by round, and how long the engine had nothing to do."""
    settings = GenerationSettings()
    spec = load_catalog(settings.catalog_folder, settings.models_folder).get(MODEL)
    say(
        f"efficiency: {MODEL}, {IN_FLIGHT} in flight, {NEW_TOKENS} tokens an answer, a picture "
        "each, scoring on"
    )
    source = questions()
    ratios = []
    with (
        tempfile.TemporaryDirectory() as scratch,
        stack([spec]) as local,
        scoring_server(Path(scratch)) as scoring,
    ):
        asyncio.run(answered_in_s(MODEL, local.address, list(islice(source, IN_FLIGHT))))
        for number in range(rounds):
            asked = list(islice(source, questions_a_round))
            bare_s = asyncio.run(answered_in_s(MODEL, local.address, asked))
            folder = Path(scratch) / str(number)
            to_sweep = list(islice(source, questions_a_round))
            course = _sweep(folder, to_sweep, local.address, scoring.address)
            ratios.append(bare_s / course.took_s)
            say(
                f"  bare calls {questions_a_round / bare_s:.2f} questions/s, the driver "
                f"{questions_a_round / course.took_s:.2f}, ratio {ratios[-1]:.3f}; engine idle "
                f"{course.idle_s:.2f} s while questions remained, {course.mean_in_flight:.1f} in "
                "flight on average until then"
            )
    targets.at_least("median ratio to bare calls", statistics.median(ratios), TARGET)


@dataclass(frozen=True, slots=True)
class _Course:
    """How a sweep went, from the first question asked to the last answer.

    Attributes:
        took_s: How long that was.
        idle_s: Time in which the engine worked at nothing although questions remained.
        mean_in_flight: Questions asked and not answered, on average while questions remained.
    """

    took_s: float
    idle_s: float
    mean_in_flight: float


def _sweep(folder: Path, asked: Sequence[Asked], generation: str, scoring: str) -> _Course:
    (folder / "dataset").mkdir(parents=True)
    _write_dataset(folder / "dataset", asked)
    spec = write_spec(folder, [MODEL], folder / "dataset", concurrency=IN_FLIGHT, tokens=NEW_TOKENS)
    run_drivers([sweep_command(spec, generation, scoring)], folder / "driver.log", {})
    rows = rows_of(
        folder / "results", "generations", "generated_at", "elapsed_s", "prefill_s", "decode_s"
    )
    assert len(rows) == len(asked)
    asked_at, worked = [], []
    for row in rows:
        end = row["generated_at"]
        assert isinstance(end, datetime)
        engine_s = float(str(row["prefill_s"])) + float(str(row["decode_s"]))
        asked_at.append((end.timestamp() - float(str(row["elapsed_s"])), end.timestamp()))
        worked.append((end.timestamp() - engine_s, end.timestamp()))
    first, last_asked = min(asked_at)[0], max(asked_at)[0]
    in_flight_s = sum(min(end, last_asked) - begin for begin, end in asked_at)
    return _Course(
        took_s=max(end for _, end in asked_at) - first,
        idle_s=_gaps_s(sorted(worked), first, last_asked),
        mean_in_flight=in_flight_s / (last_asked - first),
    )


def _gaps_s(worked: Sequence[tuple[float, float]], first: float, last: float) -> float:
    """Time between two moments that none of the intervals, sorted by their begin, covers."""
    idle_s, until = 0.0, first
    for begin, end in worked:
        idle_s += max(0.0, min(begin, last) - until)
        until = max(until, min(end, last))
    return idle_s


def _write_dataset(folder: Path, asked: Sequence[Asked]) -> None:
    shutil.copytree(DATASET / "images", folder / "images")
    known = json.loads((DATASET / "test_seen.json").read_text(encoding="utf-8"))
    with (folder / "test_seen.jsonl").open("w", encoding="utf-8") as file:
        for number, question in enumerate(asked):
            source = known[number % len(known)]
            record = {
                **source,
                "id": f"question-{number}",
                "question_id": f"question-{number}",
                "image": str(question.image.relative_to(DATASET)),
                "conversations": [
                    {"from": "human", "value": f"<image>\n{question.instruction}"},
                    source["conversations"][1],
                ],
            }
            file.write(json.dumps(record) + "\n")
