"""What a front lists of its models' revisions before and while there are replicas."""

from services.generation import convert
from services.generation.catalog import Catalog, ModelSpec, SourceSpec
from services.generation.domain import ModelCondition, ModelState
from services.generation.served_models import ServedModels

COMMIT, OTHER = "1a" * 20, "2b" * 20
ASLEEP = ModelCondition(ModelState.SCALED_TO_ZERO, wakes=True)


def listed(revision: str, condition: ModelCondition) -> tuple[str, dict[str, str]]:
    spec = ModelSpec(
        name="m",
        source=SourceSpec(hub="x/y", revision=revision),
        adapters={"wit": SourceSpec(hub="x/lora", revision=revision)},
        max_model_len=128,
    )
    models = ServedModels(Catalog({"m": spec}))
    models.note({"m": condition})
    message = convert.model_message(models.info("m"))
    return message.revision, dict(message.adapter_revisions)


def test_a_pinned_model_that_is_scaled_to_zero_is_listed_with_its_commits() -> None:
    assert listed(COMMIT, ASLEEP) == (COMMIT, {"wit": COMMIT})
    assert listed(COMMIT, ModelCondition(ModelState.LOADING, "soon")) == (COMMIT, {"wit": COMMIT})


def test_nothing_is_claimed_of_a_branch_that_nobody_has_loaded() -> None:
    assert listed("main", ASLEEP) == ("", {})


def test_a_replica_knows_better_what_it_runs() -> None:
    # While replicas are replaced, some still run what the entry named before.
    running = ModelCondition(
        ModelState.READY,
        ready_replica_count=1,
        revision=OTHER,
        adapter_revisions={"wit": OTHER},
    )
    for revision in (COMMIT, "main"):
        assert listed(revision, running) == (OTHER, {"wit": OTHER})
