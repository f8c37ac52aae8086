"""What a server asks of those who call it: TLS, client certificates, tokens."""

from dataclasses import dataclass
from pathlib import Path

import grpc

from services.core.errors import UserInputError
from services.rpc.addresses import is_loopback
from services.rpc.tls import TlsFiles, server_credentials
from services.rpc.tokens import TokenFile


@dataclass(frozen=True, slots=True)
class ServerSecurity:
    """Files that make a server secure; without them it speaks plaintext with anybody.

    Attributes:
        tls_certificate_file: Its certificate and those between it and its authority, PEM.
        tls_key_file: The certificate's private key, PEM without a passphrase.
        tls_client_ca_file: Authorities whose certificates clients must show, PEM.
        token_file: The tokens of those who may call; see :mod:`services.rpc.tokens`.
    """

    tls_certificate_file: Path | None = None
    tls_key_file: Path | None = None
    tls_client_ca_file: Path | None = None
    token_file: Path | None = None

    @property
    def has_tls(self) -> bool:
        """Whether connections are encrypted."""
        return self.tls_certificate_file is not None

    def check(self) -> None:
        """Reads every file once, to say early what is wrong with them.

        Raises:
            UserInputError: Settings do not go together, or a file is wrong.
        """
        self.credentials()
        self.tokens()

    def credentials(self) -> grpc.ServerCredentials | None:
        """Makes the credentials to listen with; none for plaintext.

        Raises:
            UserInputError: Settings do not go together, or a file is wrong.
        """
        certificate, key = self.tls_certificate_file, self.tls_key_file
        if certificate is not None and key is not None:
            return server_credentials(TlsFiles(certificate, key, self.tls_client_ca_file))
        for name, file, missing in (
            ("tls_certificate_file", certificate, "tls_key_file"),
            ("tls_key_file", key, "tls_certificate_file"),
            ("tls_client_ca_file", self.tls_client_ca_file, "tls_certificate_file"),
        ):
            if file is not None:
                raise UserInputError(f"{name} is set without {missing}; TLS needs both")
        return None

    def tokens(self) -> TokenFile | None:
        """Reads the tokens; none where nobody is asked for one.

        Raises:
            UserInputError: The file cannot be read, or a line of it is wrong.
        """
        return TokenFile(self.token_file) if self.token_file is not None else None

    def sends_tokens_in_the_clear(self, address: str) -> bool:
        """Whether whoever is between a client and this address can read the client's token."""
        return self.token_file is not None and not self.has_tls and not is_loopback(address)
