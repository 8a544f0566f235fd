"""Settings of TLS: what is shown to clients, and what is demanded of them."""

from dataclasses import dataclass
from typing import Literal

from prefork.settings import checks
from prefork.settings.declaration import setting


@dataclass(frozen=True, kw_only=True)
class Encryption:
    """The certificates, and the ciphers."""

    certfile: str | None = setting(
        None,
        section="TLS",
        check=checks.readable_file,
        metavar="FILE",
        unset="no TLS",
        is_path=True,
        example="cert.pem",
        help="A certificate in PEM form, with those that lead from it to a trusted one. All "
        "addresses then speak TLS, 1.2 or 1.3. A reload reads it anew.",
    )
    keyfile: str | None = setting(
        None,
        section="TLS",
        check=checks.readable_file,
        metavar="FILE",
        unset="the file of --certfile",
        is_path=True,
        example="key.pem",
        help="The certificate's private key in PEM form, not encrypted.",
    )
    ca_certs: str | None = setting(
        None,
        section="TLS",
        check=checks.readable_file,
        metavar="FILE",
        unset="clients are asked for none",
        is_path=True,
        example="clients.pem",
        help="Certificates in PEM form by one of which a client's certificate must be signed.",
    )
    client_certs: Literal["required", "optional"] = setting(
        "required",
        section="TLS",
        help="Whether a client that shows no certificate is turned away; one whose certificate is "
        "not signed by one of --ca-certs always is.",
    )
    ciphers: str | None = setting(
        None,
        section="TLS",
        check=checks.cipher_list,
        metavar="CIPHERS",
        unset="as Python has them",
        example="ECDHE+AESGCM",
        help="The ciphers of TLS 1.2, as OpenSSL writes them; those of TLS 1.3 stay the same.",
    )
