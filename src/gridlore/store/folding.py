"""Fold small blocks near what a commit stores into fewer, as long as that does not take long.

Layer: store. What is folded into what, ``domain.merging`` decides; here it is found, and written.
"""

from __future__ import annotations

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
waits for it. What is left is folded later, or by compaction. [s]"""

SLOW_TO_FIND, SLOW_PER_BLOCK = 0.2, 0.0002
"""How long one commit searches for what can be folded, and how much longer for each block that it stores or
folds, before it is too long: some sensors are let be then. [s]"""

USUAL_TO_FIND = 0.001
"""What is found within this, per window, is not why a commit took too long. [s]"""

REST, LONGEST_REST = 300.0, 600.0
"""How many times what it took too long posts let these sensors be, and how long at most: each would search
the same again. [s]"""


class Folding:
    """Folds within the commits of one writer; knows which sensors it lets be for a while (ADR 026)."""

    def __init__(self) -> None:
        self._let_be: dict[int, float] = {}
        self._too_long = 0.0  # by how much this commit has searched too long, or will have [s]

    def fold(self, transaction: WriteTransaction, written: Sequence[Block], due: Mapping[int, Tier]) -> None:
        """Fold what is known near the blocks ``written``, of the sensors that are due."""
        began = time.monotonic()
        self._let_be = {one: until for one, until in self._let_be.items() if until > began}
        self._too_long = -SLOW_TO_FIND - SLOW_PER_BLOCK * len(written)
        near: list[Window] = []
        for block in written:
            tier = due.get(block.sensor_id)
            if tier is not None and block.values.size < tier.max_values:
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
        windows = join_windows(near)
        for first in range(0, len(windows), FOLDED_AT_ONCE):
            self._fold_within(transaction, windows[first : first + FOLDED_AT_ONCE], due, began + FOLDING)

    def _fold_within(
        self, transaction: WriteTransaction, windows: Sequence[Window], due: Mapping[int, Tier], until: float
    ) -> None:
        windows = [window for window in windows if window.sensor_id not in self._let_be]
        began = time.monotonic()
        if not windows or began > until:
            return
        pages = _find(transaction, windows)
        if pages is None and len(windows) > 1:  # which of them is it?
            self._too_long += time.monotonic() - began
            until = max(until, time.monotonic() + FOLDING)
            for window in windows:
                self._fold_within(transaction, [window], due, until)
            return
        near: defaultdict[int, dict[int, Block]] = defaultdict(dict)
        if pages is not None:
            for window, found in zip(windows, pages, strict=True):
                near[window.sensor_id].update((block.seq, block) for block in found)
        folds = [
            fold
            for sensor_id, blocks in near.items()
            for fold in fold_blocks(list(blocks.values()), due[sensor_id])
        ]
        parts = [part for fold in folds for part in fold.parts]
        self._weigh(windows, time.monotonic() - began - SLOW_PER_BLOCK * len(parts))
        if folds:
            transaction.delete_blocks(parts)
            transaction.append_blocks([fold.merged for fold in folds])

    def _weigh(self, windows: Sequence[Window], took: float) -> None:
        """Hear what a search took, less what it was worth; let its sensors be if that is too long."""
        self._too_long += took
        if self._too_long > 0 and took > USUAL_TO_FIND * len(windows):
            until = time.monotonic() + min(REST * self._too_long, LONGEST_REST)
            self._let_be.update((window.sensor_id, until) for window in windows)


def _find(transaction: WriteTransaction, windows: Sequence[Window]) -> list[list[Block]] | None:
    """What lies in each window; None if it is too much for a post to fold, and left to ``db compact``."""
    with suppress(PeriodError):
        pages = transaction.read_blocks(windows)
        if sum(map(len, pages)) <= MAX_FOLDED:
            return pages
    return None
