"""The typed clients, blocking and asyncio, against the real front and one that fails as told."""

import asyncio
import textwrap
from collections.abc import AsyncIterator
from contextlib import aclosing
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image as Pillow

from services.core.digests import digest_of
from services.core.errors import (
    DeadlineExceededError,
    EngineUnavailableError,
    GenerationAbortedError,
    ImageInvalidError,
    ImageNotFoundError,
    ImageTooLargeError,
    InvalidRequestError,
    ModelFailedError,
    ModelNotFoundError,
    OverloadedError,
    ServiceError,
    UnauthenticatedError,
    UserInputError,
)
from services.generation.domain import ModelCondition
from services.generation.domain import ModelState as ServedState
from services.rpc import generation_client
from services.rpc.generation_client import (
    AsyncGenerationClient,
    ClientSecurity,
    Completion,
    FinishReason,
    GenerationClient,
    Lane,
    ModelState,
    Sampling,
    StoredImage,
    TextDelta,
    connect,
)
from services.rpc.limits import MAX_MESSAGE_BYTES
from tests.certificates import Authority
from tests.contract.generation_clients import both_clients, client_of, told
from tests.contract.generation_front import RunningFront, generation_front
from tests.unit.generation.builders import picture, scripted_spec, until

INSTRUCTION = "Explain the composition."
# A word a minute: such a generation ends only by being cancelled.
SLOW = scripted_spec("slow", per_token_s=60)
TOKEN = "a-token-of-more-than-twenty-characters"


@pytest.fixture
async def front() -> AsyncIterator[RunningFront]:
    specs = [scripted_spec("a-model"), scripted_spec("failed"), SLOW]
    failed = {"failed": ModelCondition(ServedState.FAILED, "config.json is missing")}
    async with generation_front(*specs, arranged=failed) as running:
        yield running


def large_picture() -> bytes:
    """More than gRPC keeps for retries by default, and more than one chunk of an upload."""
    buffer = BytesIO()
    Pillow.effect_noise((2000, 2000), 200).save(buffer, "PNG")
    assert buffer.tell() > 2 * 2**20
    return buffer.getvalue()


@both_clients
async def test_an_answer_is_typed_and_says_what_ran(
    kind: str, front: RunningFront, tmp_path: Path
) -> None:
    image = picture()
    file = tmp_path / "artwork.png"
    file.write_bytes(image.data)
    async with client_of(kind, front.address) as client:
        answer = await client.explain(
            "a-model",
            INSTRUCTION,
            file,
            sampling=Sampling(max_tokens=7, temperature=1.0, stop=("END",)),
            lane=Lane.SWEEP,
            request_id="question-1",
        )
    completion = answer.completion
    assert len(answer.text.split()) == 7
    assert completion.request_id == "question-1"
    assert (completion.finish_reason, completion.truncated) == (FinishReason.LENGTH, True)
    # The instruction's three words, and 16 tokens for the picture.
    assert completion.usage.prompt_token_count == 3 + 16
    assert completion.usage.generated_token_count == 7
    origin = completion.provenance
    assert (origin.model, origin.engine, origin.image_digest) == (
        "a-model",
        "scripted",
        image.digest,
    )
    assert (origin.sampling.max_tokens, origin.sampling.stop) == (7, ("END",))
    assert origin.sampling.seed is not None  # drawn, as chance plays a part
    assert completion.timings.total_s >= completion.timings.first_token_s > 0


@both_clients
async def test_a_stream_is_the_whole_answer_in_pieces_and_one_completion(
    kind: str, front: RunningFront
) -> None:
    async with client_of(kind, front.address) as client:
        whole = await client.explain("a-model", INSTRUCTION)
        events = [event async for event in client.stream("a-model", INSTRUCTION)]
    *deltas, last = events
    assert all(isinstance(delta, TextDelta) for delta in deltas)
    assert "".join(delta.text for delta in deltas) == whole.text
    assert isinstance(last, Completion)
    assert last.provenance == whole.completion.provenance
    assert last.request_id != whole.completion.request_id != ""


@both_clients
async def test_a_repeated_request_id_has_the_same_result(kind: str, front: RunningFront) -> None:
    chance = Sampling(temperature=2.0, max_tokens=30)
    async with client_of(kind, front.address) as client:
        answers = [
            await client.explain("a-model", INSTRUCTION, sampling=chance, request_id="one")
            for _ in range(2)
        ]
        other = await client.explain("a-model", INSTRUCTION, sampling=chance)
    assert answers[0] == answers[1]
    assert other.completion.provenance.sampling.seed != (
        answers[0].completion.provenance.sampling.seed
    )


@both_clients
async def test_the_catalog_is_listed_with_states(kind: str, front: RunningFront) -> None:
    async with client_of(kind, front.address) as client:
        models = await client.models()
        assert [(model.name, model.state) for model in models] == [
            ("a-model", ModelState.READY),
            ("failed", ModelState.FAILED),
            ("slow", ModelState.READY),
        ]
        failed = await client.model("failed")
        assert failed == models[1]
        assert failed.state_reason == "config.json is missing"


