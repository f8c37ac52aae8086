"""A driver waits for the models of its sweep that are being loaded."""

from dataclasses import dataclass

import pytest

from expart.generation.v1 import generation_service_pb2 as pb
from services.core.errors import UserInputError
from services.sweep.listing import served_models
from tests.integration.sweep_services import ScriptedGeneration, serving


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
