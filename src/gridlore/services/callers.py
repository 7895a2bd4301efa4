"""Who asks for something.

Layer: services.
"""

from __future__ import annotations

from dataclasses import dataclass

from gridlore.domain.sensors import User
from gridlore.services.directory import Directory


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is asking, and the directory as it was when they were let in.

    Whose API key is limited to some sensors gets a directory that has no others.
    """

    user: User
    directory: Directory