@both_clients
async def test_an_error_is_typed_and_holds_the_values_of_its_message(
    kind: str, front: RunningFront
) -> None:
    async with client_of(kind, front.address) as client:
        with pytest.raises(ModelNotFoundError) as unknown:
            await client.explain("nope", INSTRUCTION)
        assert (unknown.value.reason, unknown.value.retryable) == ("MODEL_NOT_FOUND", False)
        assert unknown.value.metadata["model"] == "nope"
        with pytest.raises(InvalidRequestError) as invalid:
            await client.explain("a-model", "", sampling=Sampling(top_p=2.0))
        assert [each.field for each in invalid.value.violations] == [
            "instruction",
            "sampling.top_p",
        ]
        with pytest.raises(ImageInvalidError):
            await client.explain("a-model", INSTRUCTION, b"https://example.org/mona-lisa.jpg")
        with pytest.raises(ModelFailedError) as failed:
            async for _ in client.stream("failed", INSTRUCTION):
                pass
        assert failed.value.metadata["cause"] == "config.json is missing"


@both_clients
async def test_a_deadline_ends_the_generation_too(kind: str, front: RunningFront) -> None:
    async with client_of(kind, front.address) as client:
        with pytest.raises(DeadlineExceededError):
            await client.explain("slow", INSTRUCTION, timeout_s=0.5)
        await until(lambda: front.runners["slow"].running_count() == 0)


@both_clients
async def test_whoever_stops_reading_frees_the_engine(kind: str, front: RunningFront) -> None:
    async with client_of(kind, front.address) as client:
        async with aclosing(client.stream("slow", INSTRUCTION)) as events:
            async for event in events:
                assert isinstance(event, TextDelta)
                assert front.runners["slow"].running_count() == 1
                break
        await until(lambda: front.runners["slow"].running_count() == 0)


@both_clients
async def test_a_picture_is_sent_once_and_again_when_the_service_has_forgotten_it(
    kind: str,
) -> None:
    image = picture()
    async with told(kind) as (client, servicer):
        await client.explain("m", INSTRUCTION, image.data)
        await client.explain("m", INSTRUCTION, image.data)
        assert [event async for event in client.stream("m", INSTRUCTION, image.data)]
        assert servicer.sources == ["data", "digest", "digest"]
        assert servicer.requests[1].image.digest == image.digest

        servicer.errors = [ImageNotFoundError("gone")]
        await client.explain("m", INSTRUCTION, image.data)
        servicer.errors = [ImageNotFoundError("gone")]
        assert [event async for event in client.stream("m", INSTRUCTION, image.data)]
        assert servicer.sources[3:] == ["digest", "data"] * 2
        # The same request: what was begun for it would be found again.
        assert servicer.requests[3].request_id == servicer.requests[4].request_id
        assert servicer.requests[2].request_id != servicer.requests[3].request_id


@both_clients
async def test_a_picture_that_was_refused_is_not_said_to_be_known(kind: str) -> None:
    async with told(kind, ImageInvalidError("broken")) as (client, servicer):
        for _ in range(2):
            try:
                await client.explain("m", INSTRUCTION, b"broken")
            except ImageInvalidError:
                continue
        assert servicer.sources == ["data", "data"]


@both_clients
async def test_an_uploaded_picture_is_named_by_its_digest(kind: str, front: RunningFront) -> None:
    data = large_picture()
    async with client_of(kind, front.address) as client:
        stored = await client.put_image(data)
        assert stored == StoredImage(digest_of(data), len(data), already_stored=False)
        # The service answers as soon as the header has come, while chunks are still being sent.
        assert (await client.put_image(data)).already_stored
        answer = await client.explain("a-model", INSTRUCTION, stored)
    assert answer.completion.provenance.image_digest == stored.digest
    async with told(kind, ImageNotFoundError("gone")) as (client, servicer):
        with pytest.raises(ImageNotFoundError):  # there are no bytes that could be sent
            await client.explain("m", INSTRUCTION, stored)
        assert servicer.sources == ["digest"]


@both_clients
@pytest.mark.parametrize(
    "error",
    [
        EngineUnavailableError("lost"),
        GenerationAbortedError("lost halfway"),
        OverloadedError("full", retry_after_s=0.05),
    ],
    ids=lambda error: error.reason,
)
async def test_what_may_succeed_later_is_repeated_with_its_picture(
    kind: str, error: ServiceError
) -> None:
    data = large_picture()
    async with told(kind, error, error) as (client, servicer):
        answer = await client.explain("m", INSTRUCTION, data)
        assert answer.text == "told"
        assert len(servicer.requests) == 3
        assert {request.request_id for request in servicer.requests} != {""}
        assert servicer.requests[0] == servicer.requests[2]
        servicer.requests.clear()
        servicer.errors = [error]
        assert len([event async for event in client.stream("m", INSTRUCTION, data)]) == 2
        assert len(servicer.requests) == 2


