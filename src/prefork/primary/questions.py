"""What the primary has asked workers, and who is to be told the answer, or that there is none."""

import heapq
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Any, TypeAlias


@dataclass(frozen=True, slots=True)
class Answer:
    """What a worker answered; *failure*: why there is no answer, or nothing."""

    value: Any = None
    failure: str = ""


Then: TypeAlias = Callable[[Answer], None]


@dataclass(frozen=True, slots=True)
class Question:
    """*whom*: a worker's id. *failure*: what is told at the *deadline*."""

    whom: int
    deadline: float
    failure: str
    then: Then


class Questions:
    """Each is answered once: by the worker, by its deadline, or by the worker's death."""

    def __init__(self) -> None:
        self._open: dict[int, Question] = {}  # by number, which is its own among all workers
        self._deadlines: list[tuple[float, int]] = []  # a heap, with those that are answered
        self._numbers = count(1)

    def ask(self, question: Question) -> int:
        """Expect an answer. Returns the question's number."""
        number = next(self._numbers)
        self._open[number] = question
        heapq.heappush(self._deadlines, (question.deadline, number))
        return number

    def answer(self, whom: int, number: int, answer: Answer) -> None:
        """Tell the answer, unless it comes too late, or from somebody who was not asked."""
        question = self._open.get(number)
        if question is not None and question.whom == whom:
            del self._open[number]
            question.then(answer)

    def bury(self, whom: int) -> None:
        """Tell that a worker won't answer any more."""
        numbers = [number for number, each in self._open.items() if each.whom == whom]
        for number in numbers:
            self.answer(whom, number, Answer(failure="it has gone"))

    def next_check(self) -> float | None:
        while self._deadlines and self._deadlines[0][1] not in self._open:
            heapq.heappop(self._deadlines)
        return self._deadlines[0][0] if self._deadlines else None

    def check(self, now: float) -> None:
        due = []
        while (deadline := self.next_check()) is not None and deadline <= now:
            due.append(heapq.heappop(self._deadlines)[1])
        for number in due:
            if question := self._open.get(number):  # else one that was told has buried it
                self.answer(question.whom, number, Answer(failure=question.failure))
