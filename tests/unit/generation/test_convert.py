"""Reading requests: what is judged before any work is done on them."""

import pytest

from expart.common.v1 import content_pb2
from expart.generation.v1 import generation_service_pb2 as pb
from services.core.errors import ImageTooLargeError
from services.generation import convert


def test_an_image_of_too_many_bytes_is_refused_before_it_is_hashed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hashed: list[bytes] = []

    def digest_of(data: bytes) -> str:
        hashed.append(data)
        return "sha256:0"

    monkeypatch.setattr(convert, "digest_of", digest_of)

    def request(size: int) -> pb.GenerateExplanationRequest:
        return pb.GenerateExplanationRequest(
            model="x", instruction="Explain.", image=content_pb2.Image(data=bytes(size))
        )

    with pytest.raises(ImageTooLargeError, match="101 bytes; at most 100"):
        convert.explanation_request(request(101), image_max_bytes=100)
    assert not hashed
    assert convert.explanation_request(request(100), image_max_bytes=100).image is not None
    assert hashed == [bytes(100)]
