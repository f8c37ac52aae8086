"""What a sweep learns of models from the catalog's files."""

import pytest

from services.cli.catalog_directory import CatalogDirectory
from services.core.errors import UserInputError
from services.generation.catalog import Catalog, ModelSpec
from services.generation.engines.scripted import ScriptedEngine


def describe(**keys: object) -> tuple[str, tuple[str, ...]]:
    spec = ModelSpec.model_validate({"name": "asked", "max_model_len": 128, **keys})
    found = CatalogDirectory(Catalog({"asked": spec})).describe("asked")
    assert found.name == "asked"
    return found.revision, found.adapters


def test_a_model_of_the_hub_has_the_revision_of_its_entry_and_its_adapters() -> None:
    adapters = {"b": {"hub": "x/b"}, "a": {"hub": "x/a"}}
    source = {"hub": "x/y", "revision": "v1"}
    assert describe(source=source, adapters=adapters) == ("v1", ("a", "b"))


def test_a_model_behind_an_endpoint_is_told_by_the_endpoints_name_for_it() -> None:
    endpoint = {"base_url": "https://example.org/v1", "model": "far-2024-05-01"}
    assert describe(engine="openai", openai=endpoint) == ("far-2024-05-01", ())


def test_a_scripted_model_has_the_revision_that_its_answers_will_name() -> None:
    spec = ModelSpec(name="asked", engine="scripted", max_model_len=128)
    assert describe(engine="scripted") == (ScriptedEngine(spec).revision, ())


def test_weights_that_are_not_there_are_said_to_be_missing() -> None:
    with pytest.raises(UserInputError, match=r"model asked: /nowhere holds no model.*make models"):
        describe(source={"folder": "/nowhere"})
