"""Starting and stopping a local stack: whatever happens, nothing stays behind."""

import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from services.core.errors import UserInputError
from services.generation.catalog import Catalog, ModelSpec, SourceSpec
from services.generation.local import LoadingProgress, LocalStackError, start_local
from tests.unit.generation.builders import scripted_spec

pytestmark = [pytest.mark.slow, pytest.mark.stack]

PROJECT = Path(__file__).parents[2]
QUICK = scripted_spec("quick")

# Starts a stack, says so line by line, and waits.
PROGRAM = """
import sys, time
from pathlib import Path
from services.generation.catalog import Catalog
from services.generation.local import start_local
from tests.unit.generation.builders import scripted_spec

spec = scripted_spec("quick")
try:
    with start_local(
        Catalog({"quick": spec}),
        ["quick"],
        progress=lambda step: print("step", flush=True),
        log_path=Path(sys.argv[1]),
    ):
        print("ready", flush=True)
        time.sleep(600)
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


@pytest.fixture
def temp_folder() -> Iterator[Path]:
    # Not pytest's own: paths of Unix sockets below it would be too long.
    with tempfile.TemporaryDirectory(prefix="t") as folder:
        yield Path(folder)


@pytest.fixture
def program(tmp_path: Path, temp_folder: Path) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [
            "env",
            f"TMPDIR={temp_folder}",
            sys.executable,
            "-c",
            PROGRAM,
            str(tmp_path / "generation.log"),
        ],
        stdout=subprocess.PIPE,
        text=True,
        cwd=PROJECT,
    ) as process:
        yield process
        if process.poll() is None:
            process.send_signal(signal.SIGINT)


def wait_for_line(process: subprocess.Popen[str], text: str) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if line.strip() == text:
            return
    pytest.fail(f"the program ended before it said {text!r}")


def assert_all_end(processes: list[psutil.Process], within_s: float) -> None:
    _, alive = psutil.wait_procs(processes, timeout=within_s)
    assert not [item for item in alive if item.status() != psutil.STATUS_ZOMBIE]


def descendants(process: subprocess.Popen[str]) -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


def test_ctrl_c_ends_every_process_and_removes_the_temporary_files(
    program: subprocess.Popen[str], temp_folder: Path
) -> None:
    wait_for_line(program, "ready")
    started = descendants(program)
    assert len(started) > 5  # the host, Ray's own, the front, the model
    assert list(temp_folder.iterdir())
    program.send_signal(signal.SIGINT)
    wait_for_line(program, "interrupted")
    assert program.wait(30) == 0
    assert_all_end(started, within_s=0)
    assert not list(temp_folder.iterdir())


def test_ctrl_c_while_starting_ends_every_process(program: subprocess.Popen[str]) -> None:
    wait_for_line(program, "step")  # Ray is being started
    time.sleep(3)
    started = descendants(program)
    assert started
    program.send_signal(signal.SIGINT)
    wait_for_line(program, "interrupted")
    assert program.wait(30) == 0
    assert_all_end(started, within_s=0)


def test_a_killed_program_takes_its_stack_along(
    program: subprocess.Popen[str], temp_folder: Path
) -> None:
    wait_for_line(program, "ready")
    started = descendants(program)
    program.kill()
    program.wait()
    assert_all_end(started, within_s=40)
    assert not list(temp_folder.iterdir())


def test_stopping_a_stack_ends_what_was_its_own_when_it_was_ready(tmp_path: Path) -> None:
    log_path = tmp_path / "generation.log"
    with start_local(Catalog({"quick": QUICK}), ["quick"], log_path=log_path) as local:
        host = psutil.Process(local.process_id)
        started = [host, *host.children(recursive=True)]
        assert len(started) > 5
        assert not local.wait(0)
    # Asked one by one: whoever was orphaned on the way is nobody's descendant any more.
    assert_all_end(started, within_s=0)
    assert local.wait(0)


def test_a_model_that_needs_a_missing_gpu_is_refused_at_once(tmp_path: Path) -> None:
    spec = ModelSpec(
        name="huge",
        source=SourceSpec(folder=str(tmp_path)),
        max_model_len=128,
        num_gpus=1000,
        tensor_parallel_size=1000,
    )
    with pytest.raises(LocalStackError, match="model huge needs 1000 GPUs; this machine has "):
        start_local(Catalog({"huge": spec}), ["huge"], log_path=tmp_path / "generation.log")


def test_a_model_that_cannot_be_loaded_is_told_in_one_line(tmp_path: Path) -> None:
    folder = tmp_path / "nothing"
    spec = ModelSpec(name="missing", source=SourceSpec(folder=str(folder)), max_model_len=128)
    log_path = tmp_path / "generation.log"
    before = {item.pid for item in psutil.Process().children(recursive=True)}
    started: dict[int, psutil.Process] = {}

    def watch(_: LoadingProgress) -> None:
        started.update(
            (item.pid, item)
            for item in psutil.Process().children(recursive=True)
            if item.pid not in before
        )

    with pytest.raises(LocalStackError) as caught:
        start_local(Catalog({"missing": spec}), ["missing"], progress=watch, log_path=log_path)

    assert caught.value.message == (
        f"model missing could not be loaded: {folder} holds no model: config.json is missing; "
        f"log: {log_path}"
    )
    assert "config.json is missing" in log_path.read_text(encoding="utf-8")
    assert len(started) > 1
    assert_all_end(list(started.values()), within_s=0)
    assert {item.pid for item in psutil.Process().children(recursive=True)} == before


def test_an_unknown_model_is_refused_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(UserInputError, match="no model named 'other' in the catalog"):
        start_local(Catalog({"quick": QUICK}), ["other"], log_path=tmp_path / "generation.log")
    assert not (tmp_path / "generation.log").exists()


def test_a_port_in_use_is_refused_before_anything_starts(tmp_path: Path) -> None:
    with socket.socket() as taken:
        # As another front would hold it: sharing the port would mix up two services.
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UserInputError, match=f"cannot listen on 127.0.0.1:{port}"):
            start_local(
                Catalog({"quick": QUICK}),
                ["quick"],
                front_port=port,
                log_path=tmp_path / "generation.log",
            )
    assert not (tmp_path / "generation.log").exists()
