"""What requests say: from bytes to domain commands.

Layer: wire. The ways in; each makes the checks that the message alone shows, and raises the first
complaint in the order of the API contract.

    bodies, queries   bytes → fields
    fields            singular and plural, groups, what is said once for all
    values, timings   values, horizon, prior, start and duration
    posts, reads      fields → PostCommand, ReadQuery
"""

from gridlore.wire.posts import read_post
from gridlore.wire.reads import BeliefsMessage, DataMessage, ReadMessage, read_beliefs, read_data, read_get

__all__ = [
    "BeliefsMessage",
    "DataMessage",
    "ReadMessage",
    "read_beliefs",
    "read_data",
    "read_get",
    "read_post",
]
