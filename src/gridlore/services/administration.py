"""Change accounts, users and sensors one at a time: proposed, confirmed, carried out and recorded.

Layer: services. The rules are those of world files (``services/world``): an edit is read and planned as an
entry of one, beside what the directory holds. ``now`` is an argument.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace

from gridlore.domain.audit import AuditEntry, AuditFilter, Facts
from gridlore.domain.errors import GridloreError, SensorInUseError, UserError
from gridlore.domain.sensors import User
from gridlore.domain.timing import to_datetime
from gridlore.services.accounts import Accounts, PasswordHash, new_token_key
from gridlore.services.actors import check_actor
from gridlore.services.directory_cache import DirectoryCache
from gridlore.services.editing import Edit, EditError, EditPlan, Subject, describe, plan_edit
from gridlore.services.world import MAX_PASSWORD
from gridlore.services.world.reading import ResolutionParser
from gridlore.store.interface import DirectoryRecords, Store

MIN_PASSWORD = 10
"""Shortest password that a person may choose. [characters]"""

CHANGES_ONLY = AuditFilter(comings=False)

__all__ = ["Administration", "ChangedMeanwhileError", "Edit", "EditError", "Proposal", "Subject"]


class ChangedMeanwhileError(GridloreError):
    """What was confirmed is no longer what would be done."""

    def __init__(self) -> None:
        super().__init__("This has changed since it was shown. Look again at what will be done.")


@dataclass(frozen=True, slots=True)
class Proposal:
    """What an edit would do. ``before`` is None for what is not there yet; ``seal`` stands for all of it."""

    edit: Edit
    title: str
    before: Facts | None
    after: Facts

    @property
    def changes_something(self) -> bool:
        """Whether the edit would leave anything different."""
        return self.before != self.after

    @property
    def seal(self) -> str:
        """A text that differs when what would be done differs."""
        told = json.dumps([self.title, self.before, self.after], sort_keys=True, default=dict)
        return hashlib.sha256(told.encode()).hexdigest()[:32]


class Administration:
    """Changes the directory in the name of a user, and keeps the record of it.

    Parameters
    ----------
    parse_resolution : callable
        Gives the microseconds of an ISO 8601 duration, or raises ResolutionError; ISO 8601 belongs to wire.
    """

    def __init__(
        self, store: Store, directory: DirectoryCache, accounts: Accounts, parse_resolution: ResolutionParser
    ) -> None:
        self._store = store
        self._directory = directory
        self._accounts = accounts
        self._parse_resolution = parse_resolution

    def propose(self, actor: User, edit: Edit, now: int) -> Proposal:
        """What an edit would do.

        Raises
        ------
        EditError
            With a sentence for every field that is wrong.
        """
        records = self._store.read_directory()
        with_data = set() if edit.id is None else self.with_data(edit.id)
        return self._propose(actor, edit, records, with_data, now)[0]

    def with_data(self, sensor_id: int) -> set[int]:
        """The sensor's id if anything is known about it, else nothing."""
        head = self._store.read_heads([sensor_id]).get(sensor_id)
        return {sensor_id} if head is not None and head.events_start is not None else set()

    def carry_out(self, actor: User, edit: Edit, seal: str, now: int) -> AuditEntry:
        """Do what was proposed, and record it.

        Raises
        ------
        EditError, ChangedMeanwhileError
            Nothing was changed.
        AuthenticationError
            Nor was anything: ``actor`` is no administrator any more, or the session has ended.
        """
        with self._store.change_directory() as transaction:
            records = transaction.records()
            check_actor(records, actor, admin=True)
            proposal, plan = self._propose(actor, edit, records, transaction.sensors_with_data(), now)
            if proposal.seal != seal:
                raise ChangedMeanwhileError
            try:
                plan.carry_out(transaction)
            except SensorInUseError as error:
                raise ChangedMeanwhileError from error
            entry = transaction.record(
                AuditEntry(
                    recorded_at=now,
                    user_id=actor.id,
                    action="create" if proposal.before is None else "edit",
                    subject=edit.subject.value,
                    subject_id=plan.id,
                    title=proposal.title,
                    before=proposal.before,
                    after=proposal.after,
                )
            )
        self._directory.see_change()
        return entry

    def _propose(
        self, actor: User, edit: Edit, records: DirectoryRecords, with_data: set[int], now: int
    ) -> tuple[Proposal, EditPlan]:
        year = to_datetime(now).year
        plan = plan_edit(edit, records, with_data, year, self._parse_resolution)
        _check_not_locking_out(actor, plan.user)
        authority = self._directory.current.authority
        before = None if plan.old is None else describe(plan.old, records, authority)
        after = describe(plan.new, plan.records_after(records), authority)
        return Proposal(edit, plan.title, before, after), plan

    def invite(self, actor: User, user_id: int, now: int) -> tuple[User, str]:
        """A user, and the invitation with which a password can be set once; making it is recorded.

        Raises
        ------
        UserError
            The user is deactivated, or is ``actor``: who has only a session must not get a password.
        AuthenticationError
            As ``carry_out``.
        """
        with self._store.change_directory() as transaction:
            records = transaction.records()
            check_actor(records, actor, admin=True)
            user = _find_user(records, user_id)
            if user.id == actor.id:
                raise UserError("Your own password is changed on your profile.")
            if not user.active:
                raise UserError(f"{user.email} is deactivated, and cannot set a password. Activate it first.")
            transaction.record(
                AuditEntry(now, actor.id, "invite", Subject.USER, user.id, f"user {user.email}", None, None)
            )
        self._directory.see_change()
        return user, self._accounts.issue_invitation(user, now / 1_000_000)

    def hash_password(self, password: str) -> PasswordHash:
        """What to keep of a password that a person chose; takes a while, on purpose.

        Raises
        ------
        UserError
            It is too short or too long.
        """
        if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
            raise UserError(
                f"A password has {MIN_PASSWORD} to {MAX_PASSWORD} characters; this one has {len(password)}."
            )
        return self._accounts.hash_password(password)

    def accept_invitation(self, user: User, password_hash: PasswordHash, now: int) -> User:
        """Set the password of an invited user, who was found by the invitation.

        Raises
        ------
        UserError
            The invitation was used already.
        """
        return self._set_password(user, user, password_hash, "accept invitation", now)[0]

    def change_password(self, user: User, password_hash: PasswordHash, now: int) -> User:
        """Give a user another password; the user as it is then, whose earlier tokens have ended.

        Raises
        ------
        UserError
            It was changed by somebody else in the meantime.
        """
        return self._set_password(user, user, password_hash, "change password", now)[0]

    def set_password(self, actor: User, user: User, password_hash: PasswordHash, now: int) -> AuditEntry:
        """Give a user a password in the name of an administrator; the user's sessions and tokens end.

        Raises
        ------
        UserError
            The user was changed in the meantime, or is deactivated.
        AuthenticationError
            As ``carry_out``.
        """
        return self._set_password(actor, user, password_hash, "set password", now)[1]

    def _set_password(
        self, actor: User, user: User, password_hash: PasswordHash, action: str, now: int
    ) -> tuple[User, AuditEntry]:
        with self._store.change_directory() as transaction:
            records = transaction.records()
            if actor.id != user.id:
                check_actor(records, actor, admin=True)
            current = _find_user(records, user.id)
            if current.token_key != user.token_key or not current.active:
                raise UserError("The password has been set in another way in the meantime.")
            changed = replace(current, password_hash=password_hash, token_key=new_token_key())
            transaction.save_user(changed)
            entry = transaction.record(
                AuditEntry(now, actor.id, action, Subject.USER, user.id, f"user {user.email}", None, None)
            )
        self._directory.see_change()
        return changed, entry

    def renew_hash(self, user: User, password_hash: PasswordHash) -> None:
        """Keep another hash of the same password, with the parameters of now; tokens go on."""
        with self._store.change_directory() as transaction:
            current = _find_user(transaction.records(), user.id)
            if current.password_hash == user.password_hash:
                transaction.save_user(replace(current, password_hash=password_hash))

    def read_changes(self, limit: int, before: int | None = None) -> list[AuditEntry]:
        """The newest changes, newest first; ``before``: those with lower ids only."""
        return self._store.read_audit(limit, before, CHANGES_ONLY)


def _find_user(records: DirectoryRecords, user_id: int) -> User:
    found = [user for user in records.users if user.id == user_id]
    if not found:
        raise UserError("There is no such user.")
    return found[0]


def _check_not_locking_out(actor: User, changed: User | None) -> None:
    if changed is None or changed.id != actor.id:
        return
    if not changed.active:
        raise EditError({"active": "You cannot deactivate yourself; another administrator can."})
    if not changed.is_admin:
        raise EditError({"admin": "You cannot end your own administration; another administrator can."})
