"""That who changes the directory may still do so when the change is made.

Layer: services. Whoever asks was let in a while ago, by a directory that may be older than what is stored; a
change must not outlive the authority it was made with, so it is looked at again in the change's own
transaction.
"""

from __future__ import annotations

from gridlore.domain.errors import AuthenticationError
from gridlore.domain.sensors import User
from gridlore.store.interface import DirectoryRecords


def check_actor(records: DirectoryRecords, actor: User | str, *, admin: bool = False) -> None:
    """Check that a user is who they were when they were let in; on the command line (text) nobody is asked.

    Parameters
    ----------
    records : DirectoryRecords
        As the transaction of the change sees them.

    Raises
    ------
    AuthenticationError
        The user has been deactivated, the session has ended, or (``admin``) the user is no administrator any
        more.
    """
    if isinstance(actor, str):
        return
    for user in records.users:
        if user.id == actor.id and user.active and user.token_key == actor.token_key:
            if admin and not user.is_admin:
                break
            return
    raise AuthenticationError
