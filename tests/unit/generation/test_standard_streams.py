"""What a process of Ray Serve writes is written, whatever Serve has put between."""

import json
import subprocess
import sys

import pytest

from services.generation.standard_streams import use_own_standard_streams

# As Serve does, in a process of its own: whose streams end in pipes, as Ray's processes' do.
_SCRIPT = """
import builtins, io, os, sys
import structlog
from services.generation.standard_streams import use_own_standard_streams
from services.telemetry.logging import configure_logging
sys.stdout, sys.stderr = io.StringIO(), io.StringIO()
builtins.print = lambda *_, **__: None
use_own_standard_streams()
configure_logging(json=True)
structlog.get_logger().info("model_loaded")
sys.stdout.write("told\\n")
os._exit(0)  # nothing is flushed any more
"""


def test_what_is_written_and_logged_is_out_at_once_and_as_it_is() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "told\n"
    assert json.loads(done.stderr)["event"] == "model_loaded"


def test_where_python_has_none_serves_own_are_left(monkeypatch: pytest.MonkeyPatch) -> None:
    before = sys.stdout, sys.stderr
    monkeypatch.setattr(sys, "__stderr__", None)
    use_own_standard_streams()
    assert (sys.stdout, sys.stderr) == before
