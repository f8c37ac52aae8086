"""A real HTTP server whose answers a test scripts, and pictures to serve."""

import random
import socket
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from ipaddress import ip_network

from PIL import Image

from services.dataset.settings import DatasetSettings

LOOPBACK = ip_network("127.0.0.1/32")


class Exchange(BaseHTTPRequestHandler):
    """One request; a script answers it by the methods below."""

    protocol_version = "HTTP/1.1"
    hostile: "HostileServer"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        number = len(self.hostile.requests[self.path])
        self.hostile.requests[self.path].append(dict(self.headers.items()))
        with self.hostile.busy():
            self.hostile.scripts[self.path](self, number)

    def do_HEAD(self) -> None:
        self.hostile.scripts[self.path](self, 0)

    def answer(
        self, status: int, body: bytes = b"", kind: str = "image/png", **headers: str
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        headers.setdefault("Content_Length", str(len(body)))
        for name, value in headers.items():
            if value:
                self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def hang_up(self) -> None:
        self.close_connection = True
        self.wfile.flush()

    def log_message(self, *_: object) -> None:
        """Says nothing."""


Script = Callable[[Exchange, int], None]


def content(data: bytes) -> Script:
    """Answers with these bytes, as a server that is well."""
    return lambda ask, _: ask.answer(200, data)


@dataclass
class HostileServer:
    port: int = 0
    scripts: dict[str, Script] = field(default_factory=dict)
    requests: defaultdict[str, list[dict[str, str]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    most_at_once: int = 0
    _now: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def busy(self) -> Iterator[None]:
        with self._lock:
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
        try:
            yield
        finally:
            with self._lock:
                self._now -= 1

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"

    def serve(self, path: str, script: Script) -> str:
        self.scripts[path] = script
        return self.url(path)


class _LoopbackServer(ThreadingHTTPServer):
    """Serves all of loopback, so that a redirect to another of its addresses would find it."""

    def verify_request(
        self, request: socket.socket | tuple[bytes, socket.socket], client_address: object
    ) -> bool:
        return isinstance(request, socket.socket) and request.getsockname()[0].startswith("127.")


@contextmanager
def hostile_server() -> Iterator[HostileServer]:
    state = HostileServer()
    handler = type("Handler", (Exchange,), {"hostile": state})
    server = _LoopbackServer(("0.0.0.0", 0), handler)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    state.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def picture(shade: int = 0, size: tuple[int, int] = (40, 30), kind: str = "PNG") -> bytes:
    buffer = BytesIO()
    pixels = random.Random(shade).randbytes(size[0] * size[1])
    Image.frombytes("L", size, pixels).save(buffer, kind)
    return buffer.getvalue()


def quick(**changes: object) -> DatasetSettings:
    values: dict[str, object] = {
        "requests_per_second": 1000,
        "backoff_s": 0.01,
        "rest_s": 0.05,
        "attempts": 2,
        "allowed_networks": (LOOPBACK,),
        "contact": "curator@example.org",
    }
    return DatasetSettings.model_validate({**values, **changes})
