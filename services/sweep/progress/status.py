"""Where a driver tells others how far it is: ``status.json`` of its shard."""

import os
import platform
import threading
from datetime import UTC, datetime
from enum import StrEnum
from typing import Self

import structlog
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from services.core.errors import ExpArtError, UserInputError
from services.sweep.progress.snapshot import SweepSnapshot
from services.sweep.results.store import ResultStore
from services.sweep.spec.sharding import Shard

_log = structlog.get_logger()

FILE_NAME = "status.json"
FORMAT = "expart-sweep-status/1"
_INTERVAL_S = 3.0
# So many intervals without a word, and a driver seems dead.
_SILENT_INTERVALS = 6


class DriverState(StrEnum):
    """What a driver is doing, or how it ended.

    One that is killed cannot say so: it stays ``running``, and falls silent.
    """

    RUNNING = "running"
    ENDED = "ended"
    STOPPED = "stopped"
    FAILED = "failed"


class DriverStatus(BaseModel):
    """What a driver said last.

    Attributes:
        format: Name and version of the file's format.
        sweep: Name of the spec.
        shard: Label of the driver's shard.
        state: What it is doing; ``stopped`` after Ctrl-C or SIGTERM.
        reason: Why it failed, in one line; empty if it did not.
        host: Machine or pod.
        pid: Its process there.
        started_at: When it began.
        written_at: When it said this, by its own clock.
        interval_s: How often it says something while it is alive.
        snapshot: Its counts.
    """

    model_config = ConfigDict(frozen=True)

    format: str = FORMAT
    sweep: str
    shard: str
    state: DriverState
    reason: str = ""
    host: str
    pid: int
    started_at: datetime
    written_at: datetime
    interval_s: float
    snapshot: SweepSnapshot

    def seems_dead(self, now: datetime) -> bool:
        """Whether it should be running and has been silent for too long, if the clocks agree."""
        silent_s = (now - self.written_at).total_seconds()
        is_running = self.state is DriverState.RUNNING
        return is_running and silent_s > _SILENT_INTERVALS * self.interval_s

    def present(self, now: datetime) -> SweepSnapshot:
        """The counts; of a driver that runs no more without the pace that it had."""
        runs = self.state is DriverState.RUNNING and not self.seems_dead(now)
        return self.snapshot if runs else self.snapshot.at_rest()


_ADAPTER = TypeAdapter(DriverStatus)


class StatusProgress:
    """Watches a sweep and writes its status every few seconds, from a thread of its own.

    A driver whose event loop stands still says nothing new, and so seems dead after a while.
    A status that cannot be written is logged: the results matter more.

    Args:
        store: The sweep's output.
        shard: The driver's shard.
        sweep: Name of the spec.
        interval_s: Seconds between two words.
    """

    def __init__(
        self, store: ResultStore, shard: Shard, sweep: str, *, interval_s: float = _INTERVAL_S
    ) -> None:
        self._store = store
        self._shard = shard
        self._sweep = sweep
        self._interval_s = interval_s
        self._started_at = datetime.now(UTC)
        self._last: SweepSnapshot | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._keep_writing, daemon=True)

    def __enter__(self) -> Self:
        """Begins to write."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, *_: object
    ) -> None:
        """Writes the last state."""
        self._over.set()
        self._thread.join()
        if error is None:
            self._write(DriverState.ENDED)
        elif isinstance(error, KeyboardInterrupt):
            self._write(DriverState.STOPPED)
        else:
            text = error.message if isinstance(error, ExpArtError) else str(error)
            self._write(DriverState.FAILED, " ".join(text.split()) or type(error).__name__)

    def update(self, snapshot: SweepSnapshot) -> None:
        """Takes the counts."""
        self._last = snapshot

    def note(self, message: str) -> None:
        """Ignores the remark."""

    def _keep_writing(self) -> None:
        written: SweepSnapshot | None = None
        # The first word comes soon, so that whoever looks finds it.
        wait_s = min(0.5, self._interval_s)
        while not self._over.wait(wait_s):
            if self._last is not written:
                written = self._last
                self._write(DriverState.RUNNING)
                wait_s = self._interval_s

    def _write(self, state: DriverState, reason: str = "") -> None:
        if self._last is None:
            return
        status = DriverStatus(
            sweep=self._sweep,
            shard=self._shard.label,
            state=state,
            reason=reason,
            host=platform.node(),
            pid=os.getpid(),
            started_at=self._started_at,
            written_at=datetime.now(UTC),
            interval_s=self._interval_s,
            snapshot=self._last,
        )
        name = self._store.shard_file(self._shard, FILE_NAME)
        try:
            self._store.write_text(name, _ADAPTER.dump_json(status).decode() + "\n")
        except ExpArtError as error:
            _log.warning("status_not_written", message=error.message)


def read_statuses(store: ResultStore) -> tuple[DriverStatus, ...]:
    """Reads what the drivers of an output said last: those of the newest number of shards.

    Raises:
        UserInputError: The output cannot be read, or a status is of another version.
    """
    found: list[DriverStatus] = []
    for shard in store.shards():
        name = store.shard_file(shard, FILE_NAME)
        text = store.read_text(name)
        if text is None:
            continue
        try:
            found.append(_ADAPTER.validate_json(text))
        except ValidationError as error:
            reason = error.errors(include_url=False)[0]["msg"]
            raise UserInputError(
                f"{store.uri}/{name}: no status of this version: {reason}"
            ) from error
    if not found:
        return ()
    newest = max(found, key=lambda status: status.started_at)
    count = Shard.parse(newest.shard).count
    return tuple(status for status in found if Shard.parse(status.shard).count == count)
