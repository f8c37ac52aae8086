"""TLS and tokens reach the front inside Ray Serve."""

from pathlib import Path

import pytest
from grpc import StatusCode, aio

from expart.generation.v1 import generation_service_pb2 as pb
from expart.generation.v1 import generation_service_pb2_grpc as pb_grpc
from services.core.errors import UserInputError
from services.generation.catalog import Catalog
from services.generation.local import start_local
from services.generation.settings import GenerationSettings
from services.rpc.channel import open_channel
from services.rpc.client_security import ClientSecurity
from tests.certificates import Authority
from tests.unit.generation.builders import scripted_spec

TOKEN = "k9VxN0m2Qw7ZsT4yB1cR6dEf"
MODEL = scripted_spec("quick")


def settings(folder: Path, monkeypatch: pytest.MonkeyPatch) -> GenerationSettings:
    """Settings with paths relative to a folder in which Ray's processes do not run."""
    authority = Authority.make(folder)
    authority.issue("service").move_to(folder / "tls.crt", folder / "tls.key")
    (folder / "tokens").write_text(f"sweeper {TOKEN}\n")
    (folder / "token").write_text(TOKEN)
    monkeypatch.chdir(folder)
    return GenerationSettings(
        tls_certificate_file=Path("tls.crt"),
        tls_key_file=Path("tls.key"),
        tls_client_ca_file=Path("authority.pem"),
        token_file=Path("tokens"),
    )


@pytest.mark.slow
@pytest.mark.stack
async def test_a_local_stack_asks_for_what_its_settings_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = settings(tmp_path, monkeypatch)
    mine = Authority.make(tmp_path / "other").issue("unknown")  # of no authority that is trusted
    known = ClientSecurity(
        tls_ca_file=tmp_path / "authority.pem",
        tls_certificate_file=tmp_path / "tls.crt",
        tls_key_file=tmp_path / "tls.key",
        token_file=tmp_path / "token",
    )
    with start_local(
        Catalog({MODEL.name: MODEL}),
        [MODEL.name],
        log_path=tmp_path / "generation.log",
        settings=chosen,
    ) as stack:
        request = pb.GenerateExplanationRequest(model=MODEL.name, instruction="Explain")
        async with open_channel(stack.address, known) as channel:
            stub = pb_grpc.GenerationServiceStub(channel)
            assert (await stub.GenerateExplanation(request, timeout=60)).text
        for security in (
            ClientSecurity(),
            ClientSecurity(
                tls_ca_file=known.tls_ca_file,
                tls_certificate_file=mine.certificate,
                tls_key_file=mine.key,
                token_file=known.token_file,
            ),
        ):
            async with open_channel(stack.address, security) as channel:
                stub = pb_grpc.GenerationServiceStub(channel)
                with pytest.raises(aio.AioRpcError) as caught:
                    await stub.GenerateExplanation(request, timeout=60)
            assert caught.value.code() is StatusCode.UNAVAILABLE


def test_wrong_files_are_said_before_anything_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = settings(tmp_path, monkeypatch)
    (tmp_path / "tokens").write_text("sweeper short\n")
    with pytest.raises(UserInputError, match="line 1 has a token of 5 characters"):
        start_local(Catalog({MODEL.name: MODEL}), [MODEL.name], settings=chosen)
    assert not (tmp_path / "var").exists()
