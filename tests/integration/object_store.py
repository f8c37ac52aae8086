"""A real S3 API on this machine, and ways to make it fail."""

import random
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.error import URLError

BUCKET = "results"


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
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    server = ObjectStoreServer(port)
    try:
        until = time.monotonic() + 60
        while True:
            try:
                server.make_bucket()
                break
            except (URLError, OSError):
                assert process.poll() is None, "the S3 server ended"
                assert time.monotonic() < until, "the S3 server does not answer"
                time.sleep(0.1)
        yield server
    finally:
        process.terminate()
        process.wait()


class FaultyRoute:
    """A way to the server on which answers get lost, or nothing comes through at all.

    Args:
        port: Where the server listens.
    """

    def __init__(self, port: int) -> None:
        self._server = port
        self._random = random.Random(5)
        self.lost_share = 0.0
        self.is_down = False
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Takes no more connections."""
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
            asking = threading.Thread(target=self._pass_on, args=(near, far, False), daemon=True)
            asking.start()
            self._pass_on(far, near, is_answer=True)
            asking.join()

    def _pass_on(self, source: socket.socket, target: socket.socket, is_answer: bool) -> None:
        try:
            while content := source.recv(2**16):
                if self.is_down or (is_answer and self._random.random() < self.lost_share):
                    break
                target.sendall(content)
        except OSError:
            pass  # the other direction has ended it
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # ended already
