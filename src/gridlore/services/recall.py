"""What was found before: who posts or asks does so again, and names the same sensors.

Layer: services.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, TypeVar

T = TypeVar("T")

MAX_TEXTS = 8192
"""Texts remembered at once; with more, all are forgotten."""

TOGETHER, LONGEST = 16, 128
"""Of how many texts asked for at once, and how long ones, it is worth remembering what they stood for."""

Question = tuple[object, ...]


class Recall(Generic[T]):
    """A bounded memory of what texts stood for, as long as what it was found in stands.

    >>> recall = Recall()
    >>> recall.keep(("ann", "Meter 1"), ["Meter 1"], "the first meter")
    >>> recall.get(("ann", "Meter 1")), recall.get(("bob", "Meter 1"))
    ('the first meter', None)
    """

    def __init__(self) -> None:
        self._found: dict[Question, T] = {}
        self._texts = 0

    def get(self, question: Question) -> T | None:
        """What was found then; None when it is not remembered."""
        return self._found.get(question)

    def keep(self, question: Question, texts: Sequence[str], found: T) -> None:
        """Remember what was found for ``texts``, which are part of the question."""
        if len(texts) > TOGETHER or any(len(text) > LONGEST for text in texts):
            return
        self._texts += len(texts)
        if self._texts > MAX_TEXTS:
            self._found, self._texts = {}, len(texts)
        self._found[question] = found
