"""Certificates and keys, made for the tests of one run, and contexts of clients that trust them."""

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import trustme

HOST = "127.0.0.1"
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC), datetime(2020, 2, 1, tzinfo=UTC)
FAR_AHEAD = datetime(2100, 1, 1, tzinfo=UTC), datetime(2100, 2, 1, tzinfo=UTC)
FOREVER = LONG_AGO[0], FAR_AHEAD[1]


@cache
def authority() -> trustme.CA:
    """Who signs: keys cost time, so one for all."""
    return trustme.CA()


@dataclass(frozen=True, slots=True)
class Files:
    """A certificate and its key, each in a file."""

    certfile: Path
    keyfile: Path

    @property
    def options(self) -> list[str]:
        """What `serve` is told of them."""
        return ["--certfile", str(self.certfile), "--keyfile", str(self.keyfile)]


def write(
    place: Path, name: str = "server", *, valid: tuple[datetime, datetime] = FOREVER
) -> Files:
    """Make a certificate of *name* for HOST, and write it over what is there."""
    issued = authority().issue_cert(HOST, common_name=name, not_before=valid[0], not_after=valid[1])
    files = Files(place / "cert.pem", place / "key.pem")
    files.certfile.write_bytes(b"".join(each.bytes() for each in issued.cert_chain_pems))
    files.keyfile.write_bytes(issued.private_key_pem.bytes())
    return files


def write_authority(place: Path, name: str = "ca.pem") -> Path:
    """Write the certificate that all others are signed by."""
    path = place / name
    authority().cert_pem.write_to_path(str(path))
    return path


def write_stranger(place: Path) -> Files:
    """Make a certificate that an authority has signed whom nobody knows."""
    issued = trustme.CA().issue_cert(HOST)
    files = Files(place / "stranger.pem", place / "stranger.key")
    files.certfile.write_bytes(issued.cert_chain_pems[0].bytes())
    files.keyfile.write_bytes(issued.private_key_pem.bytes())
    return files


def client_context(files: Files | None = None) -> ssl.SSLContext:
    """What a client needs that trusts the authority; *files*: what it shows, if anything."""
    made = ssl.create_default_context()
    authority().configure_trust(made)
    if files is not None:
        made.load_cert_chain(files.certfile, files.keyfile)
    return made
