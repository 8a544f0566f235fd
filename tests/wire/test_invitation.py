import os
from pathlib import Path

import pytest

from prefork.settings.schema import Settings
from prefork.wire import invitation
from prefork.wire.estate import Main


def test_what_was_written_down_is_read_again() -> None:
    settings = Settings(app="shop:__main__", pool=3, bind=("127.0.0.1:1", "127.0.0.1:2"))
    main = Main("shop", search_path=("/srv", "/lib"), argv=("shop.py", "ä" * 100_000))
    descriptor = invitation.write(7, settings, main)
    invited = invitation.read(descriptor)
    os.close(descriptor)
    assert (invited.pid, invited.channel, invited.main) == (os.getpid(), 7, main)
    assert Settings.of(invited.settings) == settings


def test_what_is_no_invitation_is_refused() -> None:
    with open(os.devnull, "rb") as nothing, pytest.raises(ValueError, match="Expecting value"):
        invitation.read(nothing.fileno())


def test_paths_and_arguments_need_not_be_utf_8(tmp_path: Path) -> None:
    odd = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9")
    os.mkdir(odd)
    main = Main(path=f"{odd}/shop.py", search_path=(odd,), argv=("shop.py", "\udce9"))
    descriptor = invitation.write(7, Settings(app="shop:__main__", app_dir=odd), main)
    invited = invitation.read(descriptor)
    os.close(descriptor)
    assert (invited.main, invited.settings["app_dir"]) == (main, odd)
