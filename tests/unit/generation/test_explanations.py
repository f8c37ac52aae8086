"""The service without gRPC: what counts against the bounds of what is in flight."""

import asyncio

import pytest

from services.core.errors import OverloadedError
from services.generation.admission import Admission
from services.generation.catalog import Catalog, ScalingSpec
from services.generation.domain import ExplanationRequest, Image, Lane, SamplingRequest
from services.generation.engines import build_engine
from services.generation.explanations import ExplanationService, ImageShelf
from services.generation.image_check import ImageChecker
from services.generation.image_store import ImageStore, StoreLimits
from services.generation.images import ImageLimits
from services.generation.replay import ReplayLimits, Replays
from services.generation.router import LocalRouter
from services.generation.runner import ModelRunner
from tests.unit.generation.builders import picture, scripted_spec, until

PICTURE = picture()
PLENTY = 2**30


class BlockedChecker(ImageChecker):
    """Takes pictures and lets go of them only when released."""

    def __init__(self) -> None:
        super().__init__(ImageLimits(max_bytes=PLENTY, max_pixels=PLENTY))
        self.released = asyncio.Event()
        self.waiting = 0

    async def check(self, image: Image, narrower: ImageLimits | None = None) -> None:
        """Waits, then checks."""
        self.waiting += 1
        await self.released.wait()
        await super().check(image, narrower)


def request(image: Image = PICTURE) -> ExplanationRequest:
    return ExplanationRequest(
        request_id="r",
        model="scripted",
        adapter="",
        image=image,
        instruction="Explain.",
        system_text="",
        sampling=SamplingRequest(),
        lane=Lane.INTERACTIVE,
    )


@pytest.mark.parametrize(
    ("max_requests", "max_image_bytes"),
    [(1, PLENTY), (100, len(PICTURE.data) + 1)],
    ids=["requests", "image-bytes"],
)
async def test_a_request_whose_picture_waits_for_its_check_counts_as_in_flight(
    max_requests: int, max_image_bytes: int
) -> None:
    scaling = ScalingSpec(
        target_ongoing_requests=1, max_ongoing_requests=max_requests, max_queued_requests=0
    )
    spec = scripted_spec().model_copy(update={"scaling": scaling})
    router = LocalRouter({spec.name: ModelRunner(spec, build_engine(spec), delta_interval_s=0)})
    await router.start()
    images = BlockedChecker()
    catalog = Catalog({spec.name: spec})
    store = ImageStore(StoreLimits(0, max_image_bytes, interactive_share=0))
    service = ExplanationService(
        catalog,
        router,
        ImageShelf(store, images),
        Admission(catalog, interactive_share=0),
        Replays(ReplayLimits(max_entries=0, max_bytes=0, max_age_s=1)),
    )
    await service.refresh()

    first = asyncio.create_task(service.explain(request(), None))
    await until(lambda: images.waiting == 1)
    other = request(picture("blue"))
    with pytest.raises(OverloadedError):
        await asyncio.wait_for(service.explain(other, None), 10)
    with pytest.raises(OverloadedError):
        await asyncio.wait_for(anext(service.stream(other, None)), 10)

    images.released.set()
    assert (await first).text
    # Its place and its bytes are free again.
    assert store.used_bytes == 0
    assert (await service.explain(other, None)).text
    await images.close()
