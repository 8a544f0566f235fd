from prefork.cluster.scripted import IDLE
from prefork.settings.schema import described


def test_what_does_nothing_in_a_script_is_a_setting_or_what_uvicorn_calls_one() -> None:
    assert set(IDLE) - {"host", "port"} < {each.name for each in described()}
