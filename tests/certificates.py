"""Makes authorities and certificates for tests: real X.509, valid for an hour."""

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

VALID_FOR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its key, in files."""

    certificate: Path
    key: Path

    def move_to(self, certificate: Path, key: Path) -> "Pair":
        """Gives the files other names."""
        return Pair(self.certificate.rename(certificate), self.key.rename(key))

    def copy_to(self, other: "Pair") -> None:
        """Puts this pair where the other one lies."""
        other.certificate.write_bytes(self.certificate.read_bytes())
        other.key.write_bytes(self.key.read_bytes())


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate authority of one's own.

    Attributes:
        file: Its certificate, which whoever trusts it needs.
    """

    folder: Path
    file: Path
    name: x509.Name
    key: ec.EllipticCurvePrivateKey

    @classmethod
    def make(cls, folder: Path, name: str = "authority") -> Self:
        """Makes an authority whose files lie in ``folder``."""
        folder.mkdir(parents=True, exist_ok=True)
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _name(name)
        certificate = (
            _builder(subject, subject, key)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(key, hashes.SHA256())
        )
        file = folder / f"{name}.pem"
        file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        return cls(folder, file, subject, key)

    def issue(self, common_name: str, *, dns: str = "localhost", ip: str = "127.0.0.1") -> Pair:
        """Issues a certificate for a server on this machine, or for a client."""
        key = ec.generate_private_key(ec.SECP256R1())
        names: list[x509.GeneralName] = [
            x509.DNSName(dns),
            x509.IPAddress(ipaddress.ip_address(ip)),
        ]
        # A subject without a common name is what many issuers of today write.
        subject = _name(common_name) if common_name else x509.Name([])
        certificate = (
            _builder(subject, self.name, key)
            .add_extension(x509.SubjectAlternativeName(names), critical=not common_name)
            .sign(self.key, hashes.SHA256())
        )
        stem = f"{common_name or dns}-{certificate.serial_number:x}"
        pair = Pair(self.folder / f"{stem}.crt", self.folder / f"{stem}.key")
        pair.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        pair.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return pair


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + VALID_FOR)
    )
