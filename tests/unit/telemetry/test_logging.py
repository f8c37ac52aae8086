"""Where log events go, and what happens when they cannot go there."""

import io
import json
from collections.abc import Iterator

import pytest
import structlog

from services.telemetry.logging import configure_logging


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    before = structlog.get_config()
    yield
    structlog.configure(**before)


class FullDisk(io.StringIO):
    """A file that does not take a line until there is room again."""

    is_full = True

    def write(self, text: str) -> int:
        if self.is_full:
            raise OSError(28, "No space left on device")
        return super().write(text)


def logged(stream: io.StringIO) -> list[str]:
    return [json.loads(line)["event"] for line in stream.getvalue().splitlines()]


def test_what_the_stream_does_not_take_is_lost_and_the_program_goes_on() -> None:
    stream = FullDisk()
    configure_logging(json=True, stream=stream)
    log = structlog.get_logger()
    for write in (log.info, log.warning, log.error):
        write("question_failed")
    stream.is_full = False
    for write in (log.info, log.warning, log.error, log.critical):
        write("model_ended")
    assert logged(stream) == ["model_ended"] * 4


def test_other_faults_of_the_stream_are_not_hidden() -> None:
    stream = io.StringIO()
    configure_logging(json=True, stream=stream)
    stream.close()
    with pytest.raises(ValueError, match="closed"):
        structlog.get_logger().info("model_ended")
