"""Which commit a branch of the hub means: from the hub, or from what was downloaded last."""

from pathlib import Path

import pytest
from huggingface_hub import constants

from services.core.errors import UserInputError
from services.generation.catalog import Catalog, ModelSpec, SourceSpec
from services.generation.hub_commits import (
    commit_of,
    pin_catalog,
    pinned_adapters,
    pinned_revision,
)
from services.generation.weights import hub_commit
from tests.unit.generation.builders import scripted_spec
from tests.unit.generation.hub_cache import fill_cache, use_cache, use_hub

OLD, NEW = "1a" * 20, "2b" * 20


def hub_spec(name: str, revision: str) -> ModelSpec:
    source = SourceSpec(hub="x/y", revision=revision)
    return ModelSpec(name=name, source=source, max_model_len=128)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    use_cache(monkeypatch, tmp_path)
    return tmp_path


def test_the_hub_is_believed_more_than_what_was_downloaded_before(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill_cache(cache, "x/y", "main", OLD)
    use_hub(monkeypatch, main=NEW)
    assert commit_of(SourceSpec(hub="x/y")) == NEW


def test_what_the_hub_said_is_known_later_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    # Replicas load the commit, which notes nothing of a branch.
    use_hub(monkeypatch, main=NEW)
    commit_of(SourceSpec(hub="x/y"))
    use_hub(monkeypatch)
    assert commit_of(SourceSpec(hub="x/y")) == NEW


def test_without_the_hub_it_is_the_commit_that_was_downloaded_last(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill_cache(cache, "x/y", "main", OLD)
    use_hub(monkeypatch)
    assert commit_of(SourceSpec(hub="x/y")) == OLD


def test_the_hubs_own_client_finds_what_was_downloaded_last_when_it_is_offline(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(UserInputError, match="nobody knows"):
        commit_of(SourceSpec(hub="x/y"))
    fill_cache(cache, "x/y", "main", OLD)
    assert commit_of(SourceSpec(hub="x/y")) == OLD
    # Whoever loads the commit finds the same.
    assert hub_commit("x/y", OLD) == OLD


def test_what_neither_knows_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    use_hub(monkeypatch)
    with pytest.raises(UserInputError) as caught:
        pin_catalog(Catalog({"m": hub_spec("m", "v1")}), print)
    assert caught.value.message == (
        "model m: nobody knows which commit 'v1' of x/y is: it is not in this machine's cache, and "
        "the hub cannot tell (no way to x/y); pin a commit in the catalog entry"
    )


def test_a_catalog_is_pinned_and_what_was_pinned_costs_no_question(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = use_hub(monkeypatch, main=NEW)
    specs = (hub_spec("moving", "main"), hub_spec("pinned", OLD), scripted_spec("played"))
    told: list[str] = []
    pinned = pin_catalog(Catalog({spec.name: spec for spec in specs}), told.append)
    assert asked == ["main"]
    assert pinned.get("moving").source == SourceSpec(hub="x/y", revision=NEW)
    assert (pinned.get("pinned"), pinned.get("played")) == (specs[1], specs[2])
    assert told == [
        f"model moving: 'main' of x/y is commit {NEW} now; the catalog entry can pin it"
    ]


def test_adapters_are_pinned_as_models_are(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill_cache(cache, "x/lora", "main", OLD, file="adapter_config.json")
    use_hub(monkeypatch)
    adapters = {"wit": SourceSpec(hub="x/lora"), "own": SourceSpec(folder="/adapters/own")}
    spec = hub_spec("m", NEW).model_copy(update={"adapters": adapters})
    told: list[str] = []
    pinned = pin_catalog(Catalog({"m": spec}), told.append).get("m")
    assert pinned.source == spec.source
    assert pinned.adapters == {**adapters, "wit": SourceSpec(hub="x/lora", revision=OLD)}
    assert pinned_adapters(pinned) == {"wit": OLD}
    assert pinned_adapters(spec) == {}
    assert [line.partition(":")[0] for line in told] == ["model m, adapter wit"]


def test_only_a_whole_commit_is_known_before_anything_is_loaded() -> None:
    assert pinned_revision(hub_spec("m", OLD)) == OLD
    # A beginning of a hash may be a branch's name, too.
    for revision in ("main", OLD[:39]):
        assert pinned_revision(hub_spec("m", revision)) == ""
    assert pinned_revision(scripted_spec()) == ""
