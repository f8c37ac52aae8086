"""A whole generation service on this machine, started and stopped from one program."""

import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from services.core.errors import ExpArtError, UserInputError
from services.generation.catalog import Catalog
from services.generation.domain import ModelState
from services.generation.local_config import HostConfig, HostEvent
from services.generation.processes import end_descendants, end_session
from services.generation.settings import GenerationSettings, local_ray_environment
from services.generation.turns import let_take_turns

# The host ends itself within 15 s, see local_host.
_STOP_TIMEOUT_S = 25.0
_LOOPBACK = "127.0.0.1"


class LocalStackError(ExpArtError):
    """The local stack could not be started, or a model of it not loaded."""


@dataclass(frozen=True, slots=True)
class LoadingProgress:
    """A step of starting.

    Attributes:
        model: Which model changed; empty while Ray itself is starting.
        state: Its new state.
        detail: One line about it, or empty.
        elapsed_s: Seconds since the start.
    """

    model: str
    state: ModelState
    detail: str
    elapsed_s: float


class LocalGeneration:
    """A running local stack; as a context manager it stops at the end.

    Attributes:
        address: ``host:port`` of the gRPC front.
        log_path: Where everything that Ray and the models print goes.
        ray_address: Address of the stack's own Ray, for tools and tests.
        ray_token: Secret that its Ray asks for.
    """

    def __init__(self, log_path: Path) -> None:
        self.address = ""
        self.ray_address = ""
        self.ray_token = secrets.token_hex(32)
        self.log_path = log_path
        self._host: subprocess.Popen[str] | None = None
        self._log: IO[str] | None = None
        self._port_holders: list[socket.socket] = []
        # Short: paths of Unix sockets below it have at most 107 characters.
        self._temp_folder = Path(tempfile.mkdtemp(prefix="expart-"))

    @property
    def process_id(self) -> int:
        """Process id of the host, whose descendants are all there is of the stack."""
        assert self._host is not None
        return self._host.pid

    def wait(self, timeout_s: float) -> bool:
        """Waits for the stack to end by itself, which it does only if it is lost.

        Returns:
            True once the host has ended; the log says why. False if it still runs after
            ``timeout_s`` seconds.
        """
        if self._host is None:
            return True
        try:
            self._host.wait(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            return False
        return True

    def stop(self) -> None:
        """Ends every process of the stack and removes its temporary files. Idempotent."""
        try:
            if self._host is not None:
                self._end(self._host)
        finally:
            self._host = None
            for holder in self._port_holders:
                holder.close()
            if self._log is not None:
                self._log.close()
            shutil.rmtree(self._temp_folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(
        self,
        catalog: Catalog,
        settings: GenerationSettings,
        progress: Callable[[LoadingProgress], None],
        at_a_time: int | None = None,
    ) -> None:
        """Starts what :func:`start_local` describes; once only."""
        settings = settings.model_copy(update={"port": self._hold(settings.host, settings.port)})
        if settings.security.has_tls and not settings.health_address:
            # The host has no certificate to show, and needs to see the front become healthy.
            address = f"{_LOOPBACK}:{self._hold(_LOOPBACK, 0)}"
            settings = settings.model_copy(update={"health_address": address})
        config = HostConfig(
            specs=list(catalog),
            settings_values=settings.model_dump(mode="json"),
            temp_folder=self._temp_folder / "ray",
            at_a_time=at_a_time,
        )
        config_file = self._temp_folder / "host.json"
        config_file.write_text(config.model_dump_json(exclude_unset=True), encoding="utf-8")
        self.log_path.parent.mkdir(parents=True, exist_ok=True)
        self._log = self.log_path.open("w", encoding="utf-8")
        self._host = subprocess.Popen(
            [sys.executable, "-m", "services.generation.local_host", str(config_file)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env={
                **local_ray_environment(self.ray_token),
                "TMPDIR": str(self._temp_folder),
            },
            # Ctrl-C in the terminal is for the program that owns the stack, not for the stack.
            start_new_session=True,
        )
        self._follow(self._host, progress)

    def _hold(self, host: str, port: int) -> int:
        """Takes a port for as long as the stack lives; 0 picks a free one."""
        self._port_holders.append(_hold_port(host, port))
        return int(self._port_holders[-1].getsockname()[1])

    def _follow(
        self, host: subprocess.Popen[str], progress: Callable[[LoadingProgress], None]
    ) -> None:
        """Passes the host's events on until it is ready."""
        assert host.stdout is not None
        for line in host.stdout:
            event = HostEvent.model_validate_json(line)
            if event.kind == "ready":
                self.address, self.ray_address = event.address, event.ray_address
                return
            if event.kind == "failed":
                raise LocalStackError(
                    f"the generation service did not start: {event.detail}; log: {self.log_path}"
                )
            state = ModelState(event.state) if event.state else ModelState.LOADING
            progress(LoadingProgress(event.model, state, event.detail, event.elapsed_s))
            if state is ModelState.FAILED:
                raise LocalStackError(
                    f"model {event.model} could not be loaded: {event.detail}; log: {self.log_path}"
                )
        raise LocalStackError(f"the generation service ended while starting; log: {self.log_path}")

    def _end(self, host: subprocess.Popen[str]) -> None:
        assert host.stdin is not None
        assert host.stdout is not None
        host.stdin.close()
        try:
            host.wait(timeout=_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            # Ended below; no error, as it would hide the one that made us stop.
            assert self._log is not None
            self._log.write(f"the host did not end within {_STOP_TIMEOUT_S:g} s; it is killed\n")
        finally:
            # Also when a second Ctrl-C cuts the wait short: nothing may stay behind.
            if host.poll() is None:
                end_descendants(grace_s=0, of=host.pid)
                host.kill()
                host.wait()
            # A host that was itself killed could not end what it had started.
            end_session(host.pid)
            host.stdout.close()


def start_local(
    catalog: Catalog,
    models: Sequence[str],
    *,
    front_port: int = 0,
    progress: Callable[[LoadingProgress], None] = lambda _: None,
    log_path: Path = Path("var/log/generation.log"),
    settings: GenerationSettings | None = None,
    at_a_time: int | None = None,
) -> LocalGeneration:
    """Starts Ray, the front and one application a model, all models at the same time.

    Returns once every model can be called. Nothing is printed; whatever goes wrong, Ctrl-C
    included, nothing is left running.

    Args:
        catalog: Where the models are described.
        models: Names of those to start.
        front_port: Port of the front; 0 picks a free one.
        progress: Called at every step, in this thread.
        log_path: Takes what Ray and the models print; overwritten.
        settings: Settings of the service; by default from the environment.
        at_a_time: How many of the models are called at the same time, at most; the others then need
            no GPUs, which are given back between the turns. By default all of them.

    Raises:
        UserInputError: A model is not in the catalog, the port is in use, or a file of the
            certificates or tokens is wrong.
        LocalStackError: Something did not start; the message says what, why, and where the log is.
    """
    chosen = catalog.select(tuple(models))
    if at_a_time is not None:
        chosen = let_take_turns(chosen, at_a_time)
    base = settings if settings is not None else GenerationSettings()
    base.security.check()  # Serve would only say that the front did not start
    stack = LocalGeneration(log_path)
    try:
        stack.start(chosen, base.model_copy(update={"port": front_port}), progress, at_a_time)
    except BaseException:
        stack.stop()
        raise
    return stack


def _hold_port(host: str, port: int) -> socket.socket:
    """Takes a port for as long as the stack lives, so that a front that is replaced finds it free.

    The front shares it by SO_REUSEPORT; this socket never listens, so no connection reaches it.
    """
    if port:
        # Sharing would succeed beside another server of ours, and callers would reach either.
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            _bind(probe, host, port)
    holder = socket.socket()
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    _bind(holder, host, port)
    return holder


def _bind(bound: socket.socket, host: str, port: int) -> None:
    try:
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        raise UserInputError(f"cannot listen on {host}:{port}: {error.strerror}") from error
