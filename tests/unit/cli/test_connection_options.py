"""Where services may be said to be."""

from pathlib import Path

import pytest

from services.cli.connection_options import check_address, note_clear_token
from services.rpc.client_security import ClientSecurity


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


def test_a_token_that_others_can_read_on_its_way_is_noted_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    security = ClientSecurity(token_file=tmp_path / "token")
    note_clear_token(security, "127.0.0.1:1", "scoring.example:2", "192.0.2.7:3")
    written = capsys.readouterr()
    assert written.out == ""
    (line,) = written.err.splitlines()
    assert line.startswith("expart: note: the token is sent to scoring.example:2 and 192.0.2.7:3 ")
    note_clear_token(security, "127.0.0.1:1", "localhost:2")
    note_clear_token(ClientSecurity(), "scoring.example:2")
    assert capsys.readouterr().err == ""
