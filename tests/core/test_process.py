"""The transition table is complete, and taken literally."""

import pytest

from prefork.core.process import TRANSITIONS, Phase, Process, Role, Step
from prefork.errors import TransitionError


def test_an_exit_is_legal_in_every_phase_but_the_last() -> None:
    ends = {phase for phase, step in TRANSITIONS if step is Step.EXIT}
    assert ends == set(Phase) - {Phase.GONE}


def test_a_kill_is_legal_until_it_was_asked_for() -> None:
    killable = {phase for phase, step in TRANSITIONS if step is Step.KILL}
    assert killable == set(Phase) - {Phase.KILLED, Phase.GONE}


@pytest.mark.parametrize("phase", [phase for phase in Phase if phase is not Phase.GONE])
def test_every_phase_can_be_left(phase: Phase) -> None:
    assert any(of is phase and to is not phase for (of, _), to in TRANSITIONS.items())


def test_nothing_comes_after_the_end() -> None:
    assert not any(phase is Phase.GONE for phase, _ in TRANSITIONS)


def test_an_illegal_step_names_process_step_and_phase() -> None:
    process = Process(7, Role.WORKER, 1, spawned_at=0)
    with pytest.raises(TransitionError, match="process 7: READY while SPAWNING"):
        process.advance(Step.READY)


def test_uptime_counts_from_ready() -> None:
    process = Process(7, Role.WORKER, 1, spawned_at=0)
    assert process.uptime(5) is None
    process.ready_at = 3
    assert process.uptime(5) == 2
