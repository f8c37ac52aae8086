"""A sweep's capacity as one JSON document."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from services.sweep.capacity.capacity import ModelCapacity, SweepCapacity
from services.sweep.plan.plan import SweepPlan

FORMAT = "expart-capacity/1"

_Json = str | int | float | bool | None | Sequence["_Json"] | Mapping[str, "_Json"]


def as_json(capacity: SweepCapacity, plan: SweepPlan, notes: Sequence[str]) -> str:
    """Gives everything as text.

    Args:
        capacity: What was computed.
        plan: The sweep's plan.
        notes: What a reader should know besides.
    """
    spec = plan.spec
    document: dict[str, _Json] = {
        "format": FORMAT,
        "name": spec.name,
        "spec": str(spec.path),
        "seconds": capacity.seconds,
        "gpus": capacity.gpus,
        "gpu_hours": capacity.gpu_hours,
        "questions_per_s": capacity.questions_per_s,
        "in_flight": capacity.in_flight,
        "drivers": capacity.drivers,
        "concurrency": spec.concurrency,
        "fronts": capacity.fronts,
        "scoring_pods": capacity.scoring_pods,
        "store_bytes": capacity.store_bytes,
        "cost": capacity.cost,
        "currency": spec.prices.currency,
        "models": [_model(model) for model in capacity.models],
        "figures": [asdict(figure) for figure in capacity.figures],
        "notes": list(notes),
    }
    return json.dumps(document, indent=2, ensure_ascii=False)


def _model(model: ModelCapacity) -> dict[str, _Json]:
    memory, pace = model.needs.memory, model.pace
    return {
        "label": model.plan.label,
        "planned": model.plan.planned,
        "done": model.plan.done,
        "to_ask": model.plan.to_generate,
        "to_score": model.plan.to_score,
        "gpus_per_replica": memory.gpus,
        "memory_gib": memory.memory_gib,
        "fits": list(model.fits),
        "replicas": model.replicas,
        "gpus": model.gpus,
        "gpu_hours": model.gpu_hours,
        "questions_per_s": model.questions_per_s,
        "questions_per_s_per_replica": pace.questions_per_s,
        "seconds_per_question": pace.s_per_question,
        "pace_basis": pace.basis,
        "pace_source": pace.source,
        "in_flight": model.in_flight,
        "load_seconds": model.load_s,
        "input_tokens": model.input_tokens,
        "output_tokens": model.output_tokens,
        "seconds": model.seconds,
        "cost": model.cost,
    }
