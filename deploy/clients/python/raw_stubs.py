"""Asks for an explanation with nothing but gRPC and the generated stubs.

For programs that take the contract and not this repository: they need grpcio, grpcio-status,
googleapis-common-protos and the folder protos/gen/expart.

``python raw_stubs.py ADDRESS MODEL IMAGE INSTRUCTION``
"""

import sys
import uuid
from importlib import resources
from pathlib import Path

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from expart.common.v1 import content_pb2
from expart.generation.v1 import generation_service_pb2 as pb
from expart.generation.v1 import generation_service_pb2_grpc as pb_grpc

MAX_MESSAGE_BYTES = 64 * 2**20


def main(address: str, model: str, image: str, instruction: str) -> int:
    """Prints the explanation, or what is wrong."""
    config = resources.files("expart.generation.v1") / "generation_service_config.json"
    options = [
        ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
        ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
        # gRPC repeats what may succeed later, but by default no request beyond 256 KiB.
        ("grpc.service_config", config.read_text(encoding="utf-8")),
        ("grpc.per_rpc_retry_buffer_size", MAX_MESSAGE_BYTES + 2**20),
        # Decoding may be silent for minutes; a lost connection is noticed all the same.
        ("grpc.keepalive_time_ms", 30_000),
    ]
    request = pb.GenerateExplanationRequest(
        request_id=uuid.uuid4().hex,  # a repeated request generates nothing twice
        model=model,
        image=content_pb2.Image(data=Path(image).read_bytes()),
        instruction=instruction,
        sampling=pb.SamplingParameters(max_tokens=100, temperature=0),
    )
    with grpc.insecure_channel(address, options=options) as channel:
        stub = pb_grpc.GenerationServiceStub(channel)
        try:
            answer = stub.GenerateExplanation(request, timeout=600)
        except grpc.RpcError as failure:
            print(explained(failure), file=sys.stderr)
            return 1
    print(answer.text)
    print(answer.completion.provenance.revision)
    return 0


def explained(failure: grpc.RpcError) -> str:
    """Reads the reason, the fields that are wrong, and when to try again."""
    lines: list[str] = []
    status = rpc_status.from_call(failure)
    for detail in status.details if status is not None else ():
        for kind in ("ErrorInfo", "BadRequest", "RetryInfo"):
            message = getattr(error_details_pb2, kind)()
            if detail.Unpack(message):
                lines.append(f"{kind}: {' '.join(str(message).split())}")
    return "\n".join([str(failure), *lines])


if __name__ == "__main__":
    if len(sys.argv) != 5:  # noqa: PLR2004 - this program and its four arguments
        sys.exit("usage: python raw_stubs.py ADDRESS MODEL IMAGE INSTRUCTION")
    sys.exit(main(*sys.argv[1:]))
