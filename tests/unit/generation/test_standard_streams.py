"""What a process of Ray Serve prints is printed, whatever Serve has put between."""

import subprocess
import sys

import pytest

from services.generation.standard_streams import use_own_standard_streams

# As Serve does, in a process of its own: whose streams end in pipes, as Ray's processes' do.
_SCRIPT = """
import io, os, sys
from services.generation.standard_streams import use_own_standard_streams
sys.stdout, sys.stderr = io.StringIO(), io.StringIO()
use_own_standard_streams()
print("printed")
print("complained", file=sys.stderr)
os._exit(0)  # nothing is flushed any more
"""


def test_what_is_printed_is_out_at_once_and_as_it_is() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT], capture_output=True, text=True, check=True, timeout=60
    )
    assert (done.stdout, done.stderr) == ("printed\n", "complained\n")


def test_where_python_has_none_serves_own_are_left(monkeypatch: pytest.MonkeyPatch) -> None:
    before = sys.stdout, sys.stderr
    monkeypatch.setattr(sys, "__stderr__", None)
    use_own_standard_streams()
    assert (sys.stdout, sys.stderr) == before