@both_clients
async def test_what_fails_for_good_is_said_at_once(kind: str) -> None:
    async with told(kind, InvalidRequestError("wrong")) as (client, servicer):
        with pytest.raises(InvalidRequestError):
            await client.explain("m", INSTRUCTION)
        assert len(servicer.requests) == 1


@both_clients
async def test_repeating_ends_and_the_last_answer_says_when_to_come_back(kind: str) -> None:
    full = OverloadedError("full", retry_after_s=0.01, max_requests="1")
    async with told(kind, *[full] * 10) as (client, servicer):
        with pytest.raises(OverloadedError) as caught:
            await client.explain("m", INSTRUCTION)
        assert len(servicer.requests) == 5  # maxAttempts of the service config
    assert caught.value.retry_after_s == 0.01
    assert caught.value.metadata == {"max_requests": "1"}


@both_clients
async def test_a_stream_without_its_end_is_no_answer(kind: str) -> None:
    async with told(kind) as (client, _):
        with pytest.raises(GenerationAbortedError, match="before the explanation was complete"):
            async for _ in client.stream("forgetful", INSTRUCTION):
                pass


@both_clients
async def test_what_fits_into_no_message_is_refused_before_it_is_sent(kind: str) -> None:
    async with told(kind) as (client, servicer):
        with pytest.raises(ImageTooLargeError, match="make the picture smaller"):
            await client.explain("m", INSTRUCTION, bytes(MAX_MESSAGE_BYTES))
        assert servicer.requests == []


@both_clients
async def test_a_file_that_cannot_be_read_is_named(kind: str, tmp_path: Path) -> None:
    async with told(kind) as (client, _):
        with pytest.raises(UserInputError, match=r"cannot read the image .*missing.png: No such"):
            await client.explain("m", INSTRUCTION, tmp_path / "missing.png")


@both_clients
async def test_a_service_that_is_not_there_is_named_unavailable(
    kind: str, unused_port: int
) -> None:
    async with client_of(kind, f"127.0.0.1:{unused_port}") as client:
        with pytest.raises(EngineUnavailableError):
            await client.models()


@both_clients
async def test_token_and_tls_are_used_for_every_kind_of_call(kind: str, tmp_path: Path) -> None:
    authority = Authority.make(tmp_path / "authority")
    pair = authority.issue("service")
    tokens, token = tmp_path / "tokens", tmp_path / "token"
    tokens.write_text(f"alice {TOKEN}\n", encoding="utf-8")
    token.write_text(TOKEN, encoding="utf-8")
    async with generation_front(
        scripted_spec("a-model"),
        tls_certificate_file=pair.certificate,
        tls_key_file=pair.key,
        token_file=tokens,
    ) as front:
        trusting = ClientSecurity(tls_ca_file=authority.file)
        async with client_of(kind, front.address, trusting) as client:
            with pytest.raises(UnauthenticatedError):
                await client.models()
        knowing = ClientSecurity(tls_ca_file=authority.file, token_file=token)
        async with client_of(kind, front.address, knowing) as client:
            assert len(await client.models()) == 1
            assert (await client.explain("a-model", INSTRUCTION)).text
            assert [event async for event in client.stream("a-model", INSTRUCTION)]
            assert not (await client.put_image(picture().data)).already_stored


async def test_one_blocking_client_serves_many_threads(front: RunningFront) -> None:
    images = [picture(colour).data for colour in ("red", "green", "blue")]
    with connect(front.address) as client:
        answers = await asyncio.gather(
            *(
                asyncio.to_thread(client.explain, "a-model", INSTRUCTION, images[number % 3])
                for number in range(30)
            )
        )
    for number, answer in enumerate(answers):
        assert answer.text == answers[number % 3].text


async def test_the_example_of_the_documentation_runs(
    front: RunningFront, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "painting.jpg").write_bytes(picture().data)
    text = generation_client.__doc__
    assert text is not None
    example = textwrap.dedent(text.split("::\n\n", 1)[1].split("\nWhat fails", 1)[0])
    for written, meant in (
        ("localhost:50051", front.address),
        ("painting.jpg", str(tmp_path / "painting.jpg")),
        ("demo-smol", "a-model"),
    ):
        assert written in example
        example = example.replace(written, meant)
    await asyncio.to_thread(exec, example, {})
    assert "sha256:" in capsys.readouterr().out


def test_both_clients_offer_the_same() -> None:
    def offered(kind: type) -> set[str]:
        return {name for name in vars(kind) if not name.startswith("_")}

    assert offered(GenerationClient) == offered(AsyncGenerationClient)
