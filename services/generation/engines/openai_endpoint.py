"""Talks HTTP with an endpoint that speaks OpenAI's chat completions."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import httpx2
from pydantic import BaseModel, ConfigDict, ValidationError

from services.core.errors import EngineUnavailableError, ModelFailedError, ServiceError
from services.generation.catalog import OpenAISpec
from services.generation.engines.openai_errors import Refusal
from services.generation.engines.openai_key import KeyFile
from services.generation.messages import one_line

_CONNECT_TIMEOUT_S = 10.0
# A refusal is a line or two, and a list of models a few hundred; what is longer is cut off.
_MAX_REFUSAL_BYTES = 64 * 1024
_MAX_LIST_BYTES = 8 * 2**20
_USER_AGENT = "expart-serving"


class ServedModel(BaseModel):
    """A model that an endpoint lists. ``max_model_len`` is vLLM's own addition."""

    model_config = ConfigDict(extra="ignore")

    id: str
    max_model_len: int | None = None


class _ModelList(BaseModel):
    model_config = ConfigDict(extra="ignore")

    data: list[ServedModel]


class _Version(BaseModel):
    model_config = ConfigDict(extra="ignore")

    version: str


class Endpoint:
    """An endpoint and the connections to it.

    Redirects are never followed: the key goes to the catalog's host and to nobody else. Proxies
    are those that the environment names, as everywhere.

    Args:
        spec: Its address, model and key.

    Raises:
        ModelFailedError: Its address is none.
    """

    def __init__(self, spec: OpenAISpec) -> None:
        self._model = spec.model
        self.key_file = KeyFile(spec.api_key_file)
        try:
            url = httpx2.URL(spec.base_url)
        except httpx2.InvalidURL as error:
            raise ModelFailedError(f"base_url is no address: {one_line(error)}") from error
        if url.scheme not in ("http", "https") or not url.host:
            raise ModelFailedError("base_url must begin with http:// or https:// and name a host")
        self.place = f"the endpoint {url.netloc.decode('ascii')}"
        self._base = str(url).rstrip("/")
        self._client = httpx2.AsyncClient(
            follow_redirects=False,
            # How long an answer may take is the engine's matter.
            timeout=httpx2.Timeout(None, connect=_CONNECT_TIMEOUT_S),
            # Bounded by the engine's places.
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=None),
        )

    async def close(self) -> None:
        """Closes all connections."""
        await self._client.aclose()

    @asynccontextmanager
    async def chat(self, body: bytes, key: str) -> AsyncGenerator[httpx2.Response]:
        """Sends a request for a completion and gives the answer, of which only the head is read.

        Leaving the context closes the stream, which ends the generation at the endpoint.

        Raises:
            EngineUnavailableError: The endpoint could not be reached.
        """
        request = self._client.build_request(
            "POST",
            f"{self._base}/chat/completions",
            content=body,
            headers={
                **_headers(key),
                "Content-Type": "application/json",
                "Accept": "text/event-stream",
            },
        )
        response = await self._send(request)
        try:
            yield response
        finally:
            await response.aclose()

    async def refusal(self, response: httpx2.Response, key: str) -> Refusal:
        """Reads what an answer says that is no stream."""
        content = await self._beginning(response, _MAX_REFUSAL_BYTES)
        return Refusal(response.status_code, content, key)

    def error(self, refusal: Refusal) -> ServiceError:
        """Makes the error that a caller gets."""
        return refusal.error(self.place, self._model, self.key_file)

    def lost(self, error: Exception) -> EngineUnavailableError:
        """Makes the error for a connection that failed."""
        return EngineUnavailableError(f"{self.place} is lost: {one_line(error)}")

    async def models(self) -> list[ServedModel] | None:
        """Lists what the endpoint serves; None if it lists nothing.

        Raises:
            EngineUnavailableError: It cannot be reached, or is in trouble.
            ModelFailedError: It does not accept the key.
        """
        key = self.key_file.read()
        status, content = await self._get(f"{self._base}/models", key, _MAX_LIST_BYTES)
        if status in (401, 403) or status >= 500:  # noqa: PLR2004 - HTTP's server errors
            raise self.error(Refusal(status, content, key))
        if status != httpx2.codes.OK:
            # Not everybody who completes chats has a list; the first question will tell.
            return None
        try:
            return _ModelList.model_validate_json(content).data
        except ValidationError:
            return None

    async def vllm_version(self) -> str:
        """Asks a vLLM server for its version; empty if it does not say.

        Raises:
            EngineUnavailableError: It cannot be reached.
        """
        root = self._base.removesuffix("/v1")
        key = self.key_file.read()
        status, content = await self._get(f"{root}/version", key, _MAX_REFUSAL_BYTES)
        try:
            return (
                _Version.model_validate_json(content).version if status == httpx2.codes.OK else ""
            )
        except ValidationError:
            return ""

    async def _get(self, url: str, key: str, limit: int) -> tuple[int, bytes]:
        response = await self._send(self._client.build_request("GET", url, headers=_headers(key)))
        try:
            return response.status_code, await self._beginning(response, limit)
        finally:
            await response.aclose()

    async def _send(self, request: httpx2.Request) -> httpx2.Response:
        try:
            return await self._client.send(request, stream=True)
        except httpx2.TransportError as error:
            raise EngineUnavailableError(
                f"{self.place} cannot be reached: {one_line(error)}"
            ) from error

    async def _beginning(self, response: httpx2.Response, limit: int) -> bytes:
        content = b""
        try:
            async for piece in response.aiter_bytes():
                content += piece
                if len(content) >= limit:
                    break
        except httpx2.HTTPError as error:
            raise self.lost(error) from error
        return content[:limit]


def _headers(key: str) -> dict[str, str]:
    return {
        # Compressed streams come in lumps.
        "Accept-Encoding": "identity",
        "User-Agent": _USER_AGENT,
        **({"Authorization": f"Bearer {key}"} if key else {}),
    }
