"""Lines of what waits to be written: whose turn it is, who is apart, and how much each may leave waiting."""

import pytest

from gridlore.domain.errors import OverloadError
from gridlore.domain.timing import DAY
from gridlore.store.lines import APART, Batch, Lines, make_batch
from tests.store.test_writer import blocks


def messages(*sources: int) -> list[Batch]:
    return [make_batch(blocks([1], n * DAY, source=source)) for n, source in enumerate(sources)]


def test_a_source_that_was_slow_once_regains_its_pace() -> None:
    lines, sent = Lines(10_000_000), messages(*[1] * 40)
    lines.note_slow(1, 8, 1.0, 0.0)
    for batch in sent:
        lines.add(batch)
    assert lines.take(0.5) == []
    taken = []
    while batches := lines.take(1.0):
        taken.append(len(batches))
        lines.note_quick(1)
    assert taken == [2, 4, 8, 16, 10]
    assert lines.take(2 * APART) == []
    for batch in messages(1, 2, 1):
        lines.add(batch)
    assert [batch.source_id for batch in lines.take(2 * APART)] == [1, 2, 1]
    assert (lines.count, lines.size) == (0, 0)


def test_who_has_not_had_a_turn_stays_apart_and_keeps_its_pace() -> None:
    lines = Lines(10_000_000)
    lines.note_slow(1, 4, 20.0, 0.0)
    for batch in messages(1, 1, 2):
        lines.add(batch)
    assert [batch.source_id for batch in lines.take(3 * APART)] == [1]
    assert [batch.source_id for batch in lines.take(3 * APART)] == [2]
    assert [batch.source_id for batch in lines.take(3 * APART)] == [1]


def test_who_is_apart_and_put_back_leaves_the_turn_to_others_who_are() -> None:
    lines, sent = Lines(10_000_000), messages(1, 1, 2)
    for batch in sent:
        lines.add(batch)
    lines.note_slow(1, 1, 1.0, 0.0)
    lines.note_slow(2, 1, 1.0, 0.0)
    taken = lines.take(APART)
    assert taken == sent[:1]
    lines.put_back(taken)
    assert lines.take(APART) == sent[2:]
    assert [lines.take(APART), lines.take(APART)] == [sent[:1], sent[1:2]]


def test_what_was_put_back_stands_before_what_waits_and_counts_again() -> None:
    lines, sent = Lines(10_000_000), messages(1, 1, 1, 1)
    for batch in sent:
        lines.add(batch)
    size, taken = lines.size, lines.take(0.0)[:3]
    lines.add(sent[3])
    lines.put_back(taken)
    assert (lines.count, lines.size) == (4, size)
    assert lines.take(0.0) == sent


def test_whose_turn_did_not_come_is_first_next_time() -> None:
    lines = Lines(10_000_000)
    sent = messages(1, 2, 3, 4, 2)
    for batch in sent[:4]:
        lines.add(batch)
    taken = lines.take(0.0)
    assert taken == sent[:4]
    for batch in (sent[4], *messages(5, 6)):
        lines.add(batch)
    lines.put_back(taken[1:3])
    assert [batch.source_id for batch in lines.take(0.0)] == [2, 3, 5, 6, 2]


def test_who_is_apart_fills_an_eighth_of_the_queue() -> None:
    lines = Lines(10_000)
    lines.note_slow(1, 1, 1.0, 0.0)
    with pytest.raises(OverloadError, match="an eighth of what the server can queue"):
        for _ in range(10):
            lines.add(messages(1)[0])
    assert lines.size < 10_000 / 8
    lines.add(messages(2)[0])


def test_all_who_are_apart_fill_half_of_the_queue() -> None:
    lines = Lines(10_000)
    for source in range(1, 11):
        lines.note_slow(source, 1, 1.0, 0.0)
    with pytest.raises(OverloadError, match="their part of the queue"):
        for source in range(1, 11):
            for batch in messages(source, source):
                lines.add(batch)
    assert lines.size <= 10_000 / 2
    lines.add(messages(11)[0])


def test_those_who_are_apart_rest_together_and_not_where_nobody_else_comes() -> None:
    lines = Lines(10_000_000)
    lines.note_slow(1, 1, 2.0, 100.0)
    lines.note_slow(2, 1, 1.0, 100.0)
    for batch in messages(1, 2, 1, 2):
        lines.add(batch)
    assert [batch.source_id for batch in lines.take(100.0)] == [1], "nobody came for a minute"
    lines.add(messages(3)[0])
    assert [batch.source_id for batch in lines.take(101.9)] == [3]
    assert lines.take(101.9) == []
    assert [batch.source_id for batch in lines.take(102.1)] == [2]


def test_what_one_left_before_it_was_slow_shuts_out_nobody_else() -> None:
    lines = Lines(10_000)
    for batch in messages(*[1] * 9):
        lines.add(batch)
    for source in (1, 2):
        lines.note_slow(source, 1, 1.0, 0.0)
    for batch in messages(2, 2):
        lines.add(batch)
    with pytest.raises(OverloadError, match="an eighth of what the server can queue"):
        lines.add(messages(1)[0])


def test_of_who_is_apart_one_message_is_taken_though_others_who_are_fill_their_part() -> None:
    lines = Lines(10_000)
    for source in range(1, 7):
        lines.note_slow(source, 1, 1.0, 0.0)
    for batch in messages(1, 1, 2, 2, 3, 3, 4, 4, 5, 6):
        lines.add(batch)
    assert lines.size > 10_000 / 2
    with pytest.raises(OverloadError, match="their part of the queue"):
        lines.add(messages(6)[0])


def test_nobody_rests_while_the_queue_is_nearly_full() -> None:
    lines = Lines(10_000)
    for batch in messages(*[1, 2] * 9):
        lines.add(batch)
    for source in (1, 2):
        lines.note_slow(source, 1, 30.0, 0.0)
    lines.add(messages(3)[0])
    taken = []
    while batches := lines.take(1.0):
        taken.append([batch.source_id for batch in batches])
    assert taken == [[1], [3], [2], [1], [2]]
    assert 10_000 * 0.7 < lines.size <= 10_000 * 0.75
