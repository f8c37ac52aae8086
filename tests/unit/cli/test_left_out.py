"""What the commands do without."""

import subprocess
import sys

LEFT_OUT = """
import sys
from services.cli.left_out import leave_out
leave_out("pandas")
import pyarrow as pa
assert pa.array(["a", "b"]).to_pylist() == ["a", "b"]
assert "pandas" not in sys.modules
import json, numpy
try:
    import pandas
except ModuleNotFoundError as error:
    print(error.name)
"""


def test_a_package_that_is_left_out_is_not_loaded_and_others_are() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", LEFT_OUT], capture_output=True, text=True, check=True, timeout=120
    )
    assert ended.stdout == "pandas\n"
