"""A small real HTTP server that plays an endpoint for chat completions, faults included."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

MODEL = "painter-1"
SNAPSHOT = "painter-1-2026-05-13"


class Exchange:
    """One request, and the connection that its answer goes to."""

    def __init__(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        content: bytes,
        *,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self.method = method
        self.path = path
        self.headers = headers
        self.content = content
        self.has_gone = asyncio.Event()
        self._reader = reader
        self._writer = writer

    @property
    def body(self) -> dict[str, object]:
        """The request's JSON."""
        body: dict[str, object] = json.loads(self.content)
        return body

    async def answer(self, status: int, body: object, **headers: str) -> None:
        """Answers with JSON, whole; a text goes as it is."""
        content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        kind = "text/html" if isinstance(body, str) else "application/json"
        lines = [f"content-length: {len(content)}", f"content-type: {kind}", *_lines(headers)]
        await self._write(_head(status, lines) + content)

    async def begin(self, **headers: str) -> None:
        """Begins a stream, which ends with the connection."""
        lines = ["content-type: text/event-stream", "connection: close", *_lines(headers)]
        await self._write(_head(200, lines))

    async def event(self, data: object) -> None:
        """Sends an event; a text goes as it is."""
        text = data if isinstance(data, str) else json.dumps(data)
        await self._write(f"data: {text}\n\n".encode())

    async def text(self, text: str, finish_reason: str | None = None) -> None:
        """Sends a piece of text."""
        choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish_reason}
        await self.event({"model": SNAPSHOT, "system_fingerprint": "fp_1", "choices": [choice]})

    async def usage(self, prompt: int, generated: int) -> None:
        """Sends the count of tokens."""
        counts = {"prompt_tokens": prompt, "completion_tokens": generated}
        await self.event({"model": SNAPSHOT, "choices": [], "usage": counts})

    async def raw(self, data: bytes) -> None:
        """Sends bytes as they are."""
        await self._write(data)

    async def wait_until_gone(self) -> None:
        """Returns when the client has closed the connection."""
        while await self._reader.read(1024):
            pass
        self.has_gone.set()

    def reset(self) -> None:
        """Breaks the connection off."""
        self._writer.transport.abort()

    async def _write(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()


Play = Callable[[Exchange], Awaitable[None]]


@dataclass
class ScriptedEndpoint:
    """What was asked, and what is to be answered next.

    Attributes:
        base_url: Where it listens.
        plays: What the next questions meet, one each; then ``otherwise``.
        models: What the list of models meets.
        asked: All questions so far.
        in_flight: How many are being answered.
        most_in_flight: The most that ever were.
    """

    base_url: str = ""
    plays: list[Play] = field(default_factory=list)
    asked: list[Exchange] = field(default_factory=list)
    gets: list[Exchange] = field(default_factory=list)
    in_flight: int = 0
    most_in_flight: int = 0
    dropped: int = 0

    async def otherwise(self, exchange: Exchange) -> None:
        """Answers in three pieces."""
        await complete(exchange)

    async def models(self, exchange: Exchange) -> None:
        """Lists one model."""
        await exchange.answer(200, {"object": "list", "data": [{"id": MODEL, "object": "model"}]})

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serves one connection, and any number of requests on it."""
        try:
            while (exchange := await _read(reader, writer)) is not None:
                await self._meet(exchange)
                if writer.is_closing() or exchange.method == "POST":
                    break
        except (ConnectionError, asyncio.IncompleteReadError):
            self.dropped += 1
        finally:
            writer.close()

    async def _meet(self, exchange: Exchange) -> None:
        if exchange.method == "GET":
            self.gets.append(exchange)
            await self.models(exchange)
            return
        self.asked.append(exchange)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await (self.plays.pop(0) if self.plays else self.otherwise)(exchange)
        finally:
            self.in_flight -= 1


@asynccontextmanager
async def scripted_endpoint() -> AsyncIterator[ScriptedEndpoint]:
    """Runs an endpoint on a free port."""
    endpoint = ScriptedEndpoint()
    server = await asyncio.start_server(endpoint.serve, "127.0.0.1", 0)
    endpoint.base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    try:
        yield endpoint
    finally:
        server.close()
        await asyncio.sleep(0)


async def complete(exchange: Exchange) -> None:
    """Answers as it should be."""
    await exchange.begin()
    for word in ("A red", " circle", " on white"):
        await exchange.text(word)
    await exchange.text("", "stop")
    await exchange.usage(11, 5)
    await exchange.event("[DONE]")


def refuse(status: int, message: str = "", *, code: str | None = None, **headers: str) -> Play:
    """Makes a play that refuses a question; headers' underscores stand for hyphens."""

    async def play(exchange: Exchange) -> None:
        body = {"error": {"message": message, "type": "error", "code": code}} if message else {}
        await exchange.answer(status, body, **headers)

    return play


def _lines(headers: Mapping[str, str]) -> list[str]:
    return [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]


def _head(status: int, lines: list[str]) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status} Status", *lines, "", ""]).encode()


async def _read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Exchange | None:
    if not (first := await reader.readline()):
        return None
    method, path, _ = first.decode().split()
    headers: dict[str, str] = {}
    while line := (await reader.readline()).decode().strip():
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    content = await reader.readexactly(int(headers.get("content-length", 0)))
    return Exchange(method, path, headers, content, reader=reader, writer=writer)
