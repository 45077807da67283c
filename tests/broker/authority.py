"""Files with certificates for one run of the tests, from an authority of our own."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

__all__ = ["Authority"]


class Authority:
    """A certificate authority. Every file is made once, under its name."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self._ca = trustme.CA()
        self.certificate = directory / "authority.pem"
        self._ca.cert_pem.write_to_path(str(self.certificate))

    def issue(self, name: str, *identities: str, expired: bool = False) -> Path:
        """A certificate with its chain and its key (PKCS #8), all in one file."""
        now = datetime.now(UTC)
        end = now - timedelta(days=1) if expired else now + timedelta(days=1)
        leaf = self._ca.issue_cert(*identities, not_before=now - timedelta(days=9), not_after=end)
        key = load_pem_private_key(leaf.private_key_pem.bytes(), None)
        pkcs8 = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        chain = b"".join(blob.bytes() for blob in leaf.cert_chain_pems)
        path = self.directory / f"{name}.pem"
        path.write_bytes(pkcs8 + chain)
        return path

    def locked(self, name: str, password: str) -> tuple[Path, Path]:
        """The certificate of a client, and in another file its key, encrypted with a password."""
        leaf = self._ca.issue_cert("client.example")
        key = load_pem_private_key(leaf.private_key_pem.bytes(), None)
        certificate, locked = self.directory / f"{name}.crt", self.directory / f"{name}.key"
        certificate.write_bytes(b"".join(blob.bytes() for blob in leaf.cert_chain_pems))
        kept = BestAvailableEncryption(password.encode())
        locked.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, kept))
        return certificate, locked
