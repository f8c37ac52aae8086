"""What a reader should know besides the numbers of a sweep's capacity, and what to do about it."""

from collections.abc import Iterator

from services.sweep.capacity.capacity import ModelCapacity, SweepCapacity
from services.sweep.capacity.needs import Known, Wish
from services.sweep.capacity.pace import DRIVER_QUESTIONS_PER_S, Basis
from services.sweep.plan.plan import SweepPlan
from services.sweep.spec.spec import MAX_CONCURRENCY

# Parts of a replica's places: below the first it was hardly busy, above the second not alone.
_KEPT_BUSY = 0.5
_MORE_THAN_ONE = 1.5

# A question has six attempts, unless the drivers are told otherwise; some of them are for faults.
_DEADLINES_FOR_LOADING = 3


def notes_on(capacity: SweepCapacity, plan: SweepPlan, wish: Wish, known: Known) -> tuple[str, ...]:
    """Says what does not fit together, a sentence each.

    Args:
        capacity: What was computed.
        plan: The sweep's plan.
        wish: What was wanted.
        known: What was known.
    """
    return (
        *_on_models(capacity, known),
        *_on_loading(capacity, plan),
        *_on_caches(capacity, known),
        *_on_adapters(capacity, plan),
        *_on_measured(capacity),
        *_on_time(capacity, wish),
        *_on_drivers(capacity, plan),
        *_on_scoring(capacity, plan),
        *_on_questions(plan),
    )


def _on_models(capacity: SweepCapacity, known: Known) -> Iterator[str]:
    for model in capacity.models:
        if not model.replicas:
            continue
        label, memory, most = model.plan.label, model.needs.memory, model.needs.max_replicas
        if model.replicas > most:
            yield (
                f"{label}: {model.replicas} replicas are more than its catalog entry allows; "
                f"raise scaling.max_replicas from {most}"
            )
        if memory.gpus and memory.memory_gib is None:
            yield (
                f"{label}: its catalog entry has no memory_gib, so nobody can tell which GPU is "
                "large enough"
            )
        elif memory.gpus and not model.fits:
            yield f"{label}: {_too_small(model, known)}"
        if not memory.gpus and not model.needs.runs_elsewhere and not _is_known(model):
            yield (
                f"{label}: runs on a processor, for which the assumed pace is too high; measure "
                "it by a short sweep (--results OUTPUT)"
            )


def _on_loading(capacity: SweepCapacity, plan: SweepPlan) -> Iterator[str]:
    deadline_s = plan.spec.deadline_s
    for model in capacity.models:
        if model.replicas and model.load_s > deadline_s * _DEADLINES_FOR_LOADING:
            yield (
                f"{model.plan.label}: takes {model.load_s:,.0f} s to load where it is scaled to "
                f"zero, and an attempt at a question waits {deadline_s:g} s: raise deadline_s, or "
                "keep a replica (scaling.min_replicas: 1)"
            )


def _on_caches(capacity: SweepCapacity, known: Known) -> Iterator[str]:
    for model in capacity.models:
        if not model.replicas or model.pace.basis is not Basis.ASSUMED:
            continue
        tokens = (model.input_tokens + model.output_tokens) / model.plan.to_generate
        held = {
            gpu.name: model.needs.cached_questions(gpu, tokens)
            for gpu in known.gpus
            if gpu.name in model.fits
        }
        places = model.needs.places
        fewer = [f"{count} on {name}" for name, count in held.items() if count and count < places]
        if fewer:
            yield (
                f"{model.plan.label}: the assumed pace is of {places} questions at a time, and the "
                f"KV cache holds about {', '.join(fewer)}, of {tokens:,.0f} tokens each: it is "
                "slower there"
            )


def _on_adapters(capacity: SweepCapacity, plan: SweepPlan) -> Iterator[str]:
    shared: dict[str, list[str]] = {}
    for planned, model in zip(plan.models, capacity.models, strict=True):
        if model.replicas:
            shared.setdefault(planned.choice.model, []).append(model.plan.label)
    for name, labels in shared.items():
        if len(labels) > 1:
            yield (
                f"{', '.join(labels)}: run on the same replicas of {name}; each is counted as if "
                "it had its own"
            )


