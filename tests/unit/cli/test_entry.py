"""How the ``expart`` command starts: little at first, and interruptible from then on."""

import signal
import subprocess
import sys

import pytest
import typer
from typer.testing import CliRunner

from services.cli.app import make_app, run_app
from services.core.errors import StorageError, UserInputError

# Runs the command with an import that takes for ever, and says when it has come to it.
STUCK = """
import sys, time
from importlib.abc import MetaPathFinder

class Stuck(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == STUCK_AT:
            print("importing", flush=True)
            try:
                time.sleep(60)
            except BaseException as error:  # as some packages take whatever comes for a fault
                raise ImportError("broken") from error

sys.meta_path.insert(0, Stuck())
from services.cli.__main__ import main
main()
"""


@pytest.mark.parametrize(
    "module", ["services.cli.app", "typer", "grpc", "numpy", "services.cli.score_command"]
)
def test_ctrl_c_while_the_command_is_loaded_costs_one_line(module: str) -> None:
    script = f"STUCK_AT = {module!r}\n{STUCK}"
    process = subprocess.Popen(
        [sys.executable, "-c", script, "score", "rows.jsonl"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "importing\n"
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (130, "expart: interrupted\n")


HEAVY = {
    *("deltalake", "grpc", "huggingface_hub", "httpx2", "nltk", "numpy", "obstore", "pandas"),
    *("pyarrow", "ray", "sacrebleu", "torch", "transformers", "vllm", "yaml"),
}


@pytest.mark.parametrize(
    ("command", "unwanted"),
    [
        ("", HEAVY),
        ("--help", HEAVY),
        ("nonsense", HEAVY),
        ("sweep", HEAVY),
        ("sweep --help", HEAVY),
        (
            "sweep plan",
            {"ray", "torch", "nltk", "sacrebleu", "huggingface_hub", "services.scoring"},
        ),
        (
            "plan-capacity",
            {"ray", "torch", "nltk", "sacrebleu", "huggingface_hub", "services.scoring"},
        ),
        ("sweep status", {"ray", "grpc", "nltk", "huggingface_hub", "services.generation"}),
        ("score", {"ray", "deltalake", "torch", "services.sweep", "services.generation"}),
        ("models", {"ray", "torch", "transformers", "vllm", "services.scoring", "services.sweep"}),
        ("leaderboard", {"ray", "grpc", "torch", "services.scoring", "services.generation"}),
        ("report", {"ray", "grpc", "torch", "scipy", "services.scoring", "services.generation"}),
    ],
)
def test_a_command_loads_what_it_needs_only(command: str, unwanted: set[str]) -> None:
    script = (
        "import sys; from services.cli.app import make_app; make_app(sys.argv[1:]); "
        "print(*sys.modules)"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", script, *command.split()],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "typer" in loaded.stdout.split()
    assert unwanted.isdisjoint(loaded.stdout.split())


@pytest.mark.parametrize(("group", "count"), [([], 8), (["sweep"], 6)])
def test_the_help_lists_every_command_in_full_and_each_can_be_called(
    group: list[str], count: int
) -> None:
    listing = CliRunner().invoke(make_app([*group, "--help"]), [*group, "--help"])
    listed = listing.output.partition("Commands:\n")[2].splitlines()
    commands = [line.split()[0] for line in listed]
    assert len(commands) == count
    assert not any(line.endswith("...") for line in listed)
    for name in commands:
        arguments = [*group, name, "--help"]
        called = CliRunner().invoke(make_app(arguments), arguments, prog_name="expart")
        assert called.output.startswith(f"Usage: expart {' '.join([*group, name])} ")


def test_a_command_that_there_is_not_is_refused_with_the_nearest() -> None:
    refused = CliRunner().invoke(make_app(["sweep", "plam"]), ["sweep", "plam"])
    assert refused.exit_code == 2
    assert "No such command 'plam'. Did you mean 'plan'?" in refused.output


def test_the_entry_point_itself_loads_no_package() -> None:
    script = "import sys, services.cli.__main__; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-S", "-c", script], capture_output=True, text=True, check=True
    )
    ours = {name for name in loaded.stdout.split() if name.startswith("services")}
    assert ours == {
        "services",
        "services.cli",
        "services.cli.__main__",
        "services.cli.exit_codes",
    }
    assert {"typer", "pydantic", "grpc"}.isdisjoint(loaded.stdout.split())


@pytest.mark.parametrize(("error", "code"), [(UserInputError, 2), (StorageError, 1)])
def test_storage_that_fails_is_no_wrong_input(error: type[UserInputError], code: int) -> None:
    app = typer.Typer()

    @app.command()
    def fail() -> None:
        raise error("no space left on device")

    assert run_app(app, []) == code
