"""What of TLS and tokens is refused at the start, in one clear line."""

import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from pydantic_settings import SettingsConfigDict

from services.core.errors import UserInputError
from services.rpc.client_security import ClientSecurity
from services.rpc.clients import certified_name, peer_address
from services.rpc.security import ServerSecurity
from services.rpc.settings import SECURITY_SETTINGS, RpcSettings
from tests.certificates import Authority, Pair


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority.make(tmp_path)


@pytest.fixture
def pair(authority: Authority) -> Pair:
    return authority.issue("service")


@pytest.fixture
def garbage(tmp_path: Path) -> Path:
    path = tmp_path / "garbage"
    path.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    return path


def encrypted(pair: Pair) -> Path:
    key = serialization.load_pem_private_key(pair.key.read_bytes(), None)
    path = pair.key.with_suffix(".encrypted")
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"passphrase"),
        )
    )
    return path


def test_whole_pairs_are_accepted_with_and_without_a_client_authority(
    authority: Authority, pair: Pair
) -> None:
    ServerSecurity().check()
    assert ServerSecurity().credentials() is None
    for authorities in (None, authority.file):
        security = ServerSecurity(pair.certificate, pair.key, authorities)
        assert security.credentials() is not None


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (lambda p, g: ServerSecurity(p.certificate), "tls_certificate_file is set without tls_key"),
        (lambda p, g: ServerSecurity(None, p.key), "tls_key_file is set without tls_certificate_"),
        (
            lambda p, g: ServerSecurity(tls_client_ca_file=p.certificate),
            "tls_client_ca_file is set without tls_certificate_file",
        ),
        (
            lambda p, g: ServerSecurity(g.parent / "none", p.key),
            "tls_certificate_file: cannot read .*none: No such file or directory",
        ),
        (
            lambda p, g: ServerSecurity(p.certificate, g.parent),
            "tls_key_file: cannot read .*: Is a directory",
        ),
        (
            lambda p, g: ServerSecurity(g, p.key),
            "tls_certificate_file: .*garbage holds no certificate in PEM",
        ),
        (
            lambda p, g: ServerSecurity(p.key, p.certificate),
            "tls_certificate_file: .* holds no certificate in PEM",
        ),
        (
            lambda p, g: ServerSecurity(p.certificate, g),
            "tls_key_file: .*garbage holds no private key in PEM without a passphrase",
        ),
        (
            lambda p, g: ServerSecurity(p.certificate, encrypted(p)),
            "tls_key_file: .*encrypted holds no private key in PEM without a passphrase",
        ),
        (
            lambda p, g: ServerSecurity(p.certificate, p.key, g),
            "tls_client_ca_file: .*garbage holds no certificate in PEM",
        ),
        (
            lambda p, g: ClientSecurity(tls_certificate_file=p.certificate),
            "a TLS certificate is given without its key",
        ),
        (
            lambda p, g: ClientSecurity(tls=True, tls_key_file=p.key),
            "a TLS key is given without its certificate",
        ),
        (
            lambda p, g: ClientSecurity(tls_ca_file=g),
            "TLS authority: .*garbage holds no certificate in PEM",
        ),
        (lambda p, g: ClientSecurity(tls_server_name="x"), "server name is given, but TLS is not"),
        (lambda p, g: ClientSecurity(token_file=g), "token file: .* must hold one token and noth"),
    ],
)
def test_what_does_not_go_together_is_refused_in_one_line(
    given: Callable[[Pair, Path], ServerSecurity | ClientSecurity],
    message: str,
    pair: Pair,
    garbage: Path,
) -> None:
    with pytest.raises(UserInputError, match=message) as caught:
        given(pair, garbage).check()
    assert "\n" not in caught.value.message


def test_another_certificates_key_is_refused(authority: Authority, pair: Pair) -> None:
    other = authority.issue("other")
    with pytest.raises(UserInputError, match=r"tls_key_file: .* is not the key of the certificate"):
        ServerSecurity(pair.certificate, other.key).check()


