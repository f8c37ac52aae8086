"""Where services may be said to be."""

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from services.cli.connection_options import Connection, check_address, with_connection_options
from services.cli.settings import CliSettings
from services.core.errors import UserInputError


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1:50051",
        "localhost:1",
        "scoring.expart.svc.cluster.local:65535",
        "my_service:50051",
        "[::1]:50051",
        "[fe80::1%eth0]:50051",
        "dns:///scoring:50051",
        "dns:scoring:50051",
        "unix:/run/scoring.sock",
        "unix:///run/scoring.sock",
        "ipv4:10.0.0.1:1,10.0.0.2:1",
        "xds:///scoring",
    ],
)
def test_what_grpc_can_call_is_let_through(address: str) -> None:
    check_address("--scoring", address)


def test_an_option_with_a_wrong_address_is_named() -> None:
    with pytest.raises(UserInputError, match="--scoring: must be HOST:PORT"):
        Connection().security(CliSettings(), generation="127.0.0.1:1", scoring="nowhere")


def test_a_token_that_others_can_read_on_its_way_is_noted_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    token = tmp_path / "token"
    token.write_text("secret", encoding="ascii")
    given, settings = Connection(token_file=token), CliSettings()
    given.security(settings, generation="scoring.example:2", scoring="192.0.2.7:3")
    written = capsys.readouterr()
    assert written.out == ""
    (line,) = written.err.splitlines()
    assert line.startswith("expart: note: the token is sent to scoring.example:2 and 192.0.2.7:3 ")
    given.security(settings, generation="127.0.0.1:1", scoring="localhost:2")
    Connection().security(settings, scoring="scoring.example:2")
    assert capsys.readouterr().err == ""


def test_a_command_gets_all_connection_options_as_one_argument() -> None:
    got: list[tuple[str, Connection]] = []
    app = typer.Typer()

    @app.command()
    @with_connection_options
    def call(name: str, *, connection: Connection) -> None:
        got.append((name, connection))

    result = CliRunner().invoke(app, ["x", "--tls", "--tls-server-name", "front"])
    assert result.exit_code == 0, result.output
    assert got == [("x", Connection(tls=True, tls_server_name="front"))]
