from prefork.errors import PreforkError, RemoteError
from prefork.http.errors import FramingError, Refused


def test_a_refusal_blames_the_peer_and_knows_its_status() -> None:
    refusal = Refused(431, "too many header fields")
    assert isinstance(refusal, RemoteError)
    assert (refusal.status, str(refusal)) == (431, "too many header fields")


def test_a_framing_error_does_not_blame_the_peer() -> None:
    assert issubclass(FramingError, PreforkError)
    assert not issubclass(FramingError, RemoteError)