@pytest.mark.parametrize(
    ("address", "is_warned_of"),
    [
        ("127.0.0.1:1", False),
        ("127.8.8.8:1", False),
        ("[::1]:1", False),
        ("localhost:1", False),
        ("unix:/run/s", False),
        ("0.0.0.0:1", True),
        ("[::]:1", True),
        ("10.0.0.7:1", True),
        ("scoring.example:1", True),
    ],
)
def test_tokens_in_plaintext_are_warned_of_where_others_can_listen(
    tmp_path: Path, pair: Pair, address: str, is_warned_of: bool
) -> None:
    tokens = tmp_path / "tokens"
    plaintext = ServerSecurity(token_file=tokens)
    encrypted_too = ServerSecurity(pair.certificate, pair.key, token_file=tokens)
    assert plaintext.sends_tokens_in_the_clear(address) is is_warned_of
    assert not encrypted_too.sends_tokens_in_the_clear(address)
    assert not ServerSecurity().sends_tokens_in_the_clear(address)


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        ("ipv4:192.0.2.7:43660", "192.0.2.7"),
        ("ipv6:%5B2001:db8::7%5D:43660", "2001:db8::7"),
        ("ipv6:[::1]:1", "::1"),
        ("unix:/run/scoring.sock", "unix"),
        ("unix:", "unix"),
    ],
)
def test_a_client_without_credentials_is_its_address(peer: str, address: str) -> None:
    assert peer_address(peer) == address


def test_a_certificate_names_its_client_by_common_name_else_by_alternative_name() -> None:
    assert certified_name({"x509_common_name": [b"alice"]}) == "alice"
    names = {"x509_common_name": [b""], "x509_subject_alternative_name": [b"", b"spiffe://x/y"]}
    assert certified_name(names) == "spiffe://x/y"
    assert certified_name({"transport_security_type": [b"ssl"]}) is None


def test_a_certificates_name_is_cut_and_has_nothing_that_acts_on_a_terminal() -> None:
    assert certified_name({"x509_common_name": [b"a" * 64]}) == "a" * 64
    assert certified_name({"x509_common_name": [b"a" * 65]}) == "a" * 64
    hostile = (
        b"x\x1b[2J\r\ny\xe2\x80\xaez\xff"  # clear the screen, new line, right to left, no UTF-8
    )
    assert certified_name({"x509_common_name": [hostile]}) == "x\ufffd[2J\ufffd\ufffdy\ufffdz\ufffd"


@pytest.mark.parametrize(
    ("address", "is_clear"),
    [
        ("127.0.0.1:1", False),
        ("127.8.8.8:1", False),
        ("[::1]:1", False),
        ("ipv6:[::1]:1", False),
        ("localhost:1", False),
        ("dns:///localhost:1", False),
        ("dns://192.0.2.1/localhost:1", False),
        ("unix:/run/x", False),
        ("192.0.2.7:1", True),
        ("ipv4:192.0.2.7:1", True),
        ("dns:///scoring.example:1", True),
        ("localhost.example:1", True),
        ("xds:///scoring", True),
    ],
)
def test_a_client_knows_when_its_token_can_be_read_on_the_way(
    tmp_path: Path, address: str, is_clear: bool
) -> None:
    token = tmp_path / "token"
    assert ClientSecurity(token_file=token).sends_token_in_the_clear(address) is is_clear
    assert not ClientSecurity(token_file=token, tls=True).sends_token_in_the_clear(address)
    assert not ClientSecurity().sends_token_in_the_clear(address)


class SomeSettings(RpcSettings):
    model_config = SettingsConfigDict(env_prefix="EXPART_SOME_", frozen=True, extra="forbid")


def test_settings_come_from_the_environment_and_survive_another_folder_and_process(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EXPART_SOME_TLS_CERTIFICATE_FILE", "tls/tls.crt")
    monkeypatch.setenv("EXPART_SOME_TLS_KEY_FILE", "~/tls.key")
    monkeypatch.setenv("EXPART_SOME_TOKEN_FILE", "")
    monkeypatch.setenv("EXPART_SOME_MAX_CALLS_PER_CLIENT", "7")
    settings = SomeSettings()
    monkeypatch.chdir("/")
    for kept in (settings, pickle.loads(pickle.dumps(settings))):
        assert kept.security == ServerSecurity(
            tmp_path / "tls/tls.crt", Path.home() / "tls.key", None, None
        )
        assert kept.call_limits.max_calls_per_client == 7
    assert settings.in_plaintext().security == ServerSecurity()
    assert set(SECURITY_SETTINGS) == set(ServerSecurity.__dataclass_fields__)


def test_a_mounted_link_is_not_followed_when_settings_are_read(tmp_path: Path) -> None:
    (tmp_path / "v1").write_text("")
    (tmp_path / "token").symlink_to("v1")
    assert SomeSettings(token_file=tmp_path / "token").token_file == tmp_path / "token"
