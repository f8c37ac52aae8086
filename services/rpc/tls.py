"""TLS of the servers: certificates from files, read again when they change."""

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import grpc

from services.core.errors import UserInputError
from services.rpc.watched_files import CHECK_INTERVAL_S, WatchedFiles, read_file


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Where a server's certificate lies.

    Attributes:
        certificate: The certificate and those between it and its authority, PEM.
        key: The certificate's private key, PEM without a passphrase.
        client_ca: Authorities whose certificates clients must show; none: clients show none.
    """

    certificate: Path
    key: Path
    client_ca: Path | None = None


def server_credentials(
    files: TlsFiles, *, check_interval_s: float = CHECK_INTERVAL_S
) -> grpc.ServerCredentials:
    """Makes the credentials of a server that shows what the files hold at every handshake.

    Connections that are open keep the certificate with which they began.

    Raises:
        UserInputError: A file cannot be read, holds something else, or the key is another
            certificate's.
    """
    paths = [files.certificate, files.key, *([files.client_ca] if files.client_ca else [])]
    held = WatchedFiles[grpc.ServerCertificateConfiguration](
        paths, lambda: _configuration(files), check_interval_s=check_interval_s
    )
    first = held.current()
    return grpc.dynamic_ssl_server_credentials(
        first, _fetcher(held, first), require_client_authentication=files.client_ca is not None
    )


def _fetcher(
    held: WatchedFiles[grpc.ServerCertificateConfiguration],
    first: grpc.ServerCertificateConfiguration,
) -> Callable[[], grpc.ServerCertificateConfiguration]:
    """What gRPC calls at every handshake, in threads of its own."""
    last = first

    def fetch() -> grpc.ServerCertificateConfiguration | None:
        nonlocal last
        found = held.current()
        if found is last:
            return None  # gRPC's word for: nothing has changed
        last = found
        return found

    return cast("Callable[[], grpc.ServerCertificateConfiguration]", fetch)


def _configuration(files: TlsFiles) -> grpc.ServerCertificateConfiguration:
    certificate = read_file(files.certificate, "tls_certificate_file")
    key = read_file(files.key, "tls_key_file")
    authorities = None
    if files.client_ca is not None:
        authorities = read_file(files.client_ca, "tls_client_ca_file")
        check_authorities(authorities, files.client_ca, "tls_client_ca_file")
    check_pair(files.certificate, certificate, files.key, ("tls_certificate_file", "tls_key_file"))
    return grpc.ssl_server_certificate_configuration(
        [(key, certificate)], root_certificates=authorities
    )


def check_pair(certificate: Path, content: bytes, key: Path, settings: tuple[str, str]) -> None:
    """Refuses what is no certificate with its own key; gRPC would fail every handshake instead.

    Args:
        certificate: Where the certificate lies.
        content: What the file holds.
        key: Where its private key lies.
        settings: The names of the two settings, for messages.

    Raises:
        UserInputError: It says which file is wrong, by the names of the two settings.
    """
    certificate_setting, key_setting = settings
    check_authorities(content, certificate, certificate_setting)
    try:
        # A key with a passphrase asks for it at the terminal unless one is given.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key, password=lambda: b"")
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise UserInputError(
                f"{key_setting}: {key} is not the key of the certificate in {certificate}"
            ) from error
        raise UserInputError(
            f"{key_setting}: {key} holds no private key in PEM without a passphrase"
        ) from error
    except (OSError, ValueError) as error:
        raise UserInputError(
            f"{key_setting}: {key} holds no private key in PEM without a passphrase"
        ) from error


def check_authorities(content: bytes, path: Path, setting: str) -> None:
    """Refuses what holds no certificate of an authority.

    Raises:
        UserInputError: It names the setting and the file.
    """
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=content.decode("ascii"))
    except (ssl.SSLError, ValueError) as error:
        raise UserInputError(f"{setting}: {path} holds no certificate in PEM") from error
