"""What workers show to TLS clients, and demand of them: the context, and what is wrong with it.

A context is made once for a generation, before its workers are forked: its ticket keys, which
Python can't set, are then the same in all of them, so that a session goes on at any of them.
"""

import ssl
from pathlib import Path

from prefork import log
from prefork.errors import SettingsError
from prefork.settings.checks import shown
from prefork.settings.schema import Settings

PROTOCOLS = ["http/1.1"]  # by ALPN; a client that offers none of them gets no answer to that
CERTIFICATES = (b"-----BEGIN CERTIFICATE-----", b"-----BEGIN TRUSTED CERTIFICATE-----")
KEYS = (b" PRIVATE KEY-----", b"-----BEGIN PRIVATE KEY-----")
REQUIREMENTS = {"required": ssl.CERT_REQUIRED, "optional": ssl.CERT_OPTIONAL}
MISMATCHES = ("KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH")
UNTIMELY = {9: "it is not valid yet", 10: "it has expired"}  # X509_V_ERR_CERT_…, by number
ROUNDS = 4  # a handshake in memory takes two


def context(settings: Settings) -> ssl.SSLContext | None:
    """Make the context that *settings* ask for; None: no TLS.

    Raises SettingsError. An expired certificate is a warning: clients decide whether they mind.
    """
    if settings.certfile is None:
        _refuse_what_would_do_nothing(settings)
        return None
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    made.set_alpn_protocols(PROTOCOLS)
    _show(made, settings.certfile, settings.keyfile)
    if settings.ciphers is not None:
        _restrict(made, settings.ciphers)
    _warn_if_untimely(made, settings.certfile)
    if settings.ca_certs is not None:
        _demand(made, settings.ca_certs, REQUIREMENTS[settings.client_certs])
    return made


def _refuse_what_would_do_nothing(settings: Settings) -> None:
    for name in ("keyfile", "ca_certs", "ciphers"):
        if getattr(settings, name) is not None:
            raise SettingsError(f"--{name.replace('_', '-')} does nothing without --certfile")


def _show(made: ssl.SSLContext, certfile: str, keyfile: str | None) -> None:
    """Load the certificate, those that it is signed by, and the key."""
    where = f"--keyfile {shown(keyfile)}" if keyfile else f"--certfile {shown(certfile)}"
    if not _holds(certfile, "--certfile", CERTIFICATES):
        raise SettingsError(f"--certfile {shown(certfile)} holds no certificate in PEM form")
    if not _holds(keyfile or certfile, "--keyfile" if keyfile else "--certfile", KEYS):
        hint = "" if keyfile else ": name the file that does by --keyfile"
        raise SettingsError(f"{where} holds no private key in PEM form{hint}")

    def refuse() -> str:  # OpenSSL would ask on the terminal
        raise SettingsError(
            f"{where} holds an encrypted key, and nobody is there to type its password: "
            "write it without one by `openssl pkey -in KEY -out FILE`"
        )

    try:
        made.load_cert_chain(certfile, keyfile, refuse)
    except OSError as error:
        if getattr(error, "reason", None) in MISMATCHES:
            wrong = f"{where} holds a key that does not belong to the certificate"
            raise SettingsError(f"{wrong} in {shown(certfile)}" if keyfile else wrong) from None
        culprit = where if _is_sound(certfile) else f"--certfile {shown(certfile)}"
        raise SettingsError(f"{culprit} can't be used: {_reason(error)}") from None


def _is_sound(certfile: str) -> bool:
    """Whether what can't be used is the key."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(certfile)
    except OSError:
        return False
    return True


def _holds(path: str, label: str, marks: tuple[bytes, ...]) -> bool:
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise SettingsError(f"{label} {shown(path)} can't be read: {error.strerror}") from None
    return any(mark in content for mark in marks)


def _restrict(made: ssl.SSLContext, ciphers: str) -> None:
    try:
        made.set_ciphers(ciphers)
    except ssl.SSLError:
        raise SettingsError(
            f"--ciphers {shown(ciphers)} names no cipher of {ssl.OPENSSL_VERSION}"
        ) from None


def _demand(made: ssl.SSLContext, ca_certs: str, requirement: ssl.VerifyMode) -> None:
    """Have clients show a certificate that one of these has signed."""
    if not _holds(ca_certs, "--ca-certs", CERTIFICATES):
        raise SettingsError(f"--ca-certs {shown(ca_certs)} holds no certificate in PEM form")
    try:
        made.load_verify_locations(ca_certs)
    except OSError as error:
        raise SettingsError(
            f"--ca-certs {shown(ca_certs)} can't be used: {_reason(error)}"
        ) from None
    made.verify_mode = requirement


def _warn_if_untimely(made: ssl.SSLContext, certfile: str) -> None:
    """Be a client that trusts this very certificate: Python tells its dates in no other way."""
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
    client.load_verify_locations(certfile)
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = client.wrap_bio(back, there), made.wrap_bio(there, back, server_side=True)
    try:
        for end in ends * ROUNDS:
            _advance(end)
    except ssl.SSLCertVerificationError as error:
        if error.verify_code in UNTIMELY:
            reason = UNTIMELY[error.verify_code]
            log.warning("certificate_untimely", file=certfile, reason=reason)
    except ssl.SSLError as error:
        raise SettingsError(
            f"--certfile {shown(certfile)} can't be used: {_reason(error)}"
        ) from None


def _advance(end: ssl.SSLObject) -> None:
    try:
        end.do_handshake()
    except ssl.SSLWantReadError:
        return


def _reason(error: OSError) -> str:
    """In OpenSSL's words, without the place in its source; or in the system's."""
    if not isinstance(error, ssl.SSLError):
        return error.strerror or str(error)
    return (error.reason or "it can't be decoded").lower().replace("_", " ")
