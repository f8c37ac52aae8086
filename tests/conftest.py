"""The real local stack, started once for the whole session by the command that users run."""

import fcntl
import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from hypothesis import settings

from deploy.demo_models.assemble import assemble
from tests.expart_process import PROJECT, expart_process
from tests.scheduling import FileScheduling, asks_for_quickstart, longest_first

DEMO_MODELS = ("demo-smol", "demo-tiny")
STOP_TIMEOUT_S = 60
_QUICKSTART = pytest.StashKey[ExitStack]()

# How long an example takes says how busy the machine is: other tests run beside it.
settings.register_profile("suite", settings.default, deadline=None)
settings.load_profile("suite")


@dataclass(frozen=True, slots=True)
class LocalStack:
    """A running stack.

    Attributes:
        generation: Address of the generation service.
        scoring: Address of the scoring service.
        models: Models that it serves.
        process: The ``expart serve`` that runs it.
    """

    generation: str
    scoring: str
    models: tuple[str, ...]
    process: subprocess.Popen[str]

    def descendants(self) -> list[psutil.Process]:
        """Every process that the command has started, however deep."""
        return psutil.Process(self.process.pid).children(recursive=True)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Orders the tests where several processes share them."""
    if hasattr(config, "workerinput"):
        longest_first(items)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> FileScheduling:
    """Keeps files whole, and stacks on one worker."""
    return FileScheduling(config, log)  # type: ignore[arg-type]  # xdist says no more of its log


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Shows what tests that passed have measured and recorded as a property."""
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            terminalreporter.write_line(f"{name}: {value}")


@pytest.fixture(scope="session")
def demo_models() -> Path:
    """The folder with the assembled demo models."""
    folder = PROJECT / "var" / "models"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        # Where tests run in several processes, the first assembles them for all.
        fcntl.flock(lock, fcntl.LOCK_EX)
        for name in DEMO_MODELS:
            assemble(name, folder / name)
    return folder


@pytest.fixture(scope="session")
def quickstart(
    demo_models: Path, tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> Iterator[LocalStack]:
    """``expart serve`` with both demo models; it ends after the last test that asks for it."""
    log = tmp_path_factory.mktemp("stack") / "stderr.log"
    with pytestconfig.stash.setdefault(_QUICKSTART, ExitStack()) as running:
        yield running.enter_context(_serving(demo_models, log))


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    """Ends the stack as soon as nobody will ask for it: others want the memory it holds."""
    if asks_for_quickstart(item):
        later = item.session.items[item.session.items.index(item) + 1 :]
        if not any(map(asks_for_quickstart, later)):
            item.config.stash.setdefault(_QUICKSTART, ExitStack()).close()


@contextmanager
def _serving(demo_models: Path, log: Path) -> Iterator[LocalStack]:
    """Runs ``expart serve``. Ctrl-C must end it and all that it started."""
    with (
        log.open("w") as stderr,
        expart_process(
            *("serve", "--json"), stderr=stderr, EXPART_GENERATION_MODELS_FOLDER=str(demo_models)
        ) as process,
    ):
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            process.wait(STOP_TIMEOUT_S)
            pytest.fail(f"the stack did not start: {log.read_text()[-2000:]}")
        addresses = json.loads(line)
        running = LocalStack(addresses["generation"], addresses["scoring"], DEMO_MODELS, process)
        yield running
        started = running.descendants()
        process.send_signal(signal.SIGINT)
        process.wait(STOP_TIMEOUT_S)
        _, alive = psutil.wait_procs(started, timeout=10)
        assert process.returncode == 0, log.read_text()[-2000:]
        assert not alive, f"left running: {alive}"
