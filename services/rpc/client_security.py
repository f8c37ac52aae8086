"""How a client proves who it is, and whom it trusts."""

from dataclasses import dataclass
from pathlib import Path

import grpc

from services.core.errors import UserInputError
from services.rpc.addresses import is_loopback
from services.rpc.tls import check_authorities, check_pair
from services.rpc.watched_files import CHECK_INTERVAL_S, WatchedFiles, read_file


@dataclass(frozen=True, slots=True)
class ClientSecurity:
    """What a client needs to call a service that asks for TLS or a token; nothing by default.

    Attributes:
        tls: Use TLS, trusting the well-known authorities; implied by the next two.
        tls_ca_file: Authorities to trust instead, PEM.
        tls_certificate_file: The client's own certificate, for services that ask for one, PEM.
        tls_key_file: Its private key, PEM without a passphrase.
        tls_server_name: Name that the service's certificate is for, where it is not the address.
        token_file: Holds the client's token and nothing else; read again when it changes.
    """

    tls: bool = False
    tls_ca_file: Path | None = None
    tls_certificate_file: Path | None = None
    tls_key_file: Path | None = None
    tls_server_name: str = ""
    token_file: Path | None = None

    @property
    def uses_tls(self) -> bool:
        """Whether connections are encrypted."""
        return self.tls or self.tls_ca_file is not None or self.tls_certificate_file is not None

    def sends_token_in_the_clear(self, address: str) -> bool:
        """Whether whoever is between here and this address can read the token."""
        return self.token_file is not None and not self.uses_tls and not is_loopback(address)

    def check(self) -> None:
        """Reads every file once, to say early what is wrong with them.

        Raises:
            UserInputError: Settings do not go together, or a file is wrong.
        """
        self.credentials()
        self.token()

    def credentials(self) -> grpc.ChannelCredentials | None:
        """Makes the credentials of a channel; none for plaintext.

        Raises:
            UserInputError: Settings do not go together, or a file is wrong.
        """
        certificate, key = self.tls_certificate_file, self.tls_key_file
        if (certificate is None) != (key is None):
            alone, missing = ("certificate", "key") if key is None else ("key", "certificate")
            raise UserInputError(f"a TLS {alone} is given without its {missing}; give both")
        if not self.uses_tls:
            if self.tls_server_name:
                raise UserInputError("a TLS server name is given, but TLS is not used")
            return None
        authorities = None
        if self.tls_ca_file is not None:
            authorities = read_file(self.tls_ca_file, "TLS authority")
            check_authorities(authorities, self.tls_ca_file, "TLS authority")
        if certificate is None or key is None:
            return grpc.ssl_channel_credentials(authorities)
        names = ("TLS certificate", "TLS key")
        content = read_file(certificate, names[0])
        check_pair(certificate, content, key, names)
        return grpc.ssl_channel_credentials(authorities, read_file(key, names[1]), content)

    def token(self, *, check_interval_s: float = CHECK_INTERVAL_S) -> WatchedFiles[str] | None:
        """Reads the token; none where none is to be sent.

        Raises:
            UserInputError: The file cannot be read, or holds something else.
        """
        path = self.token_file
        if path is None:
            return None
        return WatchedFiles([path], lambda: _read_token(path), check_interval_s=check_interval_s)


def _read_token(path: Path) -> str:
    words = read_file(path, "token file").split()
    if len(words) != 1 or not words[0].isascii():
        raise UserInputError(f"token file: {path} must hold one token and nothing else")
    return words[0].decode()
