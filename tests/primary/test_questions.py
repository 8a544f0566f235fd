"""Every question is answered once, whoever is first: the worker, time, or death."""

from prefork.primary.questions import Answer, Question, Questions


def asked(questions: Questions, answers: list[Answer], *, whom: int = 1, by: float = 5) -> int:
    return questions.ask(Question(whom, by, "too slow", answers.append))


def test_the_first_answer_counts() -> None:
    questions, answers = Questions(), list[Answer]()
    number = asked(questions, answers)
    questions.answer(1, number, Answer("yes"))
    questions.answer(1, number, Answer("no"))
    questions.bury(1)
    questions.check(10)
    assert answers == [Answer("yes")]


def test_deadlines_are_told_in_their_order() -> None:
    questions, told = Questions(), list[str]()
    for by in (3, 1, 2):
        questions.ask(Question(by, by, str(by), lambda answer: told.append(answer.failure)))
    assert questions.next_check() == 1
    questions.check(2)
    assert told == ["1", "2"]
    assert questions.next_check() == 3
    questions.check(3)
    assert questions.next_check() is None


def test_an_answered_question_is_not_waited_for() -> None:
    questions, answers = Questions(), list[Answer]()
    first, _ = asked(questions, answers, by=1), asked(questions, answers, by=9)
    questions.answer(1, first, Answer())
    assert questions.next_check() == 9


def test_a_death_fails_what_that_worker_was_asked_and_no_other() -> None:
    questions, answers = Questions(), list[Answer]()
    asked(questions, answers, whom=1)
    asked(questions, answers, whom=2)
    questions.bury(1)
    assert answers == [Answer(failure="it has gone")]
    assert questions.next_check() == 5


def test_who_is_told_may_ask_again_at_once() -> None:
    questions, answers = Questions(), list[Answer]()

    def again(answer: Answer) -> None:
        answers.append(answer)
        questions.ask(Question(1, 0, "again", again))

    questions.ask(Question(1, 0, "first", again))
    questions.check(0)
    assert answers == [Answer(failure="first")]
    questions.check(0)
    assert answers[1:] == [Answer(failure="again")]


def test_one_that_a_told_one_has_ended_is_not_told_twice() -> None:
    questions, answers = Questions(), list[Answer]()
    questions.ask(Question(1, 0, "first", lambda _: questions.bury(2)))
    asked(questions, answers, whom=2, by=0)
    questions.check(0)
    assert answers == [Answer(failure="it has gone")]
