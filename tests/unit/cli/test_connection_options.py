"""Where services may be said to be."""

import pytest

from services.cli.connection_options import check_address


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
