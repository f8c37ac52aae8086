"""GenerationService called by programs that are none of ours: grpcurl, buf curl and Node."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from google.rpc import error_details_pb2

from expart.generation.v1 import generation_service_pb2 as pb
from services.generation.catalog import ScalingSpec
from tests.certificates import Authority
from tests.contract.foreign_tools import SERVICE, TOOLS, Ended, node_modules, run
from tests.contract.generation_front import RunningFront, generation_front
from tests.unit.generation.builders import picture, scripted_spec, until

PICTURE = picture()
TOKEN = "a-token-of-more-than-twenty-characters"
# A word a minute: such a generation ends only by being cancelled.
SLOW = scripted_spec("slow", per_token_s=60)
# The instruction's one word, and 16 tokens for the picture.
PROMPT_TOKENS = 1 + 16


def request(model: str = "a-model", **fields: object) -> bytes:
    message = {
        "model": model,
        "instruction": "Explain.",
        "sampling": {"max_tokens": 4},
        "image": {"data": base64.b64encode(PICTURE.data).decode()},
        **fields,
    }
    return json.dumps(message).encode()


WRONG = json.dumps({"model": "a-model", "sampling": {"top_p": 3}}).encode()
WRONG_FIELDS = ["instruction", "sampling.top_p"]


def documents(text: str) -> Iterator[dict[str, object]]:
    """The JSON documents that a tool printed one after the other."""
    decoder, at = json.JSONDecoder(), 0
    while text[at:].strip():
        at += len(text[at:]) - len(text[at:].lstrip())
        document, at = decoder.raw_decode(text, at)
        yield document


@pytest.fixture
async def front() -> AsyncIterator[RunningFront]:
    async with generation_front(scripted_spec("a-model"), SLOW) as running:
        yield running


@pytest.fixture
async def secured(tmp_path: Path) -> AsyncIterator[tuple[RunningFront, Path]]:
    """A front with TLS and a token, and the authority to trust."""
    authority = Authority.make(tmp_path / "authority")
    pair = authority.issue("service")
    tokens = tmp_path / "tokens"
    tokens.write_text(f"alice {TOKEN}\n", encoding="utf-8")
    async with generation_front(
        scripted_spec("a-model"),
        tls_certificate_file=pair.certificate,
        tls_key_file=pair.key,
        token_file=tokens,
    ) as running:
        yield running, authority.file


@asynccontextmanager
async def full_front() -> AsyncIterator[RunningFront]:
    """A front whose model has one place, one to wait for it, and both taken."""
    scaling = ScalingSpec(target_ongoing_requests=1, max_ongoing_requests=1, max_queued_requests=1)
    spec = scripted_spec("full", first_token_s=60).model_copy(update={"scaling": scaling})
    async with generation_front(spec, interactive_share=0) as front:
        asked = pb.GenerateExplanationRequest(model="full", instruction="Explain.")
        calls = [asyncio.ensure_future(front.stub.GenerateExplanation(asked)) for _ in range(2)]
        await until(lambda: front.runners["full"].running_count() == 1)
        yield front
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)


async def grpcurl(*arguments: str | Path, stdin: bytes = b"") -> Ended:
    return await run(TOOLS / "grpcurl", *arguments, stdin=stdin)


async def grpcurl_call(
    address: str, method: str, message: bytes, *options: str | Path, security: str = "-plaintext"
) -> Ended:
    plain = (security,) if security else ()
    return await grpcurl(*plain, *options, "-d", "@", address, f"{SERVICE}/{method}", stdin=message)


async def buf(address: str, method: str, message: bytes, *options: str | Path) -> Ended:
    secured = "--cacert" in options
    plain = () if secured else ("--http2-prior-knowledge",)
    url = f"{'https' if secured else 'http'}://{address}/{SERVICE}/{method}"
    return await run(
        TOOLS / "buf",
        "curl",
        "--protocol",
        "grpc",
        *plain,
        *options,
        "-d",
        "@-",
        url,
        stdin=message,
    )


async def node(what: str, address: str, **variables: str) -> object:
    ended = await run(
        "node",
        Path(__file__).with_name("node_calls.js"),
        what,
        address,
        stdin=PICTURE.data,
        NODE_PATH=str(node_modules()),
        **variables,
    )
    assert ended.code == 0, ended.errors
    return json.loads(ended.out)


async def test_grpcurl_finds_the_service_by_reflection(front: RunningFront) -> None:
    listed = await grpcurl("-plaintext", front.address, "list")
    assert SERVICE in listed.out.split()
    described = await grpcurl("-plaintext", front.address, "describe", SERVICE)
    assert "returns ( stream .expart.generation.v1.StreamExplanationResponse )" in described.out


async def test_grpcurl_asks_about_a_picture(front: RunningFront) -> None:
    ended = await grpcurl_call(front.address, "GenerateExplanation", request())
    (answer,) = documents(ended.out)
    assert len(str(answer["text"]).split()) == 4
    completion = answer["completion"]
    assert isinstance(completion, dict)
    assert completion["usage"]["prompt_token_count"] == PROMPT_TOKENS
    assert completion["provenance"]["image_digest"] == PICTURE.digest


async def test_grpcurl_reads_a_stream(front: RunningFront) -> None:
    ended = await grpcurl_call(front.address, "StreamExplanation", request())
    *deltas, last = documents(ended.out)
    assert len("".join(str(delta["text_delta"]) for delta in deltas).split()) == 4
    assert "completion" in last


async def test_grpcurl_decodes_what_is_wrong(front: RunningFront) -> None:
    ended = await grpcurl_call(front.address, "GenerateExplanation", WRONG, "-format-error")
    assert ended.code == 64 + 3  # INVALID_ARGUMENT
    (error,) = documents(ended.errors)
    assert error["code"] == 3
    details = error["details"]
    assert isinstance(details, list)
    info, bad_request = details
    assert (info["reason"], info["domain"]) == ("INVALID_REQUEST", "expart")
    assert [each["field"] for each in bad_request["field_violations"]] == WRONG_FIELDS


async def test_grpcurl_is_told_when_to_come_back() -> None:
    async with full_front() as front:
        ended = await grpcurl_call(front.address, "GenerateExplanation", request("full"))
    assert "Code: ResourceExhausted" in ended.errors
    assert '"reason":"OVERLOADED"' in ended.errors
    assert '"retryDelay":' in ended.errors or '"retry_delay":' in ended.errors


async def test_grpcurl_keeps_its_deadline_and_frees_the_engine(front: RunningFront) -> None:
    ended = await grpcurl_call(
        front.address, "StreamExplanation", request("slow"), "-max-time", "1"
    )
    assert "Code: DeadlineExceeded" in ended.errors
    await until(lambda: front.runners["slow"].running_count() == 0)


async def test_grpcurl_uses_tls_and_a_token(secured: tuple[RunningFront, Path]) -> None:
    front, authority = secured
    options: tuple[str | Path, ...] = ("-cacert", authority)
    token = ("-H", f"authorization: Bearer {TOKEN}")
    refused = await grpcurl_call(front.address, "ListModels", b"{}", *options, security="")
    assert "a-model" not in refused.out
    assert "nauthenticated" in refused.errors
    answered = await grpcurl_call(front.address, "ListModels", b"{}", *options, *token, security="")
    assert '"a-model"' in answered.out


async def test_grpcurl_checks_the_health_of_a_model(front: RunningFront) -> None:
    check = ("-d", '{"service": "a-model"}', front.address, "grpc.health.v1.Health/Check")
    ended = await grpcurl("-plaintext", *check)
    assert next(documents(ended.out)) == {"status": "SERVING"}


async def test_buf_finds_the_service_by_reflection(front: RunningFront) -> None:
    options = ("--protocol", "grpc", "--http2-prior-knowledge", "--list-methods")
    listed = await run(TOOLS / "buf", "curl", *options, f"http://{front.address}")
    assert f"{SERVICE}/PutImage" in listed.out.split()


@pytest.mark.parametrize("schema", [(), ("--schema", "protos")], ids=["reflection", "protos"])
async def test_buf_asks_about_a_picture(front: RunningFront, schema: tuple[str, ...]) -> None:
    ended = await buf(front.address, "GenerateExplanation", request(), *schema)
    (answer,) = documents(ended.out)
    completion = answer["completion"]
    assert isinstance(completion, dict)
    assert completion["usage"]["promptTokenCount"] == PROMPT_TOKENS
    assert completion["provenance"]["imageDigest"] == PICTURE.digest


async def test_buf_reads_a_stream(front: RunningFront) -> None:
    ended = await buf(front.address, "StreamExplanation", request())
    *deltas, last = documents(ended.out)
    assert len("".join(str(delta["textDelta"]) for delta in deltas).split()) == 4
    assert "completion" in last


async def test_buf_passes_on_what_is_wrong(front: RunningFront) -> None:
    ended = await buf(front.address, "GenerateExplanation", WRONG)
    (error,) = documents(ended.errors)
    assert error["code"] == "invalid_argument"
    details = error["details"]
    assert isinstance(details, list)
    packed = {each["type"]: base64.b64decode(each["value"] + "==") for each in details}
    info = error_details_pb2.ErrorInfo.FromString(packed["google.rpc.ErrorInfo"])
    assert info.reason == "INVALID_REQUEST"
    bad_request = error_details_pb2.BadRequest.FromString(packed["google.rpc.BadRequest"])
    assert [each.field for each in bad_request.field_violations] == WRONG_FIELDS


async def test_buf_uses_tls_and_a_token(secured: tuple[RunningFront, Path]) -> None:
    front, authority = secured
    schema = ("--schema", "protos", "--cacert", authority)
    refused = await buf(front.address, "ListModels", b"{}", *schema)
    assert '"code": "unauthenticated"' in refused.errors
    token = ("-H", f"authorization: Bearer {TOKEN}")
    assert '"a-model"' in (await buf(front.address, "ListModels", b"{}", *schema, *token)).out


async def test_node_lists_models_and_asks_about_a_picture(front: RunningFront) -> None:
    listed = await node("models", front.address)
    assert isinstance(listed, dict)
    states = {model["name"]: model["state"] for model in listed["models"]}
    assert states == {"a-model": "MODEL_STATE_READY", "slow": "MODEL_STATE_READY"}
    answer = await node("explain", front.address)
    assert isinstance(answer, dict)
    assert len(answer["text"].split()) == 4
    assert answer["completion"]["usage"]["prompt_token_count"] == PROMPT_TOKENS
    assert answer["completion"]["provenance"]["image_digest"] == PICTURE.digest


async def test_node_reads_a_stream(front: RunningFront) -> None:
    steps = await node("stream", front.address)
    assert isinstance(steps, list)
    *deltas, last = steps
    assert len("".join(delta["text_delta"] for delta in deltas).split()) == 4
    assert last["completion"]["finish_reason"] == "FINISH_REASON_LENGTH"


async def test_node_decodes_what_is_wrong(front: RunningFront) -> None:
    error = await node("wrong", front.address)
    assert isinstance(error, dict)
    assert (error["code"], error["reason"]) == ("INVALID_ARGUMENT", "INVALID_REQUEST")
    assert [each["field"] for each in error["violations"]] == WRONG_FIELDS


async def test_node_is_told_when_to_come_back() -> None:
    async with full_front() as front:
        error = await node("full", front.address)
    assert isinstance(error, dict)
    assert (error["code"], error["reason"]) == ("RESOURCE_EXHAUSTED", "OVERLOADED")
    assert error["retryAfterSeconds"] > 0


async def test_node_keeps_its_deadline_and_frees_the_engine(front: RunningFront) -> None:
    error = await node("deadline", front.address)
    assert isinstance(error, dict)
    assert error["code"] == "DEADLINE_EXCEEDED"
    await until(lambda: front.runners["slow"].running_count() == 0)


async def test_node_cancels_and_frees_the_engine(front: RunningFront) -> None:
    steps = await node("cancel", front.address)
    assert isinstance(steps, list)
    assert steps[0]["text_delta"]
    assert steps[-1] == "CANCELLED"
    await until(lambda: front.runners["slow"].running_count() == 0)


async def test_node_uploads_a_picture_and_names_it(front: RunningFront) -> None:
    result = await node("digest", front.address)
    assert isinstance(result, dict)
    assert result["missing"] == "IMAGE_NOT_FOUND"
    assert result["stored"]["size_bytes"] == len(PICTURE.data)
    assert result["used"] == PICTURE.digest


async def test_node_uses_tls_and_a_token(secured: tuple[RunningFront, Path]) -> None:
    front, authority = secured
    refused = await node("models", front.address, EXPART_CA=str(authority))
    assert isinstance(refused, dict)
    assert refused["code"] == "UNAUTHENTICATED"
    answered = await node("models", front.address, EXPART_CA=str(authority), EXPART_TOKEN=TOKEN)
    assert isinstance(answered, dict)
    assert [model["name"] for model in answered["models"]] == ["a-model"]
