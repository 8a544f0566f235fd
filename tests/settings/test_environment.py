import pytest

from prefork.settings import environment


def test_a_runtime_directory_is_an_absolute_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/1000")
    assert environment.runtime_directory() == "/run/user/1000"
    monkeypatch.setenv("XDG_RUNTIME_DIR", "relative")
    assert environment.runtime_directory() is None
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    assert environment.runtime_directory() is None


def test_the_temporary_directory_has_a_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", "/var/tmp")
    assert environment.temporary_directory() == "/var/tmp"
    monkeypatch.setenv("TMPDIR", "")
    assert environment.temporary_directory() == "/tmp"


def test_blas_threads_are_limited_unless_the_user_has_said_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in environment.BLAS_VARIABLES:
        monkeypatch.setenv(name, "x")  # so that it is restored
        monkeypatch.delenv(name)
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    environment.limit_blas_threads(2)
    said = environment.variables()
    assert (said["OPENBLAS_NUM_THREADS"], said["OMP_NUM_THREADS"]) == ("2", "7")
