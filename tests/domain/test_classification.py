"""Posts told apart block by block are told apart as if each value were posted alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridlore.domain.beliefs import Block, make_blocks, split_block
from gridlore.domain.classification import classify
from gridlore.domain.merging import TIERS, fold_blocks
from gridlore.domain.overlay import overlay
from gridlore.domain.timing import Grid, Timing

from .oracle import Belief, Question, answer, belief_time_of, judge
from .strategies import FIRST_EVENT, RESOLUTION, SENSOR, Post, beliefs_of, filters, grids, posts, questions


class Ledger:
    """What a store does with posts, twice: with blocks, and with a plain list of beliefs."""

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self.beliefs: list[Belief] = []

    def judge_blocks(self, post: Post) -> tuple[list[str], list[Block]]:
        """The verdict on each value, and the blocks of the news, by the code under test."""
        verdicts, news = [], []
        for block in make_blocks(SENSOR, post.source_id, post.grid, np.array(post.values), post.timing, 0):
            touching = [
                known
                for known in self.blocks
                if known.source_id == post.source_id and known.start < block.end and known.end > block.start
            ]
            told = classify(block, touching)
            assert (told.new.astype(int) + told.unchanged + told.replaces == 1).all()
            for index in range(block.values.size):
                verdicts.append(
                    "new" if told.new[index] else "unchanged" if told.unchanged[index] else "replaces"
                )
                if told.replaces[index]:
                    assert told.held[index] != block.values[index]
            news += split_block(block.with_holes(~told.new))
        return verdicts, news

    def judge_beliefs(self, post: Post) -> tuple[list[str], list[Belief]]:
        """The same by the oracle."""
        verdicts, news = [], []
        for index, value in enumerate(post.values):
            start = post.grid.start + index * RESOLUTION
            end = start + RESOLUTION
            time = belief_time_of(end, post.timing.belief_time, post.timing.belief_horizon)
            posted = Belief(post.source_id, start, time, value)
            verdicts.append(judge(self.beliefs, posted, end))
            if verdicts[-1] == "new":
                news.append(posted)
        return verdicts, news

    def take(self, post: Post) -> None:
        """Both judge alike; a message with a replacement is rejected whole."""
        verdicts, blocks = self.judge_blocks(post)
        expected, beliefs = self.judge_beliefs(post)
        assert verdicts == expected
        assert set(beliefs_of(blocks)) == set(beliefs)
        if "replaces" not in verdicts:
            self.blocks += blocks
            self.beliefs += beliefs

    def fold(self) -> None:
        """What the writer does now and then."""
        for tier in TIERS:
            for fold in fold_blocks(self.blocks, tier):
                gone = {id(part) for part in fold.parts}
                self.blocks = [block for block in self.blocks if id(block) not in gone] + [fold.merged]

    def read_both(self, grid: Grid, only) -> None:
        """Both answer alike."""
        picture = overlay(self.blocks, grid, only)
        told = list(
            zip(picture.values.tolist(), picture.times.tolist(), picture.sources.tolist(), strict=True)
        )
        for row, question in zip(told, questions(grid, only), strict=True):
            belief = answer(self.beliefs, question, {})
            assert (
                np.isnan(row[0])
                if belief is None
                else row
                == (
                    belief.value,
                    belief.belief_time,
                    belief.source_id,
                )
            )


@settings(max_examples=150)
@given(st.data(), st.lists(posts(), min_size=1, max_size=12))
def test_a_sequence_of_posts_is_judged_and_read_as_one_belief_at_a_time(data, sequence):
    ledger = Ledger()
    for post in sequence:
        ledger.take(post)
        if data.draw(st.integers(0, 3)) == 0:
            ledger.fold()
        grid = data.draw(grids())
        ledger.read_both(grid, data.draw(filters(grid)))
    assert sorted(map(repr, beliefs_of(ledger.blocks))) == sorted(map(repr, ledger.beliefs))


@given(st.lists(posts(), min_size=1, max_size=8))
def test_what_was_just_taken_is_no_news_the_second_time(sequence):
    ledger = Ledger()
    for post in sequence:
        before = len(ledger.beliefs)
        verdicts, _ = ledger.judge_blocks(post)
        ledger.take(post)
        if "replaces" not in verdicts:
            again, news = ledger.judge_blocks(post)
            assert set(again) == {"unchanged"}
            assert news == []
            assert len(ledger.beliefs) - before == verdicts.count("new")


HOUR_OF_FOUR = Grid(FIRST_EVENT, RESOLUTION, 4)
END = HOUR_OF_FOUR.end


def post(values: list[float], timing: Timing) -> Post:
    return Post(1, HOUR_OF_FOUR, tuple(values), timing)


def verdicts_after(earlier: list[Post], last: Post) -> list[str]:
    ledger = Ledger()
    for one in earlier:
        ledger.take(one)
    return ledger.judge_blocks(last)[0]


ONES, TWOS = [1.0] * 4, [2.0] * 4


@pytest.mark.parametrize(
    ("earlier", "last", "expected"),
    [
        pytest.param([], post(ONES, Timing(END)), ["new"] * 4, id="the first word is news"),
        pytest.param(
            [post(ONES, Timing(END))],
            post(ONES, Timing(END + 5)),
            ["unchanged"] * 4,
            id="saying the same later is no news",
        ),
        pytest.param(
            [post(ONES, Timing(END + 5))],
            post(ONES, Timing(END)),
            ["new"] * 4,
            id="saying the same earlier is news: it was known before",
        ),
        pytest.param(
            [post(ONES, Timing(END))],
            post([1.0, 1.0, 1.0, 3.0], Timing(END)),
            ["unchanged", "unchanged", "unchanged", "replaces"],
            id="another value at the same time rewrites history",
        ),
        pytest.param(
            [post(ONES, Timing(END))],
            post(ONES, Timing(belief_horizon=0)),
            ["new", "new", "new", "unchanged"],
            id="a rolling zero after a fixed one: only the last event was known by then",
        ),
        pytest.param(
            [post(ONES, Timing(belief_horizon=0))],
            post(TWOS, Timing(END)),
            ["new", "new", "new", "replaces"],
            id="a fixed time after a rolling zero: only the last event collides",
        ),
        pytest.param(
            [post(ONES, Timing(END - 10))],
            post(ONES, Timing(END)),
            ["unchanged", "unchanged", "unchanged", "new"],
            id="an event already measured is no news, measuring what was forecast is",
        ),
        pytest.param(
            [post(ONES, Timing(belief_horizon=30))],
            post(ONES, Timing(belief_horizon=0)),
            ["new"] * 4,
            id="measuring exactly what was forecast is news",
        ),
        pytest.param(
            [post(ONES, Timing(belief_horizon=30)), post(TWOS, Timing(belief_horizon=20))],
            post(ONES, Timing(belief_horizon=10)),
            ["new"] * 4,
            id="going back to an older view is news",
        ),
        pytest.param(
            [post(ONES, Timing(belief_horizon=30)), post(TWOS, Timing(belief_horizon=10))],
            post(ONES, Timing(belief_horizon=20)),
            ["unchanged"] * 4,
            id="a late message is compared with what was held up to its own time",
        ),
    ],
)
def test_news_is_what_the_source_did_not_already_believe_at_that_time(earlier, last, expected):
    assert verdicts_after(earlier, last) == expected


def test_sources_do_not_see_each_other():
    ledger = Ledger()
    ledger.take(post(ONES, Timing(END)))
    ledger.take(Post(2, HOUR_OF_FOUR, tuple(TWOS), Timing(END)))
    assert len(ledger.beliefs) == 8


def test_negative_zero_is_no_other_value_than_zero():
    assert verdicts_after([post([0.0] * 4, Timing(END))], post([-0.0] * 4, Timing(END))) == ["unchanged"] * 4


def test_a_replacement_says_what_was_held():
    ledger = Ledger()
    ledger.take(post([1.0, 2.0, 3.0, 4.0], Timing(END)))
    block = next(make_blocks(SENSOR, 1, HOUR_OF_FOUR, np.array([1.0, 2.5, 3.0, 4.0]), Timing(END), 0))
    told = classify(block, ledger.blocks)
    assert told.replaces.tolist() == [False, True, False, False]
    assert told.held[1] == 2.0


def test_a_question_of_the_oracle_counts_the_ends_of_its_ranges():
    question = Question(0, 10, prior=5, min_horizon=5, max_horizon=5)
    assert question.counts(Belief(1, 0, 5, 1.0))
    assert not question.counts(Belief(1, 0, 4, 1.0))
    assert not question.counts(Belief(1, 10, 5, 1.0))
