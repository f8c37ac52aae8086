"""A sweep with controls, prompts and replicates over real sockets: what the service is sent."""

import asyncio
import json
from pathlib import Path

import yaml

from expart.generation.v1 import generation_service_pb2 as gen_pb
from services.core.digests import digest_of
from services.sweep.plan.plan import SweepPlan
from services.sweep.plan.prepare import plan_sweep
from services.sweep.progress.progress import SilentProgress
from services.sweep.remote.endpoints import Endpoints
from services.sweep.remote.listing import served_models
from services.sweep.run.runner import run_sweep
from services.sweep.run.settings import SweepSettings
from services.sweep.spec.spec import load_spec
from tests.integration.sweep_services import ScriptedGeneration, ScriptedScoring, serving

WORKS = 4
# Each work in two settings, under three controls, twice.
QUESTIONS = WORKS * 2 * 3 * 2


def write_sweep(folder: Path) -> Path:
    (folder / "images").mkdir()
    for work in range(WORKS):
        (folder / "images" / f"{work}.png").write_bytes(b"picture %d" % work)
    records = [
        {
            "id": f"{work}",
            "title": f"Work {work}",
            "image": f"images/{work}.png",
            "instruction_with_title": f"Explain Work {work}.",
            "instruction_without_title": f"Explain the picture {work}.",
            "reference": f"Work {work} is known.",
            "entities": ["Paris"],
        }
        for work in range(WORKS)
    ]
    (folder / "test_seen.json").write_text(json.dumps(records))
    spec = {
        "dataset": {"folder": "."},
        "splits": ["test_seen"],
        "models": ["alpha"],
        "prompts": {"asked": {"system_text": "Be kind.", "template": "Q: {instruction}"}},
        "samplings": {"warm": {"temperature": 1}},
        "controls": ["none", "wrong_image", "no_image"],
        "replicates": 2,
        "output": "results",
    }
    path = folder / "sweep.yaml"
    path.write_text(yaml.safe_dump(spec))
    return path


async def test_the_service_is_sent_what_the_plan_says(tmp_path: Path) -> None:
    spec_file = write_sweep(tmp_path)
    sent: dict[str, gen_pb.StreamExplanationRequest] = {}

    def note(request: gen_pb.StreamExplanationRequest, attempt: int) -> None:
        sent[request.request_id] = request

    generation = ScriptedGeneration({"alpha": "r1"}, fault=note)
    async with serving(generation, ScriptedScoring()) as (generating, scoring):
        directory = await served_models(generating)

        def planned() -> SweepPlan:
            return plan_sweep(load_spec(spec_file), directory)

        plan = await asyncio.to_thread(planned)
        outcome = await run_sweep(
            plan,
            Endpoints(generating, scoring),
            SilentProgress(),
            asyncio.Event(),
            SweepSettings(commit_rows=8, commit_interval_s=0.2),
        )
        assert outcome.complete
        assert not (await asyncio.to_thread(planned)).has_work
    assert len(plan.jobs) == len(sent) == QUESTIONS
    assert set(generation.completed.values()) == {1}
    for job in plan.jobs:
        request = sent[job.key]
        own = digest_of(b"picture " + job.question.id.encode())
        shown = request.image.digest or (
            digest_of(request.image.data) if request.image.data else ""
        )
        match job.variant.control:
            case "none":
                assert shown == own
            case "no_image":
                assert not shown
            case _:
                assert shown not in {"", own}
        assert request.instruction == f"Q: {job.question.instruction}"
        assert request.system_text == "Be kind."
        assert request.sampling.seed == job.sampling.seed
        assert request.sampling.temperature == 1
