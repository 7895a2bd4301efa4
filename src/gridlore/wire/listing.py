"""Requests for the service listing.

Layer: wire.
"""

from __future__ import annotations

from collections.abc import Sequence

from gridlore.domain.errors import RoleError
from gridlore.wire.queries import merge_fields
from gridlore.wire.quoting import ABSENT, shown


def read_service_request(query: Sequence[tuple[str, str]], body: bytes) -> list[str]:
    """The roles whose services are asked for; none when all are.

    Raises
    ------
    MessageError
        The body is no JSON object.
    RoleError
        ``access`` is neither a text nor a list of texts.
    """
    access = merge_fields(query, body).get("access", ABSENT)
    if access is ABSENT or access is None:
        return []
    roles = [role for role in (access if isinstance(access, list) else [access]) if role != ""]
    for role in roles:
        if not isinstance(role, str):
            raise RoleError(shown(role))
    return roles
