"""What is wrong with certificates and keys, in one line that names the culprit."""

import shutil
import ssl
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.support import certificates

from prefork.errors import SettingsError
from prefork.settings.schema import Settings
from prefork.worker import credentials

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is missing")


def made(**settings: Any) -> ssl.SSLContext | None:
    given = {name: str(value) for name, value in settings.items()}
    return credentials.context(Settings(app="a:b", **given))  # type: ignore[arg-type]


def wrong(**settings: Any) -> str:
    with pytest.raises(SettingsError) as caught:
        made(**settings)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    return message


@pytest.fixture
def files(tmp_path: Path) -> certificates.Files:
    return certificates.write(tmp_path)


def test_without_a_certificate_there_is_no_tls() -> None:
    assert made() is None


def test_only_what_is_safe_is_spoken(files: certificates.Files) -> None:
    context = made(certfile=files.certfile, keyfile=files.keyfile)
    assert context is not None
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert context.options & ssl.OP_NO_COMPRESSION
    assert context.options & ssl.OP_NO_RENEGOTIATION
    assert context.verify_mode == ssl.CERT_NONE


def test_one_file_may_hold_both(files: certificates.Files, tmp_path: Path) -> None:
    both = tmp_path / "both.pem"
    both.write_bytes(files.keyfile.read_bytes() + files.certfile.read_bytes())
    assert made(certfile=both) is not None


@pytest.mark.parametrize("name", ["certfile", "keyfile", "ca_certs"])
def test_a_file_that_went_away_is_named(files: certificates.Files, name: str) -> None:
    paths = {"certfile": files.certfile, "keyfile": files.keyfile, "ca_certs": files.certfile}
    settings = Settings(app="a:b", **{k: str(v) for k, v in paths.items()})  # type: ignore[arg-type]
    gone = files.certfile.with_name("gone.pem")
    object.__setattr__(settings, name, str(gone))
    with pytest.raises(SettingsError) as caught:
        credentials.context(settings)
    option = f"--{name.replace('_', '-')}"
    assert str(caught.value) == f"{option} {gone} can't be read: No such file or directory"


def test_a_file_without_a_certificate_is_named(files: certificates.Files) -> None:
    said = wrong(certfile=files.keyfile, keyfile=files.keyfile)
    assert said == f"--certfile {files.keyfile} holds no certificate in PEM form"
    said = wrong(certfile=files.certfile, keyfile=files.keyfile, ca_certs=files.keyfile)
    assert said == f"--ca-certs {files.keyfile} holds no certificate in PEM form"


def test_a_file_without_a_key_is_named(files: certificates.Files) -> None:
    said = wrong(certfile=files.certfile)
    assert said == (
        f"--certfile {files.certfile} holds no private key in PEM form: "
        "name the file that does by --keyfile"
    )
    said = wrong(certfile=files.certfile, keyfile=files.certfile)
    assert said == f"--keyfile {files.certfile} holds no private key in PEM form"


@pytest.mark.parametrize("option", ["certfile", "keyfile", "ca_certs"])
def test_a_file_that_is_broken_is_named(files: certificates.Files, option: str) -> None:
    broken = files.certfile.with_name("broken.pem")
    whole = files.keyfile if option == "keyfile" else files.certfile
    lines = whole.read_text().splitlines()
    broken.write_text("\n".join([lines[0], "AAAA", *lines[2:]]))
    paths = {"certfile": files.certfile, "keyfile": files.keyfile, "ca_certs": files.certfile}
    said = wrong(**(paths | {option: broken}))
    assert str(broken) in said
    assert "can't be used" in said


@pytest.mark.parametrize("in_one", [True, False])
def test_a_key_of_another_certificate_is_told(tmp_path: Path, in_one: bool) -> None:
    (tmp_path / "other").mkdir()
    files, other = certificates.write(tmp_path), certificates.write(tmp_path / "other")
    if in_one:
        both = tmp_path / "both.pem"
        both.write_bytes(other.keyfile.read_bytes() + files.certfile.read_bytes())
        said = wrong(certfile=both)
        assert said == f"--certfile {both} holds a key that does not belong to the certificate"
    else:
        said = wrong(certfile=files.certfile, keyfile=other.keyfile)
        key = f"--keyfile {other.keyfile} holds a key"
        assert said == f"{key} that does not belong to the certificate in {files.certfile}"


@needs_openssl
@pytest.mark.parametrize("form", ["pkcs8", "traditional"])
def test_an_encrypted_key_is_refused_and_nobody_is_asked(
    files: certificates.Files, form: str
) -> None:
    locked = files.keyfile.with_name("locked.pem")
    command = ["openssl", "pkey", "-in", str(files.keyfile), "-out", str(locked), "-aes256"]
    command += ["-passout", "pass:secret", *(["-traditional"] if form == "traditional" else [])]
    subprocess.run(command, check=True, capture_output=True)
    said = wrong(certfile=files.certfile, keyfile=locked)
    assert said.startswith(f"--keyfile {locked} holds an encrypted key")
    assert "openssl pkey" in said


@pytest.mark.parametrize(
    ("valid", "reason"),
    [
        (certificates.LONG_AGO, "it has expired"),
        (certificates.FAR_AHEAD, "it is not valid yet"),
        (certificates.FOREVER, ""),
    ],
)
def test_a_certificate_out_of_its_time_is_a_warning(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], valid: Any, reason: str
) -> None:
    files = certificates.write(tmp_path, valid=valid)
    assert made(certfile=files.certfile, keyfile=files.keyfile) is not None
    said = capfd.readouterr().err
    assert ("certificate_untimely" in said, reason in said) == (bool(reason), True)
    assert str(files.certfile) in said or not reason


def test_ciphers_that_openssl_does_not_have_are_refused(files: certificates.Files) -> None:
    given = {"certfile": files.certfile, "keyfile": files.keyfile}
    assert "--ciphers NONSENSE names no cipher of OpenSSL" in wrong(**given, ciphers="NONSENSE")
    context = made(**given, ciphers="ECDHE+AESGCM")
    assert context is not None
    older = {each["name"] for each in context.get_ciphers() if each["protocol"] != "TLSv1.3"}
    assert all("GCM" in name for name in older)


@pytest.mark.parametrize("demanded", ["required", "optional"])
def test_clients_must_show_certificates_where_an_authority_is_named(
    files: certificates.Files, demanded: str
) -> None:
    given = {"certfile": files.certfile, "keyfile": files.keyfile, "ca_certs": files.certfile}
    context = made(**given, client_certs=demanded)
    assert context is not None
    assert context.verify_mode == credentials.REQUIREMENTS[demanded]


@pytest.mark.parametrize("name", ["keyfile", "ca_certs"])
def test_what_does_nothing_without_a_certificate_is_refused(
    files: certificates.Files, name: str
) -> None:
    option = f"--{name.replace('_', '-')}"
    assert wrong(**{name: files.keyfile}) == f"{option} does nothing without --certfile"
    assert wrong(ciphers="HIGH") == "--ciphers does nothing without --certfile"