def _on_measured(capacity: SweepCapacity) -> Iterator[str]:
    for model in capacity.models:
        pace, places = model.pace, model.needs.places
        if pace.basis is not Basis.MEASURED or not model.replicas:
            continue
        at_a_time = pace.questions_per_s * pace.s_per_question
        if at_a_time < places * _KEPT_BUSY:
            yield (
                f"{model.plan.label}: was measured with {at_a_time:.1f} questions at a time, and a "
                f"replica takes {places}: it may be faster than that; measure it with concurrency "
                f"{places} or more"
            )
        elif at_a_time > places * _MORE_THAN_ONE:
            yield (
                f"{model.plan.label}: was measured with {at_a_time:.0f} questions at a time, and a "
                f"replica takes {places}: it had more than one, say how many by --results-replicas"
            )


def _is_known(model: ModelCapacity) -> bool:
    return model.pace.basis is not Basis.ASSUMED


def _too_small(model: ModelCapacity, known: Known) -> str:
    memory = model.needs.memory
    counts = {gpu.name: memory.gpus_needed(gpu) for gpu in known.gpus}
    enough = [f"{count} x {name}" for name, count in counts.items() if count is not None]
    ways = f"split it over {' or '.join(enough)} (num_gpus, tensor_parallel_size), or " * bool(
        enough
    )
    return (
        f"{memory.memory_gib:g} GiB do not fit on {memory.gpus:g} of {', '.join(counts)}: {ways}"
        "take larger GPUs (--gpu), a shorter max_model_len or quantised weights"
    )


def _on_time(capacity: SweepCapacity, wish: Wish) -> Iterator[str]:
    asked = sum(model.replicas > 0 for model in capacity.models)
    idle_s = max(model.needs.idle_s for model in capacity.models)
    if capacity.at_a_time < asked:
        yield (
            f"max_parallel_models: {capacity.at_a_time} of {asked} models at the same time; GPUs "
            f"are those of the largest such group, and the next models wait {idle_s:,.0f} s until "
            "they are given back (scaling.downscale_delay_s)"
        )
    if wish.hours is not None and capacity.seconds > wish.hours * 3600 + 1:
        yield (
            f"it takes {capacity.seconds / 3600:.2f} hours instead of {wish.hours:g}: the drivers "
            "do not keep the replicas busy"
        )


def _on_drivers(capacity: SweepCapacity, plan: SweepPlan) -> Iterator[str]:
    concurrency, drivers = plan.spec.concurrency, capacity.drivers
    for model in capacity.models:
        if model.in_flight > drivers * concurrency:
            yield (
                f"{model.plan.label}: drivers have {drivers * concurrency} questions on their way "
                f"({drivers} with concurrency {concurrency}), and its replicas take "
                f"{model.in_flight}: {_busier(model.in_flight, drivers)}"
            )
    if capacity.questions_per_s > drivers * DRIVER_QUESTIONS_PER_S:
        yield (
            f"a driver manages about {DRIVER_QUESTIONS_PER_S:g} questions/s, and they are to "
            f"manage {capacity.questions_per_s:,.0f}: take more than {drivers}"
        )
    artworks = len({job.question.artwork for job in plan.jobs})
    if drivers > artworks:
        yield f"questions are dealt out by artwork, and there are {artworks}: more drivers idle"


def _busier(in_flight: int, drivers: int) -> str:
    enough = -(-in_flight // drivers)
    if enough > MAX_CONCURRENCY:
        return "take more drivers"
    return f"raise concurrency to {enough}, or take more drivers"


def _on_scoring(capacity: SweepCapacity, plan: SweepPlan) -> Iterator[str]:
    if capacity.scoring.basis is not Basis.ASSUMED:
        return
    if any(metric.startswith("bertscore") for metric in plan.spec.metrics):
        yield (
            "BERTScore on a GPU is many times as fast as assumed here; its pace was not measured "
            "by this project: give it by --scored-per-s"
        )
    elif not plan.spec.metrics:
        yield (
            "the scoring service chooses the metrics: where it has an encoder, BERTScore is among "
            "them, and slower by far than assumed here; name the metrics, or give --scored-per-s"
        )


def _on_questions(plan: SweepPlan) -> Iterator[str]:
    if plan.without_picture:
        yield f"{len(plan.without_picture):,} questions have no picture and are not asked"
    if not plan.to_generate:
        yield "nothing is left to ask"
