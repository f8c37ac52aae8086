"""buildah and podman for the tests: a storage of their own, no daemon, and no registry."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

PROJECT = Path(__file__).resolve().parents[2]
BASE = "localhost/expart-test-base"
BUILD_TIMEOUT_S = 540.0
TIMEOUT_S = 120.0

_PROGRAMS = ("buildah", "podman", "runc", "mmdebstrap")
_BASE_PACKAGES = "ca-certificates,python3,python3-venv"
_AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"
# What the images promise to do without, and what the machine's cgroups and limits ask for.
_CONFINED = (
    "--network=host",
    "--read-only",
    "--read-only-tmpfs=false",
    "--tmpfs=/tmp:rw,mode=1777",
    "--cap-drop=ALL",
    "--security-opt=no-new-privileges",
    "--ulimit=nofile=1024:1024",
    "--ulimit=nproc=1024:1024",
)


def missing() -> str:
    """Says why images cannot be built here; nothing if they can."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "images are built by root on Linux"
    absent = [name for name in _PROGRAMS if shutil.which(name) is None]
    return f"images cannot be built without {', '.join(absent)}" if absent else ""


def storage_driver(folder: Path) -> str:
    """Says how images can be kept: overlay, where the kernel lays them over each other, or vfs.

    vfs works everywhere, and copies a whole image for each of its layers.
    """
    places = (f"--root={folder / 'root'}", f"--runroot={folder / 'state'}")
    ended = subprocess.run(
        ("podman", *places, "--storage-driver=overlay", "info"),
        capture_output=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    return "overlay" if ended.returncode == 0 else "vfs"


@dataclass(frozen=True, slots=True)
class Engine:
    """Builds images and runs containers.

    Attributes:
        folder: Holds images, containers and caches; with a short path, for podman's sockets.
        driver: How: overlay or vfs.
    """

    folder: Path
    driver: str

    def prepare(self, archive: Path) -> str:
        """Makes the base image: Debian's Python, where no registry has Docker's.

        Args:
            archive: Keeps its file system for the next time.

        Returns:
            Why this machine cannot have it, or run it; nothing if it can.
        """
        for name in ("tmp", "hooks"):
            (self.folder / name).mkdir(exist_ok=True)
        (self.folder / "pip.conf").write_text(_pip_configuration(), encoding="utf-8")
        if not archive.exists() and (cause := self._debian(archive)):
            return f"there is no base image without Debian's archive: {cause}"
        self.podman("import", "--quiet", str(archive), BASE, timeout_s=BUILD_TIMEOUT_S)
        tried = self.run(BASE, "true", check=False)
        return f"containers cannot be run here: {tried.stderr[-400:]}" if tried.returncode else ""

    def _debian(self, archive: Path) -> str:
        """Makes the base image's file system; says why it could not."""
        archive.parent.mkdir(parents=True, exist_ok=True)
        scratch = archive.with_suffix(f".{uuid4().hex}.tar")
        try:
            ended = self._call(
                *("mmdebstrap", "--quiet", "--variant=minbase", f"--include={_BASE_PACKAGES}"),
                *("--dpkgopt=path-exclude=/usr/share/doc/*", "bookworm", str(scratch)),
                timeout_s=BUILD_TIMEOUT_S,
                check=False,
            )
            if ended.returncode:
                return ended.stderr[-400:]
            scratch.replace(archive)
        finally:
            scratch.unlink(missing_ok=True)
        return ""

    def build(self, dockerfile: str, tag: str, *, stage: str = "", **arguments: str) -> str:
        """Builds an image of ``deploy/docker``, up to a stage of it; returns its name."""
        options = [f"--build-arg={name}={value}" for name, value in arguments.items()]
        options += [f"--target={stage}"] if stage else []
        # What images have in common is built once.
        options += ["--layers"] if self.driver == "overlay" else []
        mounts = [f"--volume={self.folder / 'pip.conf'}:/etc/pip.conf:ro"]
        if Path(_AUTHORITIES).exists():
            mounts.append(f"--volume={_AUTHORITIES}:{_AUTHORITIES}:ro")
        name = f"localhost/{tag}"
        self._call(
            *("buildah", *self._storage(), "build", "--pull-never", "--isolation=chroot"),
            # Docker's format knows health checks, OCI's does not.
            *("--format=docker", f"--build-arg=BASE={BASE}", *options, *mounts),
            *("--quiet", "--file", str(PROJECT / "deploy" / "docker" / dockerfile)),
            *("--tag", name, str(PROJECT)),
            timeout_s=BUILD_TIMEOUT_S,
        )
        return name

    def describe(self, image: str) -> dict[str, object]:
        """Everything that podman knows of an image."""
        found: list[dict[str, object]] = json.loads(self.podman("image", "inspect", image))
        return found[0]

    def run(
        self,
        image: str,
        *command: str,
        entrypoint: str | None = None,
        volumes: Mapping[Path, str] | None = None,
        check: bool = True,
    ) -> subprocess.CompletedProcess[str]:
        """Runs a container to its end, with as little as the images promise to need."""
        options = [f"--volume={place}:{inside}" for place, inside in (volumes or {}).items()]
        options += [] if entrypoint is None else [f"--entrypoint={entrypoint}"]
        return self._run("run", "--rm", *_CONFINED, *options, image, *command, check=check)

    @contextmanager
    def running(self, image: str, *command: str, **variables: str) -> Iterator["Container"]:
        """Runs a container for as long as the block lasts."""
        name = f"expart-test-{uuid4().hex[:12]}"
        options = [f"--env={key}={value}" for key, value in variables.items()]
        self._run("run", "--detach", f"--name={name}", *_CONFINED, *options, image, *command)
        try:
            yield Container(self, name)
        finally:
            self._run("rm", "--force", "--time=5", name, check=False)

    def podman(self, *arguments: str, timeout_s: float = TIMEOUT_S) -> str:
        """Runs a command of podman's; returns what it prints."""
        return self._run(*arguments, timeout_s=timeout_s).stdout

    def _run(
        self, *arguments: str, check: bool = True, timeout_s: float = TIMEOUT_S
    ) -> subprocess.CompletedProcess[str]:
        runtime = shutil.which("runc") or "runc"
        return self._call(
            *("podman", *self._storage(), "--cgroup-manager=cgroupfs", f"--runtime={runtime}"),
            *arguments,
            check=check,
            timeout_s=timeout_s,
        )

    def _storage(self) -> tuple[str, ...]:
        root, state = self.folder / "root", self.folder / "state"
        return (f"--root={root}", f"--runroot={state}", f"--storage-driver={self.driver}")

    def _call(
        self, *command: str, timeout_s: float, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        ended = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
            env={**os.environ, "TMPDIR": str(self.folder / "tmp")},
        )
        assert not check or ended.returncode == 0, (
            f"{' '.join(command)}: {ended.stdout[-2000:]}{ended.stderr[-4000:]}"
        )
        return ended


@dataclass(frozen=True, slots=True)
class Container:
    """A container that runs."""

    engine: Engine = field(repr=False)
    name: str

    @property
    def pid(self) -> int:
        """Its first process, as the machine numbers it."""
        return int(self._inspect("{{.State.Pid}}"))

    @property
    def exit_code(self) -> int:
        """How it ended."""
        assert self._inspect("{{.State.Status}}") == "exited"
        return int(self._inspect("{{.State.ExitCode}}"))

    def is_healthy(self) -> bool:
        """Runs the image's own health check once."""
        return self.engine._run("healthcheck", "run", self.name, check=False).returncode == 0

    def log(self) -> str:
        """What it has written so far."""
        ended = self.engine._run("logs", self.name)
        return ended.stdout + ended.stderr

    def stop(self, timeout_s: int) -> None:
        """Sends the image's stop signal, and kills what is left after a while."""
        self.engine.podman("stop", f"--time={timeout_s}", self.name)

    def children(self) -> dict[int, str]:
        """The states of the processes that its first one is the parent of, such as S or Z."""
        found = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text(encoding="utf-8")
        return {int(pid): _state(int(pid)) for pid in found.split()}

    def _inspect(self, template: str) -> str:
        return self.engine.podman("inspect", f"--format={template}", self.name).strip()


def status_of(pid: int) -> dict[str, str]:
    """What the kernel says of a process, by name."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def free_address() -> str:
    """An address on the loopback device that nobody listens on."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{listening.getsockname()[1]}"


def wait_until(condition: Callable[[], bool], what: Callable[[], str]) -> None:
    """Waits; fails with what is given if it takes too long."""
    ends_at = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < ends_at, what()
        time.sleep(0.2)


def _state(pid: int) -> str:
    try:
        return status_of(pid)["State"].split()[0]
    except FileNotFoundError:
        return "gone"


def _pip_configuration() -> str:
    """What this machine's pip is told about its index, for the pip of a build."""
    command = (sys.executable, "-m", "pip", "config", "list")
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    told: dict[str, str] = {}
    for line in listed.splitlines():
        name, _, value = line.partition("=")
        key = name.rpartition(".")[2]
        if key in {"index-url", "trusted-host", "timeout", "cert"}:
            told[key] = value.strip("'")
    if "cert" in told:
        told["cert"] = _AUTHORITIES
    return "\n".join(["[global]", *(f"{key} = {value}" for key, value in told.items()), ""])
