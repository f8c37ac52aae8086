"""The service with scripted models, as other programs' tests start it."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest

from expart.generation.v1 import generation_service_pb2 as pb
from expart.generation.v1 import generation_service_pb2_grpc as pb_grpc

TIMEOUT_S = 60.0
COMMAND = (sys.executable, "-m", "services.generation.scripted_server")


@contextmanager
def server(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Starts one, gives its process and address, and ends it by closing its input."""
    process = subprocess.Popen(
        [*COMMAND, "--with-parent", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline().strip()
            assert process.stdin is not None
            process.stdin.close()
            assert process.wait(timeout=TIMEOUT_S) == 0
        finally:
            process.kill()


@contextmanager
def stub_of(address: str) -> Iterator[pb_grpc.GenerationServiceStub]:
    with grpc.insecure_channel(address) as channel:
        yield pb_grpc.GenerationServiceStub(channel)


def ask(
    stub: pb_grpc.GenerationServiceStub, instruction: str = "Explain.", model: str = "scripted"
) -> pb.GenerateExplanationResponse:
    request = pb.GenerateExplanationRequest(
        model=model, instruction=instruction, sampling=pb.SamplingParameters(max_tokens=4)
    )
    response: pb.GenerateExplanationResponse = stub.GenerateExplanation(request, timeout=TIMEOUT_S)
    return response


def code_of(call: Callable[[], object]) -> grpc.StatusCode:
    with pytest.raises(grpc.RpcError) as caught:
        call()
    code: grpc.StatusCode = caught.value.code()
    return code


def wait_for_state(stub: pb_grpc.GenerationServiceStub, model: str, state: int) -> pb.Model:
    ends_at = time.monotonic() + TIMEOUT_S
    while time.monotonic() < ends_at:
        found: pb.Model = stub.GetModel(pb.GetModelRequest(model=model), timeout=TIMEOUT_S).model
        if found.state == state:
            return found
        time.sleep(0.05)
    pytest.fail(f"{model} never came to that state")


def test_it_says_where_it_listens_answers_and_ends_with_its_parent() -> None:
    with server() as (_, address), stub_of(address) as stub:
        first, second = ask(stub), ask(stub)
    assert len(first.text.split()) == 4
    assert first.text == second.text
    assert first.completion.provenance.engine == "scripted"


@pytest.mark.parametrize("given", ["</dev/null", "<README.md", "<&-"])
def test_an_input_that_is_no_pipe_has_ended_at_once(given: str) -> None:
    shell = f'exec "$0" -m services.generation.scripted_server --with-parent {given}'
    done = subprocess.run(
        ["sh", "-c", shell, sys.executable],
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT_S,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("127.0.0.1:")


def test_a_setting_that_is_wrong_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXPART_GENERATION_DELTA_INTERVAL_S", "soon")
    done = subprocess.run(COMMAND, capture_output=True, text=True, check=False, timeout=TIMEOUT_S)
    assert done.returncode == 2
    assert done.stderr.startswith("EXPART_GENERATION_DELTA_INTERVAL_S: ")
    assert done.stderr.count("\n") == 1


def test_it_ends_at_sigterm() -> None:
    with server() as (process, _):
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=TIMEOUT_S) == 0


def test_neither_ray_nor_an_engines_library_is_loaded() -> None:
    code = (
        "import sys, services.generation.scripted_server as s; s.build = s.make_catalog;"
        "import services.generation.engines.scripted;"
        "print(sorted({'ray', 'vllm', 'torch', 'transformers', 'openai'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_faults_of_the_command_line_meet_requests() -> None:
    refuse = {"action": "refuse", "instruction_contains": "forbidden"}
    fail = {"action": "fail", "after_tokens": 2, "instruction_contains": "breaks", "times": 1}
    arguments = [part for fault in (refuse, fail) for part in ("--fault", json.dumps(fault))]
    arguments += ["--model", "a", "--model", "b"]
    with server(*arguments) as (_, address), stub_of(address) as stub:
        assert ask(stub, model="b").text
        assert code_of(lambda: ask(stub, "forbidden", "a")) is grpc.StatusCode.INVALID_ARGUMENT
        assert code_of(lambda: ask(stub, "breaks", "a")) is grpc.StatusCode.ABORTED
        assert len(ask(stub, "breaks", "a").text.split()) == 4


def test_a_crash_ends_the_server_as_a_killed_front_would() -> None:
    with server("--fault", '{"action": "crash"}') as (process, address), stub_of(address) as stub:
        assert code_of(lambda: ask(stub)) is grpc.StatusCode.UNAVAILABLE
        assert process.wait(timeout=TIMEOUT_S) == 70
        process.returncode = 0  # what the helper asks for at the end


def write_entry(folder: Path, name: str, **script: object) -> None:
    entry = {"name": name, "engine": "scripted", "max_model_len": 100, "scripted": script}
    (folder / f"{name}.yaml").write_text(json.dumps(entry))


def test_models_of_a_folder_load_fail_fall_ill_and_come_back(tmp_path: Path) -> None:
    write_entry(tmp_path, "broken", load_error="no such weights")
    write_entry(tmp_path, "frail", unhealthy_after=1, load_s=2)
    write_entry(tmp_path, "slow", load_s=3600)
    with server("--catalog", str(tmp_path)) as (_, address), stub_of(address) as stub:
        broken = wait_for_state(stub, "broken", pb.MODEL_STATE_FAILED)
        assert broken.state_reason == "no such weights"
        assert code_of(lambda: ask(stub, model="slow")) is grpc.StatusCode.UNAVAILABLE
        wait_for_state(stub, "frail", pb.MODEL_STATE_READY)
        assert ask(stub, model="frail").text
        wait_for_state(stub, "frail", pb.MODEL_STATE_LOADING)
        wait_for_state(stub, "frail", pb.MODEL_STATE_READY)
        assert ask(stub, model="frail").text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--fault", '{"action": "explode"}'], "action"),
        (["--fault", '{"action": "fail", "afer_tokens": 1}'], "did you mean 'after_tokens'?"),
        (["--model", "No Name"], "name"),
        (["--first-token-s", "-1"], "first_token_s"),
        (["--catalog", "/nowhere"], "/nowhere does not exist"),
        (["--catalog", "deploy/models"], "only scripted ones"),
        (["--catalog", "deploy/models", "--model", "a"], "--catalog"),
        (["--catalog", "deploy/models", "--load-s", "1"], "--catalog"),
        (["--port", "70000"], "PORT: Input should be less than or equal to 65535, got 70000"),
    ],
)
def test_a_mistake_is_told_in_one_line(arguments: list[str], message: str) -> None:
    done = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""
