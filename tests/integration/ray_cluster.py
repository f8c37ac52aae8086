"""A real Ray cluster on this machine, node by node with ``ray start``, and ``serve deploy`` to it.

Nodes get loopback addresses of their own, so several run side by side, and a node can be killed
with all that runs on it.
"""

import contextlib
import ctypes
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import psutil
import yaml
from pydantic import JsonValue

from services.generation.catalog import Catalog, ModelSpec
from services.generation.processes import end_session
from services.generation.serve_config import as_yaml, serve_config
from services.generation.settings import SERVE_ENVIRONMENT, local_ray_environment

PROJECT = Path(__file__).parents[2]
HEAD_IP, OTHER_IP = "127.0.0.2", "127.0.0.3"
# Ray takes no less than 75 MiB.
_OBJECT_STORE_BYTES = 80 * 2**20
_START_S = 120.0
_PR_SET_PDEATHSIG = 1
_BIN = Path(sys.executable).parent


class Node:
    """One ``ray start --block`` and everything below it, which share a session."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self.log = log

    def processes(self) -> list[psutil.Process]:
        """All that runs on this node; found by its session, as orphans have other parents."""
        return [item for item in psutil.process_iter() if _session(item) == self.process.pid]

    def find(self, title: str) -> list[psutil.Process]:
        """Processes of this node whose command line begins with a title."""
        return [item for item in self.processes() if title in " ".join(_command(item)[:1])]

    def kill(self) -> None:
        """Ends all of it at once, as a power cut would."""
        end_session(self.process.pid)
        self.process.wait(20)


class RayCluster:
    """A Ray cluster whose head has a dashboard, which is what ``serve deploy`` talks to.

    Attributes:
        front_port: Where the front listens, on the loopback interface.
        exporter_port: Where the head's exporter tells Ray's metrics, at :data:`HEAD_IP`.
    """

    def __init__(self) -> None:
        # Short: paths of Unix sockets below it have at most 107 characters.
        self.folder = Path(tempfile.mkdtemp(prefix="ray-"))
        self.front_port, self._front_holder = held_port()
        ports = free_ports(4)
        self._gcs_port, self._dashboard_port, self._client_port, self.exporter_port = ports
        self.nodes: list[Node] = []
        self.environment = local_ray_environment(secrets.token_hex(32))
        for name in SERVE_ENVIRONMENT:
            # A cluster that knows nothing of us.
            del self.environment[name]
        self.environment["TMPDIR"] = str(self.folder)

    @property
    def address(self) -> str:
        """Where the front listens."""
        return f"127.0.0.1:{self.front_port}"

    @property
    def ray_address(self) -> str:
        """Where other processes find this Ray."""
        return f"{HEAD_IP}:{self._gcs_port}"

    @property
    def head(self) -> Node:
        """The node with Ray's head."""
        return self.nodes[0]

    def start_head(self, num_cpus: int, resources: Mapping[str, float] | None = None) -> Node:
        """Starts the head; a second time after it was killed.

        Only from the main thread: the node ends with the thread that started it.

        Args:
            num_cpus: Cores that Ray may give away.
            resources: What else it may, by name.
        """
        self.nodes[:1] = [
            self._start(
                HEAD_IP,
                num_cpus,
                "--head",
                f"--port={self._gcs_port}",
                "--include-dashboard=true",
                f"--dashboard-host={HEAD_IP}",
                f"--dashboard-port={self._dashboard_port}",
                f"--ray-client-server-port={self._client_port}",
                f"--metrics-export-port={self.exporter_port}",
                f"--temp-dir={self.folder / 'r'}",
                f"--resources={json.dumps(dict(resources or {}))}",
            )
        ]
        return self.head

    def add_node(self, num_cpus: int) -> Node:
        """Starts another node."""
        self.nodes.append(self._start(OTHER_IP, num_cpus, f"--address={self.ray_address}"))
        return self.nodes[-1]

    def deploy(self, *specs: ModelSpec, **settings: JsonValue) -> None:
        """Runs ``serve deploy`` with a config of these models."""
        values = {"host": "127.0.0.1", "port": self.front_port, **settings}
        catalog = Catalog({spec.name: spec for spec in specs})
        self.deploy_text(as_yaml(serve_config(catalog, values, Path("/models"))))

    def deploy_text(self, config: str) -> None:
        """Runs ``serve deploy`` with the text of a config."""
        file = self.folder / "config.yaml"
        file.write_text(config, encoding="utf-8")
        self.serve("deploy", str(file))

    def serve(self, *arguments: str) -> str:
        """Runs Serve's own command against the cluster; returns what it prints."""
        done = subprocess.run(
            [_BIN / "serve", *arguments, "--address", f"http://{HEAD_IP}:{self._dashboard_port}"],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return done.stdout

    def status(self) -> dict[str, JsonValue]:
        """What ``serve status`` says, read."""
        found = yaml.safe_load(self.serve("status"))
        assert isinstance(found, dict)
        return found

    def find(self, title: str) -> list[psutil.Process]:
        """Processes of all nodes whose command line begins with a title."""
        return [process for node in self.nodes for process in node.find(title)]

    def replicas(self, model: str) -> list[psutil.Process]:
        """Processes of a model's replicas."""
        return self.find(f"ServeReplica:model-{model}:")

    def memory_bytes(self) -> int:
        """Proportional memory of everything that runs."""
        total = 0
        for node in self.nodes:
            for process in node.processes():
                with contextlib.suppress(psutil.Error):
                    total += process.memory_full_info().pss
        return total

    @contextlib.contextmanager
    def running_counts(self, awake: str) -> Iterator[Callable[[str], int]]:
        """Gives a function that counts the generations of a model's engine.

        It is ready at once, as a model that is ``awake`` was asked before.
        """
        with subprocess.Popen(
            [sys.executable, "-m", "tests.integration.generation_driver", self.ray_address],
            env=self.environment,
            cwd=PROJECT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as driver:
            assert driver.stdin is not None
            asked, answers = driver.stdin, driver.stdout
            assert answers is not None

            def running(model: str) -> int:
                asked.write(json.dumps({"do": "running", "of": model}) + "\n")
                asked.flush()
                return int(answers.readline())

            running(awake)
            yield running
            asked.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for node in reversed(self.nodes):
            node.kill()
        self._front_holder.close()
        if error is not None:
            self._show_logs()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _start(self, ip: str, num_cpus: int, *options: str) -> Node:
        log_path = self.folder / f"{ip}-{len(list(self.folder.glob('*.log')))}.log"
        log: IO[bytes]
        with log_path.open("wb") as log:
            process = subprocess.Popen(
                [
                    _BIN / "ray",
                    "start",
                    *options,
                    "--block",
                    f"--node-ip-address={ip}",
                    f"--num-cpus={num_cpus}",
                    f"--object-store-memory={_OBJECT_STORE_BYTES}",
                    "--include-log-monitor=false",
                    "--disable-usage-stats",
                ],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_end_with_parent,  # noqa: PLW1509 - it takes no lock
            )
        node = Node(process, log_path)
        deadline = time.monotonic() + _START_S
        while b"Ray runtime started" not in log_path.read_bytes():
            said = log_path.read_text(errors="replace")
            assert process.poll() is None, said
            assert time.monotonic() < deadline, said
            time.sleep(0.2)
        return node

    def _show_logs(self) -> None:
        for log in sorted(self.folder.glob("r/session_latest/logs/serve/*.log")):
            sys.stderr.write(f"--- {log.name}\n{log.read_text(errors='replace')[-3000:]}\n")


def held_port() -> tuple[int, socket.socket]:
    """Takes a port that fronts may share, so that nobody else gets it meanwhile."""
    holder = socket.socket()
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    holder.bind(("127.0.0.1", 0))
    return int(holder.getsockname()[1]), holder


def free_ports(count: int) -> list[int]:
    """Finds ports that nobody uses now."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for item in sockets:
            item.bind((HEAD_IP, 0))
        return [int(item.getsockname()[1]) for item in sockets]


def _end_with_parent() -> None:
    """Lets a node end itself when whoever started it is killed; only Linux has it."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def _session(process: psutil.Process) -> int:
    try:
        return os.getsid(process.pid)
    except (ProcessLookupError, PermissionError):
        return 0


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


@contextlib.contextmanager
def ray_cluster(num_cpus: int = 4) -> Iterator[RayCluster]:
    """A cluster of one node."""
    with RayCluster() as cluster:
        cluster.start_head(num_cpus)
        yield cluster
