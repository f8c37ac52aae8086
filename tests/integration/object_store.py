"""A real S3 API on this machine, and ways to make it fail."""

import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

BUCKET = "results"
_COMMIT = re.compile(rb"PUT (\S+/_delta_log/\d+\.json)")


@dataclass(frozen=True, slots=True)
class ObjectStoreServer:
    """Where it listens, and what a client of it finds in its environment."""

    port: int

    @property
    def environment(self) -> dict[str, str]:
        """Endpoint, region and credentials, as every S3 client reads them."""
        return {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}",
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": "somebody",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": "us-east-1",
        }

    def make_bucket(self, name: str = BUCKET) -> None:
        """Makes a bucket."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/{name}", method="PUT")
        with urllib.request.urlopen(request, timeout=10):
            pass


@contextmanager
def object_store() -> Iterator[ObjectStoreServer]:
    """Runs moto's S3 server with one empty bucket."""
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"]
    with tempfile.NamedTemporaryFile() as log:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=log)
        try:
            server = ObjectStoreServer(_port(process, Path(log.name)))
            server.make_bucket()
            yield server
        finally:
            process.terminate()
            process.wait()


def _port(process: "subprocess.Popen[bytes]", log: Path) -> int:
    """The free port that it has taken: it says so as soon as it listens."""
    until = time.monotonic() + 120
    while not (said := re.search(r"Running on http://127\.0\.0\.1:(\d+)\n", log.read_text())):
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < until, "the S3 server does not start"
        time.sleep(0.1)
    return int(said[1])


class FaultyRoute:
    """A way to the server on which answers get lost, or nothing comes through at all.

    Args:
        port: Where the server listens.

    Attributes:
        is_down: Nothing comes through.
        loses_commits: The first commit of each version of a Delta table comes through; what the
            server answers to it does not.
        lost: The paths of those commits.
    """

    def __init__(self, port: int) -> None:
        self._server = port
        self.is_down = False
        self.loses_commits = False
        self.lost: list[str] = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Takes no more connections."""
        with suppress(OSError):  # who waits for a connection is woken by this alone
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listening.accept()
            except OSError:
                return  # closed
            if self.is_down:
                near.close()
                continue
            threading.Thread(target=self._serve, args=(near,), daemon=True).start()

    def _serve(self, near: socket.socket) -> None:
        with near, socket.create_connection(("127.0.0.1", self._server)) as far:
            is_lost = threading.Event()  # the next answer on this connection
            asking = threading.Thread(
                target=self._pass_on, args=(near, far, is_lost, True), daemon=True
            )
            asking.start()
            self._pass_on(far, near, is_lost, is_asking=False)
            asking.join()

    def _pass_on(
        self,
        source: socket.socket,
        target: socket.socket,
        is_lost: threading.Event,
        is_asking: bool,
    ) -> None:
        with suppress(OSError):  # the other direction has ended it
            while content := source.recv(2**16):
                if self.is_down or (is_lost.is_set() and not is_asking):
                    break
                if is_asking and self._is_first_commit(content):
                    is_lost.set()
                target.sendall(content)
        for end in (source, target):
            with suppress(OSError):  # ended already
                end.shutdown(socket.SHUT_RDWR)

    def _is_first_commit(self, content: bytes) -> bool:
        asked = _COMMIT.match(content)
        if not self.loses_commits or asked is None or asked[1].decode() in self.lost:
            return False
        self.lost.append(asked[1].decode())
        return True
