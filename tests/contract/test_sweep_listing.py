"""A driver waits for the models of its sweep that are being loaded."""

import asyncio
from dataclasses import dataclass, field
from io import BytesIO

import pytest
from PIL import Image

from expart.generation.v1 import generation_service_pb2 as pb
from services.cli.catalog_directory import CatalogDirectory
from services.core.errors import PermissionDeniedError, ServiceError, UserInputError
from services.generation.catalog import Catalog, ModelSpec, SamplingSpec
from services.sweep.remote import listing
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


@dataclass
class SlowToTell(LoadingGeneration):
    """Is ready before its front has heard what it runs."""

    async def ListModels(
        self, request: pb.ListModelsRequest, context: object
    ) -> pb.ListModelsResponse:
        answer = await super().ListModels(request, context)
        if 1 < self.listings < self.known_from:
            for model in answer.models:
                model.state = pb.MODEL_STATE_READY
        return answer


@pytest.mark.usefixtures("quickly")
async def test_a_model_that_has_come_up_is_waited_for_until_it_says_what_it_runs() -> None:
    generation = SlowToTell({"alpha": "r1"}, known_from=4)
    async with serving(generation) as (address,), asyncio.timeout(60):
        directory = await served_models(address, awaited=["alpha"], patience_s=3600)
    assert directory.describe("alpha").revision == "r1"


@pytest.mark.usefixtures("quickly")
async def test_a_model_that_fails_to_load_is_waited_for_no_longer() -> None:
    class Failing(SlowToTell):
        async def ListModels(
            self, request: pb.ListModelsRequest, context: object
        ) -> pb.ListModelsResponse:
            answer = await super().ListModels(request, context)
            for model in answer.models if self.listings > 2 else ():
                model.state, model.state_reason = pb.MODEL_STATE_FAILED, "no weights"
            return answer

    generation = Failing({"alpha": "r1"}, known_from=1000)
    async with serving(generation) as (address,), asyncio.timeout(60):
        directory = await served_models(address, awaited=["alpha"], patience_s=3600)
    with pytest.raises(UserInputError, match=r"'alpha' .* could not be loaded.*: no weights"):
        directory.describe("alpha")


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


async def test_answers_attest_the_configuration_that_is_listed_when_default_sampling_changes() -> (
    None
):
    before = scripted_spec("model")
    after = before.model_copy(update={"sampling": SamplingSpec(max_tokens=7)})
    asked = pb.GenerateExplanationRequest(model="model", instruction="Explain.")
    attested = []
    async with generation_front(before) as front:
        for spec in (before, after):
            # Replicas go on: the front alone knows the default sampling.
            await front.front.use_catalog(Catalog({"model": spec}))
            directory = await served_models(front.address)
            answer = await front.stub.GenerateExplanation(asked)
            attested.append(answer.completion.provenance.configuration_digest)
            assert attested[-1] == directory.describe("model").configuration_digest
            catalog = CatalogDirectory(Catalog({"model": spec}))
            assert attested[-1] == catalog.describe("model").configuration_digest
    assert len(set(attested)) == 2


@dataclass
class SleepingGeneration(ScriptedGeneration):
    """Its models are scaled to zero; a call loads the one that it asks for.

    Attributes:
        pinned: Revisions that the catalog pins, known while the model sleeps.
        refusal: What calls are refused with before they wake anything.
        room: For how many models there is room at a time; others wait until a call ends.
        awake: Models that are loaded, which are those that a call is in.
        woken: Models that were called, in order.
    """

    pinned: dict[str, str] = field(default_factory=dict)
    refusal: ServiceError | None = None
    room: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(10))
    awake: set[str] = field(default_factory=set)
    woken: list[str] = field(default_factory=list)

    async def ListModels(
        self, request: pb.ListModelsRequest, context: object
    ) -> pb.ListModelsResponse:
        answer = await super().ListModels(request, context)
        for model in answer.models:
            del model.adapters[:]
            if model.name not in self.awake:
                model.revision = self.pinned.get(model.name, "")
                model.state = pb.MODEL_STATE_SCALED_TO_ZERO
        return answer

    async def GenerateExplanation(
        self, request: pb.GenerateExplanationRequest, context: object
    ) -> pb.GenerateExplanationResponse:
        if self.refusal is not None:
            raise self.refusal
        assert Image.open(BytesIO(request.image.data)).format == "PNG"
        self.woken.append(request.model)
        async with self.room:
            self.awake.add(request.model)
            try:
                await asyncio.sleep(3600)  # what it answers is of no interest
            finally:
                self.awake.remove(request.model)
        raise AssertionError


@pytest.fixture
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "_INTERVAL_S", 0.01)


@pytest.mark.usefixtures("quickly")
async def test_a_model_that_sleeps_and_is_not_pinned_is_woken_once_and_then_known() -> None:
    generation = SleepingGeneration({"alpha": "r1", "beta": "r2", "gamma": "r3"})
    async with serving(generation) as (address,):
        awaited = ["alpha", "gamma"]
        async with asyncio.timeout(60):
            directory = await served_models(address, awaited=awaited, patience_s=3600)
    assert sorted(generation.woken) == awaited
    assert directory.describe("alpha").revision == "r1"
    assert directory.describe("gamma").revision == "r3"


@pytest.mark.usefixtures("quickly")
async def test_models_that_have_room_for_one_at_a_time_are_known_one_after_the_other() -> None:
    revisions = {"alpha": "r1", "beta": "r2"}
    generation = SleepingGeneration(revisions, room=asyncio.Semaphore(1))
    awaited = ["alpha", "beta"]
    async with serving(generation) as (address,), asyncio.timeout(60):
        directory = await served_models(address, awaited=awaited, patience_s=3600)
    assert {name: directory.describe(name).revision for name in awaited} == revisions
    assert sorted(generation.woken) == awaited


async def test_a_model_that_sleeps_and_is_pinned_is_left_asleep() -> None:
    generation = SleepingGeneration({"alpha": "r1"}, pinned={"alpha": "r1"})
    async with serving(generation) as (address,):
        directory = await served_models(address, awaited=["alpha"], patience_s=3600)
    assert generation.woken == []
    assert directory.describe("alpha").revision == "r1"


async def test_whoever_only_looks_wakes_nothing_and_is_told_what_helps() -> None:
    generation = SleepingGeneration({"alpha": "r1"})
    async with serving(generation) as (address,):
        directory = await served_models(address)
    assert generation.woken == []
    with pytest.raises(UserInputError, match=r"scaled to zero.*pin a commit.*sweep run loads it"):
        directory.describe("alpha")


@pytest.mark.usefixtures("quickly")
async def test_a_model_that_may_not_be_woken_ends_the_wait_with_the_reason() -> None:
    generation = SleepingGeneration({"alpha": "r1"}, refusal=PermissionDeniedError("not for you"))
    async with serving(generation) as (address,):
        with pytest.raises(PermissionDeniedError, match=r"alpha .*cannot be woken: not for you"):
            async with asyncio.timeout(60):
                await served_models(address, awaited=["alpha"], patience_s=3600)
