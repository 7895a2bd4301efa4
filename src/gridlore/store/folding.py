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
"""How long one commit folds; everybody waits for it. What is left is folded later, or by compaction. [s]"""

SLOW_TO_FIND, SLOW_PER_FOLDED = 0.2, 0.0001
"""What takes longer to find than this, and this for each block that is folded, is not looked for again soon;
for ``FOLDED_AT_ONCE`` windows some hundredths are usual. [s]"""

LET_BE = 600.0
"""How long posts do not fold a sensor for which that took long: each would go through it again. [s]"""


class Folding:
    """Folds within the commits of one writer; knows which sensors it lets be for a while (ADR 026)."""

    def __init__(self) -> None:
        self._let_be: dict[int, float] = {}

    def fold(self, transaction: WriteTransaction, written: Sequence[Block], due: Mapping[int, Tier]) -> None:
        """Fold what is known near the blocks ``written``, of the sensors that are due."""
        began = time.monotonic()
        self._let_be = {one: until for one, until in self._let_be.items() if until > began}
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
        windows, until = join_windows(near), began + FOLDING
        for first in range(0, len(windows), FOLDED_AT_ONCE):
            self._fold_within(transaction, windows[first : first + FOLDED_AT_ONCE], due, until)

    def _fold_within(
        self, transaction: WriteTransaction, windows: Sequence[Window], due: Mapping[int, Tier], until: float
    ) -> None:
        began = time.monotonic()
        if began > until:
            return
        pages: list[list[Block]] = []
        with suppress(PeriodError):
            pages = transaction.read_blocks(windows)
        if not pages or sum(map(len, pages)) > MAX_FOLDED:
            if len(windows) > 1:
                until = max(until, time.monotonic() + FOLDING)  # to learn for which of them it takes long
                for window in windows:
                    self._fold_within(transaction, [window], due, until)
                return
            pages = [[]]  # too much is known there for a post to fold it; ``db compact`` takes its time
        near: defaultdict[int, dict[int, Block]] = defaultdict(dict)
        for window, found in zip(windows, pages, strict=True):
            near[window.sensor_id].update((block.seq, block) for block in found)
        folds = [
            fold
            for sensor_id, blocks in near.items()
            for fold in fold_blocks(list(blocks.values()), due[sensor_id])
        ]
        parts = [part for fold in folds for part in fold.parts]
        took = time.monotonic() - began
        if took > SLOW_TO_FIND + SLOW_PER_FOLDED * len(parts):
            self._let_be.update((window.sensor_id, began + LET_BE) for window in windows)
        if folds:
            transaction.delete_blocks(parts)
            transaction.append_blocks([fold.merged for fold in folds])
