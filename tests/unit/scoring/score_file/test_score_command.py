"""What ``expart score`` refuses before it scores anything: one line, exit code 2."""

import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import structlog

from services.cli.app import run


def refusal(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> str:
    assert run(["score", *map(str, arguments)]) == 2
    output, errors = capsys.readouterr()
    assert output == ""
    (line,) = errors.splitlines()
    assert line.startswith("expart: error: ")
    return line.removeprefix("expart: error: ")


@pytest.fixture(autouse=True)
def _log_as_before() -> Iterator[None]:
    """The command logs to a stream that is closed when its test ends."""
    yield
    structlog.reset_defaults()


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({"candidate": "x", "reference": "y"}), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--metrics", "ef1,,bleu"], "--metrics: a name is empty"),
        (["--metrics", "ef1", "--metrics", "bleu,ef1"], "--metrics: ef1 is given twice"),
        (["--metrics", "blue"], "no metric is named 'blue'; there are bleu, rouge_1, "),
        (["--metrics", "bertscore"], "bertscore needs a text encoder: name a folder or a model"),
        (["--scoring", "127.0.0.1:9", "--workers", "2"], "--workers belongs to scoring on this"),
        (["--scoring", "127.0.0.1:9", "--encoder", "x"], "--encoder belongs to scoring on this"),
        (
            ["--scoring", "127.0.0.1:9", "--encoder-layer", "6"],
            "--encoder-layer belongs to scoring",
        ),
        (["--scoring", "127.0.0.1:9", "--encoder-device", "cpu"], "--encoder-device belongs to"),
        (["--encoder-layer", "6"], "--encoder-layer says something of an encoder: name it too"),
        (["--encoder-device", "cpu"], "--encoder-device says something of an encoder"),
        (
            ["--encoder", "here", "--encoder-device", "gpu"],
            "--encoder-device: must be cpu, cuda or cuda:N, is 'gpu'",
        ),
        (["--patience", "0"], "--patience belongs to a scoring service"),
        *(
            (
                ["--scoring", address],
                f"--scoring: must be HOST:PORT, such as 127.0.0.1:50051, or a "
                f"gRPC target, such as dns:///HOST:PORT; is {address!r}",
            )
            for address in (
                *("localhost", "localhost:", "localhost:http", "localhost:0", "localhost:65536"),
                *("http://localhost:1", "a b:1", "dns:", "dns:///", "::1:50051", " ", ":50051"),
            )
        ),
        (["--token-file", "token"], "--token-file belongs to a scoring service"),
        (["--out", "scores.csv"], "must end in one of .jsonl, .ndjson, .parquet"),
        (["--out", "nowhere/scores.jsonl"], "there is no folder nowhere"),
    ],
)
def test_options_that_make_no_sense_cost_one_line(
    rows: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert message in refusal(capsys, rows, *arguments)


@pytest.mark.parametrize(
    ("variable", "arguments"),
    [("EXPART_SCORING_WORKERS", []), ("EXPART_CLI_TLS", ["--scoring", "127.0.0.1:9"])],
)
def test_a_wrong_variable_is_named_as_the_user_set_it(
    rows: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    arguments: list[str],
) -> None:
    monkeypatch.setenv(variable, "perhaps")
    message = refusal(capsys, rows, *arguments)
    assert message.startswith(f"{variable}: Input should be a valid ")
    assert message.endswith(", got 'perhaps'")


def test_the_scores_do_not_replace_the_rows(rows: Path, capsys: pytest.CaptureFixture[str]) -> None:
    message = refusal(capsys, rows, "--out", rows, "--overwrite")
    assert message == f"--out {rows}: is the file that is scored"
    assert "reference" in rows.read_text(encoding="utf-8")


def test_parquet_without_a_column_is_refused_before_a_worker_starts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"prediction": ["x"], "reference": ["y"]}), path)
    message = refusal(capsys, path)
    assert message == (
        f"{path}: the column candidate is missing; the file has the columns prediction, reference; "
        "wanted are candidate, reference, and as you like id, entities, candidate_entities"
    )
