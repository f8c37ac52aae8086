"""Whatever an endpoint streams, the engine makes text or an error of the service of it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.errors import EngineUnavailableError, InvalidRequestError, ServiceError
from services.generation.domain import FinishReason, TokenUsage
from services.generation.engines.openai_errors import Refusal
from services.generation.engines.openai_key import KeyFile
from services.generation.engines.openai_stream import Answer

KEY = "sk-secret"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["choices", "delta", "content", "usage", "error", "message", "code"])
            | st.text(max_size=3),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


def chunk(text: str | None, finish_reason: str | None = None, **more: object) -> str:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish_reason}
    return json.dumps({"choices": [choice], **more})


def test_running_totals_of_usage_count_as_they_stand_last() -> None:
    answer = Answer("the endpoint", KEY)
    for generated in (1, 2, 3):
        counts = {"prompt_tokens": 9, "completion_tokens": generated}
        answer.take(chunk("word ", usage=counts))
    assert answer.usage == TokenUsage(9, 0, 3)


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ("stop", FinishReason.STOP),
        ("length", FinishReason.LENGTH),
        ("tool_calls", FinishReason.STOP),
        ("eos_token", FinishReason.STOP),
    ],
)
def test_reasons_to_end_are_read(told: str, reason: FinishReason) -> None:
    answer = Answer("the endpoint", KEY)
    assert not answer.is_complete
    assert answer.take(chunk(None, told)) == ""
    assert answer.is_complete
    assert answer.finish_reason() is reason


def test_an_error_within_the_stream_is_told_without_the_key() -> None:
    with pytest.raises(EngineUnavailableError, match=r"gave the answer up: no \[key\] today"):
        Answer("the endpoint", KEY).take(json.dumps({"error": {"message": f"no {KEY} today"}}))


@given(JSON | st.text())
def test_nothing_that_is_streamed_raises_anything_else(data: object) -> None:
    answer = Answer("the endpoint", KEY)
    try:
        text = answer.take(data if isinstance(data, str) else json.dumps(data))
    except (EngineUnavailableError, InvalidRequestError):
        return
    assert isinstance(text, str)


@given(st.integers(300, 599), JSON, st.binary(max_size=50))
def test_no_refusal_is_too_odd_for_an_error_in_one_line(
    status: int, body: object, junk: bytes
) -> None:
    for content in (json.dumps(body).encode(), junk):
        error = Refusal(status, content, KEY).error("the endpoint", "painter", KeyFile(None))
        assert isinstance(error, ServiceError)
        assert "\n" not in error.message
        assert len(error.message) < 500
