"""Errors that wait for their reader keep nothing else alive."""

from gridlore.domain.errors import GridloreError, without_frames


def test_no_link_of_a_chain_keeps_its_frames() -> None:
    try:
        {}["first"]
    except KeyError as first:
        never_raised = ValueError("told, and never raised")
        never_raised.__cause__ = first
        last = GridloreError("last")
        last.__cause__ = never_raised
        first.__context__ = last  # a circle ends too
        caught = first
    assert caught.__traceback__ is not None
    assert without_frames(last) is last
    assert caught.__traceback__ is None
