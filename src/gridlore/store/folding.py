"""Fold small blocks near what a commit stores into fewer, as long as that does not take long.

Layer: store. What is folded into what, ``domain.merging`` decides; here it is found, and written.
"""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress

from gridlore.domain.beliefs import Block
from gridlore.domain.errors import PeriodError
from gridlore.domain.merging import Tier, fold_blocks
from gridlore.store.interface import Window, WriteTransaction
from gridlore.store.windows import join_windows

FOLDED_AT_ONCE = 64
"""Windows whose blocks are read together to be folded, which bounds what is in memory."""

MAX_FOLDED = 50_000
"""Blocks that a post folds at once. What belongs together must be found, while everybody waits."""

FOLDING = 2.0
"""How long one commit begins to fold, and once more to learn for which sensors it is too much; everybody
waits for it. Whose turn did not come is among the first when it is due again. [s]"""

SLOW_TO_FIND = 0.2
"""How long one commit may search for what can be folded, before sensors are suspected, and let be. [s]"""

FOLDED_PER_SECOND, STORED_PER_SECOND, STORED_BYTES_PER_SECOND, LONGEST_WAIT = 5_000, 5_000, 2**24, 1.0
"""Searches may take longer where they find blocks to fold; and, as the first one on PostgreSQL waits until
what the commit stores is stored, as long as that may take, but no longer than LONGEST_WAIT [s]."""

MOST_IN_VAIN = 0.5
"""After so much more one commit searches no further, whoever it was: the others have their turn later. [s]"""

USUAL_TO_FIND, USUAL_PER_WINDOW = 0.005, 0.001
"""A question that takes less, and this for each of its windows, is not why a commit searches too long. [s]"""

REST, LONGEST_REST = 300.0, 600.0
"""How many times what is too long posts let a sensor be, and how long at most; the first time in so long, it
may have been the machine. [s]"""


class Folding:
    """Folds within the commits of one writer; knows which sensors it lets be for a while (ADR 026)."""

    def __init__(self) -> None:
        self._let_be: dict[int, float] = {}
        self._suspected: dict[int, float] = {}
        # Since when sensors wait for their turn. [s]
        self._late: dict[int, float] = {}
        # By how much this commit has searched too long; below 0, how much longer it may. [s]
        self._too_long = 0.0

    def fold(self, transaction: WriteTransaction, written: Sequence[Block], due: Mapping[int, Tier]) -> None:
        """Fold what is known near the blocks ``written``, of the sensors that are due."""
        began = time.monotonic()
        self._let_be = {one: until for one, until in self._let_be.items() if until > began}
        self._suspected = {one: until for one, until in self._suspected.items() if until > began}
        near: list[Window] = []
        for block in written:
            tier = due.get(block.sensor_id)
            if tier is None or block.values.size >= tier.max_values or block.sensor_id in self._let_be:
                continue
            reach = tier.reach * block.resolution
            near.append(
                Window(
                    block.sensor_id,
                    block.start - reach,
                    block.end + reach,
                    block.resolution,
                    max_values=tier.max_values - 1,
                    whole=True,
                )
            )
        if not near:
            return
        self._too_long = -SLOW_TO_FIND - _storing(written)
        windows = sorted(join_windows(near), key=lambda window: self._late.get(window.sensor_id, math.inf))
        for first in range(0, len(windows), FOLDED_AT_ONCE):
            some = windows[first : first + FOLDED_AT_ONCE]
            if time.monotonic() - began > FOLDING or self._too_long > MOST_IN_VAIN:
                self._put_off(some)
            else:
                self._fold_within(transaction, some, due)

    def _put_off(self, windows: Sequence[Window]) -> None:
        """Have the sensors of some windows come first, once they are due again."""
        now = time.monotonic()
        for window in windows:
            self._late.setdefault(window.sensor_id, now)

    def _fold_within(
        self, transaction: WriteTransaction, windows: Sequence[Window], due: Mapping[int, Tier]
    ) -> None:
        windows = [window for window in windows if window.sensor_id not in self._let_be]
        if not windows:
            return
        began = time.monotonic()
        try:
            found = _find(transaction, windows)
        except Exception:
            self._weigh(windows, time.monotonic() - began)
            raise
        if found is None and len(windows) > 1:
            self._too_long += time.monotonic() - began
            self._fold_singly(transaction, windows, due)
            return
        for window in windows:
            self._late.pop(window.sensor_id, None)
        folds = [
            fold
            for sensor_id, blocks in (found or {}).items()
            for fold in fold_blocks(list(blocks.values()), due[sensor_id])
        ]
        parts = [part for fold in folds for part in fold.parts]
        self._weigh(windows, time.monotonic() - began - len(parts) / FOLDED_PER_SECOND)
        if folds:
            transaction.delete_blocks(parts)
            transaction.append_blocks([fold.merged for fold in folds])

    def _fold_singly(
        self, transaction: WriteTransaction, windows: Sequence[Window], due: Mapping[int, Tier]
    ) -> None:
        """Fold within windows that are too much together, and so learn for which it takes long."""
        until = time.monotonic() + FOLDING
        for window in windows:
            if time.monotonic() > until:
                self._put_off([window])
            else:
                self._fold_within(transaction, [window], due)

    def _weigh(self, windows: Sequence[Window], excess: float) -> None:
        """Hear how much longer a question took than it was worth, and let its sensors be if that is why it
        is too long, and not for the first time. [s]"""
        self._too_long += max(0.0, excess)
        if self._too_long <= 0 or excess <= USUAL_TO_FIND + USUAL_PER_WINDOW * len(windows):
            return
        now = time.monotonic()
        rest = min(REST * self._too_long, LONGEST_REST)
        for sensor_id in {window.sensor_id for window in windows}:
            if sensor_id in self._suspected:
                self._let_be[sensor_id] = now + rest
            self._suspected[sensor_id] = now + LONGEST_REST


def _storing(written: Sequence[Block]) -> float:
    """How long it may take to store so much. [s]"""
    size = sum([block.values.nbytes for block in written])
    return min(len(written) / STORED_PER_SECOND + size / STORED_BYTES_PER_SECOND, LONGEST_WAIT)


def _find(transaction: WriteTransaction, windows: Sequence[Window]) -> dict[int, dict[int, Block]] | None:
    """What lies in the windows, by sensor and number; None if it is too much for a post to fold."""
    with suppress(PeriodError):
        pages = transaction.read_blocks(windows)
        if sum(map(len, pages)) <= MAX_FOLDED:
            found: defaultdict[int, dict[int, Block]] = defaultdict(dict)
            for window, page in zip(windows, pages, strict=True):
                found[window.sensor_id].update((block.seq, block) for block in page)
            return found
    return None
