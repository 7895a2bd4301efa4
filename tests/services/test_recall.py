"""What is remembered of questions, and that it stays bounded."""

from __future__ import annotations

from gridlore.services.recall import LONGEST, MAX_TEXTS, TOGETHER, Recall


def test_only_short_questions_are_remembered() -> None:
    recall: Recall[int] = Recall()
    for number, texts in enumerate((["a"] * TOGETHER, ["a"] * (TOGETHER + 1), ["a" * (LONGEST + 1)])):
        recall.keep(tuple(texts), texts, number)
    assert recall.get(tuple(["a"] * TOGETHER)) == 0
    assert recall.get(tuple(["a"] * (TOGETHER + 1))) is None
    assert recall.get(("a" * (LONGEST + 1),)) is None


def test_ever_new_questions_take_no_more_memory() -> None:
    recall: Recall[int] = Recall()
    for number in range(3 * MAX_TEXTS):
        recall.keep((str(number),), [str(number)], number)
    found = sum(recall.get((str(number),)) is not None for number in range(3 * MAX_TEXTS))
    assert 0 < found <= MAX_TEXTS
    assert recall.get((str(3 * MAX_TEXTS - 1),)) == 3 * MAX_TEXTS - 1
