"""Models that are too many for a machine's GPUs take turns."""

from collections.abc import Iterable

from services.core.errors import UserInputError
from services.generation.catalog import Catalog, ModelSpec

# Nobody asks a model again whose turn is over, and the next one waits for its GPU.
_GIVES_BACK_AFTER_S = 30.0


def let_take_turns(catalog: Catalog, at_a_time: int) -> Catalog:
    """Has models on GPUs load when they are called, and give their GPUs back soon afterwards.

    Args:
        catalog: The models that are to be served together.
        at_a_time: How many of them are called at the same time, at most.

    Returns:
        The same catalog, where all may be called at the same time.
    """
    if at_a_time >= len(catalog):
        return catalog
    return Catalog({spec.name: _giving_back(spec) for spec in catalog})


def check_gpus(specs: Iterable[ModelSpec], available: float, at_a_time: int | None = None) -> None:
    """Refuses models whose replicas would wait for ever for GPUs that are not there.

    Cores need no such check: Ray is given as many logical ones as the models ask for.

    Args:
        specs: The models that are to be served together.
        available: GPUs of this machine.
        at_a_time: How many of those that scale to zero are called at the same time; by default all.

    Raises:
        UserInputError: They need more GPUs; the message says which, how many, and what there is.
    """
    kept, woken = 0.0, []
    for spec in specs:
        # Never fewer than one: a model that scales to zero must be able to come back.
        gpus = spec.num_gpus * max(1, spec.scaling.min_replicas)
        if gpus > available:
            raise UserInputError(
                f"model {spec.name} needs {_gpus(gpus)}; this machine has {available:g}"
            )
        if spec.scaling.min_replicas:
            kept += gpus
        else:
            woken.append(gpus)
    turn = sorted(woken, reverse=True)[:at_a_time]
    needed = kept + sum(turn)
    if needed > available:
        who = "the models together need"
        if len(turn) < len(woken):
            who = f"{len(turn)} of the models at a time, with what is always loaded, may need"
        raise UserInputError(f"{who} {_gpus(needed)}; this machine has {available:g}")


def _giving_back(spec: ModelSpec) -> ModelSpec:
    if spec.runs_on_cpu:
        return spec
    delay_s = min(spec.scaling.downscale_delay_s, _GIVES_BACK_AFTER_S)
    scaling = spec.scaling.model_copy(update={"min_replicas": 0, "downscale_delay_s": delay_s})
    return spec.model_copy(update={"scaling": scaling})


def _gpus(count: float) -> str:
    return f"{count:g} GPU" if count == 1 else f"{count:g} GPUs"
