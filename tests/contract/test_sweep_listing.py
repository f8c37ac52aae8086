"""A driver waits for the models of its sweep that are being loaded."""

from dataclasses import dataclass

import pytest

from expart.generation.v1 import generation_service_pb2 as pb
from services.cli.catalog_directory import CatalogDirectory
from services.core.errors import UserInputError
from services.generation.catalog import Catalog, ModelSpec
from services.sweep.remote.listing import served_models
from tests.contract.generation_front import generation_front
from tests.integration.sweep_services import ScriptedGeneration, serving
from tests.unit.generation.builders import scripted_spec


@dataclass
class LoadingGeneration(ScriptedGeneration):
    """Knows its models' revisions from the n-th listing on, as a service does that was restarted.

    Attributes:
        known_from: Which listing that is.
        listings: Listings so far.
    """

    known_from: int = 2
    listings: int = 0

    async def ListModels(
        self, request: pb.ListModelsRequest, context: object
    ) -> pb.ListModelsResponse:
        self.listings += 1
        answer = await super().ListModels(request, context)
        if self.listings < self.known_from:
            for model in answer.models:
                model.revision, model.state = "", pb.MODEL_STATE_LOADING
        return answer


async def test_a_model_that_is_being_loaded_is_waited_for_and_named() -> None:
    told: list[str] = []
    generation = LoadingGeneration({"alpha": "r1", "beta": "r2"})
    async with serving(generation) as (address,):
        directory = await served_models(address, awaited=["beta"], patience_s=60, note=told.append)
    assert directory.describe("beta").revision == "r2"
    assert told == ["waiting for what is being loaded: beta"]


async def test_models_that_the_sweep_does_not_ask_are_not_waited_for() -> None:
    generation = LoadingGeneration({"alpha": "r1"}, known_from=1000)
    async with serving(generation) as (address,):
        directory = await served_models(address, awaited=["beta"], patience_s=60)
    assert generation.listings == 1
    with pytest.raises(UserInputError, match=r"'alpha' in .* is being loaded"):
        directory.describe("alpha")


async def test_a_model_that_does_not_come_up_in_time_is_one_clear_error() -> None:
    generation = LoadingGeneration({"alpha": "r1"}, known_from=1000)
    async with serving(generation) as (address,):
        directory = await served_models(address, awaited=["alpha"], patience_s=0)
    with pytest.raises(UserInputError, match=r"being loaded.*try again"):
        directory.describe("alpha")


async def test_a_service_describes_its_models_as_the_catalog_does() -> None:
    plain = scripted_spec("plain").model_dump(exclude_unset=True)
    specs = [
        ModelSpec.model_validate(plain),
        *(
            ModelSpec.model_validate(
                plain | {"name": name, "chat_template": template, "num_gpus": 0.5}
            )
            for name, template in (("one", "{{ messages }}"), ("other", "{{ messages[0] }}"))
        ),
    ]
    catalog = CatalogDirectory(Catalog({spec.name: spec for spec in specs}))
    async with generation_front(*specs) as front:
        directory = await served_models(front.address, awaited=[s.name for s in specs])
    served = {spec.name: directory.describe(spec.name) for spec in specs}
    assert served == {spec.name: catalog.describe(spec.name) for spec in specs}
    # What a plan's keys are made of tells the three templates apart.
    assert len({each.chat_template_digest for each in served.values()}) == 3
    assert [each.gpu_count for each in served.values()] == [0.0, 0.5, 0.5]
