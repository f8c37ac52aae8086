"""When a certificate expires, as another library reads it."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from services.core.errors import UserInputError
from services.rpc.certificate_dates import expires_at, watched_expiry
from tests.certificates import Authority

PATH = Path("tls.crt")


def certificate(
    not_after: datetime, key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | None = None
) -> bytes:
    """A self-signed one that is no authority, as small set-ups use."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "front")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime(2000, 1, 1, tzinfo=UTC))
        .not_valid_after(not_after)
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM)


@pytest.mark.parametrize(
    "not_after",
    [
        datetime(2027, 2, 28, 23, 59, 59, tzinfo=UTC),
        # Up to 2049 a year has two digits, from 2050 on four (RFC 5280, 4.1.2.5).
        datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC),
        datetime(2050, 1, 1, tzinfo=UTC),
        datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC),
    ],
)
def test_the_date_is_read_whatever_its_form(not_after: datetime) -> None:
    assert expires_at(certificate(not_after), PATH) == not_after.timestamp()


def test_a_long_certificate_is_read() -> None:
    # Its lengths take three bytes.
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    not_after = datetime(2030, 1, 1, tzinfo=UTC)
    assert expires_at(certificate(not_after, key), PATH) == not_after.timestamp()


def test_of_a_chain_the_server_s_own_counts() -> None:
    own, authority = datetime(2027, 1, 1, tzinfo=UTC), datetime(2037, 1, 1, tzinfo=UTC)
    chain = b"# the server\n" + certificate(own) + certificate(authority)
    assert expires_at(chain, PATH) == own.timestamp()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no certificate",
        b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
        b"-----BEGIN CERTIFICATE-----\n\n-----END CERTIFICATE-----\n",
        b"-----BEGIN CERTIFICATE-----\nMAUwAzABAQ==\n-----END CERTIFICATE-----\n",
        b"\xff\xfe",
    ],
)
def test_what_is_no_certificate_is_said(content: bytes) -> None:
    with pytest.raises(UserInputError, match=r"tls_certificate_file: tls.crt holds no certificate"):
        expires_at(content, PATH)


def test_a_server_s_file_tells_its_date(tmp_path: Path) -> None:
    pair = Authority.make(tmp_path).issue("service")
    made = x509.load_pem_x509_certificate(pair.certificate.read_bytes())
    assert watched_expiry(pair.certificate)() == made.not_valid_after_utc.timestamp()
