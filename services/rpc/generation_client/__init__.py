"""Typed clients of the generation service: one for ordinary programs, one for asyncio.

::

    from pathlib import Path

    from services.rpc.generation_client import Sampling, connect

    with connect("localhost:50051") as client:
        explanation = client.explain(
            "demo-smol",
            "Explain the composition of this painting.",
            Path("painting.jpg"),
            sampling=Sampling(max_tokens=200),
        )
        print(explanation.text)
        print(explanation.completion.provenance.revision)

What fails raises a :class:`services.core.errors.ServiceError`: one class a reason, with ``reason``,
``retryable``, ``metadata``, and where there are any ``violations`` and ``retry_after_s``. What may
succeed a moment later is repeated first, as the service config beside the protos says; every
request has a ``request_id``, so that nothing is generated twice. The bytes of a picture are sent
once, and its digest from then on.
"""

from services.rpc.client_security import ClientSecurity
from services.rpc.generation_client.asynchronous import (
    AsyncGenerationClient,
    connect_async,
)
from services.rpc.generation_client.blocking import GenerationClient, connect
from services.rpc.generation_client.values import (
    Completion,
    Explanation,
    FinishReason,
    ImageSource,
    Lane,
    Model,
    ModelState,
    Provenance,
    Sampling,
    StoredImage,
    StreamEvent,
    TextDelta,
    Timings,
    TokenUsage,
)

__all__ = [
    "AsyncGenerationClient",
    "ClientSecurity",
    "Completion",
    "Explanation",
    "FinishReason",
    "GenerationClient",
    "ImageSource",
    "Lane",
    "Model",
    "ModelState",
    "Provenance",
    "Sampling",
    "StoredImage",
    "StreamEvent",
    "TextDelta",
    "Timings",
    "TokenUsage",
    "connect",
    "connect_async",
]
