"""What a sweep learns of models from the catalog's files."""

from pathlib import Path

import pytest

from services.cli.catalog_directory import CatalogDirectory
from services.core.errors import UserInputError
from services.generation.catalog import Catalog, ModelSpec
from services.generation.engines.scripted import ScriptedEngine
from services.generation.weights import hub_commit
from tests.unit.generation.hub_cache import fill_cache, use_cache, use_hub

COMMIT = "1a" * 20


def describe(**keys: object) -> tuple[str, tuple[str, ...]]:
    spec = ModelSpec.model_validate({"name": "asked", "max_model_len": 128, **keys})
    found = CatalogDirectory(Catalog({"asked": spec})).describe("asked")
    assert found.name == "asked"
    return found.revision, found.adapters


def test_a_model_of_the_hub_has_the_commit_that_its_entry_pins_and_its_adapters() -> None:
    adapters = {"b": {"hub": "x/b"}, "a": {"hub": "x/a"}}
    source = {"hub": "x/y", "revision": COMMIT}
    assert describe(source=source, adapters=adapters) == (COMMIT, ("a", "b"))


def test_a_branch_of_the_hub_is_planned_as_the_commit_that_the_replicas_will_attest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_cache(monkeypatch, tmp_path)
    use_hub(monkeypatch)
    fill_cache(tmp_path, "x/y", "main", COMMIT)
    assert describe(source={"hub": "x/y"}) == (hub_commit("x/y", "main"), ())


def test_a_branch_whose_commit_nobody_knows_is_refused_or_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_cache(monkeypatch, tmp_path)
    use_hub(monkeypatch)
    source = {"hub": "x/y", "revision": "v1"}
    with pytest.raises(UserInputError, match=r"model asked: .*'v1' of x/y.*pin a commit"):
        describe(source=source)

    spec = ModelSpec.model_validate({"name": "asked", "max_model_len": 128, "source": source})
    told: list[str] = []
    directory = CatalogDirectory(Catalog({"asked": spec}), unknown=told.append)
    assert {directory.describe("asked").revision for _ in range(3)} == {"v1"}
    assert len(told) == 1
    assert "what is stored of it already is not counted" in told[0]


def test_a_model_behind_an_endpoint_is_told_by_the_endpoints_name_for_it() -> None:
    endpoint = {"base_url": "https://example.org/v1", "model": "far-2024-05-01"}
    assert describe(engine="openai", openai=endpoint) == ("far-2024-05-01", ())


def test_a_scripted_model_has_the_revision_that_its_answers_will_name() -> None:
    spec = ModelSpec(name="asked", engine="scripted", max_model_len=128)
    assert describe(engine="scripted") == (ScriptedEngine(spec).revision, ())


def test_weights_that_are_not_there_are_said_to_be_missing() -> None:
    with pytest.raises(UserInputError, match=r"model asked: /nowhere holds no model.*make models"):
        describe(source={"folder": "/nowhere"})
