import pytest

from prefork.http.message import Message, TooLarge


def message(is_text: bool = True, most: int = 10) -> Message:
    return Message(is_text, False, most)


def test_a_message_of_one_piece_is_that_piece() -> None:
    data = bytes(10)
    assert message(is_text=False).end(data) is data
    assert message().end(b"abc") == "abc"


def test_the_pieces_of_a_message_are_put_together() -> None:
    text = message()
    for piece in (b"\xc3", b"", b"\xa4b"):
        text.check(piece)
        text.add(piece)
    assert text.end(b"c") == "\xe4bc"


def test_text_is_refused_at_its_first_wrong_byte() -> None:
    text = message()
    text.check(b"\xed")
    with pytest.raises(UnicodeDecodeError):
        text.check(b"\xa0")  # the first half of a surrogate: no third byte could mend it


def test_text_that_breaks_off_in_a_character_is_refused() -> None:
    with pytest.raises(UnicodeDecodeError):
        message().end(b"\xc3")


def test_bytes_may_be_anything() -> None:
    whole = message(is_text=False)
    whole.check(b"\xff")
    whole.add(b"\xff")
    assert whole.end(b"\xfe") == b"\xff\xfe"


def test_a_message_over_the_limit_is_refused_when_it_is_announced() -> None:
    whole = message()
    whole.add(bytes(4))
    whole.expect(6)
    for refused in (whole.expect, lambda size: whole.add(bytes(size))):
        with pytest.raises(TooLarge, match="larger than 10 bytes"):
            refused(7)
    with pytest.raises(TooLarge):
        message().end(bytes(11))
