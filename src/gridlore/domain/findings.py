"""What an examination finds, in words for the operator.

Layer: domain.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it should be: of what kind (``check``), where, what, and how to mend it.

    ``is_problem``: it endangers data, answers or secrets; otherwise it is worth knowing, and may be meant so.
    """

    check: str
    where: str
    what: str
    mend: str
    is_problem: bool = True
