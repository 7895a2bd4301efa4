"""Passwords, tokens and sessions: who is asking.

Layer: services. Passwords are hashed with Argon2id; tokens and sessions are signed, not stored, and end
when their time is over, when the user is deactivated or when the user's ``token_key`` changes.
"""

from __future__ import annotations

import hmac
import json
import secrets
from functools import cached_property, lru_cache
from typing import NewType

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from itsdangerous import BadData, Signer, URLSafeSerializer

from gridlore.domain.errors import AuthenticationError
from gridlore.domain.sensors import User
from gridlore.services.directory import Directory

MAX_TOKEN_LENGTH = 1024
CACHED_TOKENS = 8192

INVITATION_MAX_AGE = 7 * 24 * 3600
"""How long an invitation is good for. [s]"""

PasswordHash = NewType("PasswordHash", str)
"""What is kept of a password: its Argon2id hash, with parameters and salt."""

Claims = tuple[int, str, int]
"""Who (user id), the ``token_key`` it was made with, and when. [s since epoch]"""


class Accounts:
    """Checks who somebody is.

    Parameters
    ----------
    secret_key : str
        Signs tokens and sessions; all processes of one deployment share it.
    token_max_age : int
        How long a token (or session) is good for. [s]
    """

    def __init__(self, secret_key: str, token_max_age: int) -> None:
        self._hasher = PasswordHasher()
        self._tokens = URLSafeSerializer(secret_key, salt="gridlore-token")
        self._sessions = URLSafeSerializer(secret_key, salt="gridlore-session")
        self._invitations = URLSafeSerializer(secret_key, salt="gridlore-invitation")
        self._forms = Signer(secret_key, salt="gridlore-form")
        self._uploads = Signer(secret_key, salt="gridlore-upload")
        self._token_max_age = token_max_age
        self._claims_of_token = lru_cache(maxsize=CACHED_TOKENS)(lambda text: _read(self._tokens, text))
        self._claims_of_session = lru_cache(maxsize=CACHED_TOKENS)(lambda text: _read(self._sessions, text))

    @cached_property
    def _nobodys_hash(self) -> str:
        return self._hasher.hash("nobody has this password")

    def hash_password(self, password: str) -> PasswordHash:
        """What to keep of a password; takes a while, on purpose."""
        return PasswordHash(self._hasher.hash(password))

    def verify_password(self, password_hash: str, password: str) -> bool:
        """Whether the password is the one hashed; takes a while, on purpose."""
        try:
            return self._hasher.verify(password_hash, password)
        except (VerificationError, InvalidHashError):
            return False

    def is_outdated(self, password_hash: str) -> bool:
        """Whether it was made with other parameters than hashes are made with now."""
        return self._hasher.check_needs_rehash(password_hash)

    def log_in(self, directory: Directory, email: str, password: str) -> User:
        """The active user with this e-mail and password.

        Raises
        ------
        AuthenticationError
            Whatever was wrong; it takes the same time for an unknown e-mail as for a wrong password.
        """
        nobodys_hash = self._nobodys_hash
        user = directory.find_user(email)
        password_hash = user.password_hash if user else None
        right = self.verify_password(password_hash or nobodys_hash, password)
        if user is None or password_hash is None or not right or not user.active:
            raise AuthenticationError
        return user

    def issue_token(self, user: User, now_seconds: float) -> str:
        """A token for the ``Authorization`` header."""
        return str(self._tokens.dumps((user.id, user.token_key, int(now_seconds))))

    def issue_session(self, user: User, now_seconds: float) -> str:
        """What the session cookie holds."""
        return str(self._sessions.dumps((user.id, user.token_key, int(now_seconds))))

    def user_of_token(self, directory: Directory, token: str, now_seconds: float) -> User:
        """The user a token was issued to.

        Raises
        ------
        AuthenticationError
            It is malformed, tampered with, expired or revoked, or its user deactivated.
        """
        if len(token) > MAX_TOKEN_LENGTH:
            raise AuthenticationError
        return self._user(directory, self._claims_of_token(token), now_seconds, self._token_max_age)

    def user_of_session(self, directory: Directory, session: str, now_seconds: float) -> User:
        """The user a session cookie was issued to; raises as ``user_of_token`` does."""
        if len(session) > MAX_TOKEN_LENGTH:
            raise AuthenticationError
        return self._user(directory, self._claims_of_session(session), now_seconds, self._token_max_age)

    def issue_invitation(self, user: User, now_seconds: float) -> str:
        """What lets somebody set this user's password, once: a new password changes the ``token_key``."""
        return str(self._invitations.dumps((user.id, user.token_key, int(now_seconds))))

    def user_of_invitation(self, directory: Directory, invitation: str, now_seconds: float) -> User:
        """The user an invitation was issued for; raises as ``user_of_token`` does."""
        if len(invitation) > MAX_TOKEN_LENGTH:
            raise AuthenticationError
        return self._user(directory, _read(self._invitations, invitation), now_seconds, INVITATION_MAX_AGE)

    def sign_form(self, session: str) -> str:
        """What shows that a form was sent by a page of this session."""
        return self._forms.get_signature(session).decode()

    def sign_upload(self, session: str, sensor_id: int, digest: str) -> str:
        """What shows that a file was read here, in this session and for this sensor.

        It has a signer of its own: a form's token is given to anybody, for whatever session they say.
        """
        return self._uploads.get_signature(json.dumps([session, sensor_id, digest])).decode()

    def _user(self, directory: Directory, claims: Claims, now_seconds: float, max_age: int) -> User:
        user_id, token_key, issued_at = claims
        user = directory.users.get(user_id)
        if (
            user is None
            or not user.active
            or user.token_key != token_key
            or not issued_at <= now_seconds + 60 < issued_at + 60 + max_age
        ):
            raise AuthenticationError
        return user


def new_token_key() -> str:
    """A key that no token or session given out before was signed with."""
    return secrets.token_hex(16)


def _read(serializer: URLSafeSerializer, text: str) -> Claims:
    """The claims in a signed text, which must be letter for letter as it was issued."""
    try:
        user_id, token_key, issued_at = serializer.loads(text)
        issued = serializer.dumps((user_id, token_key, issued_at))
    except (BadData, ValueError, TypeError) as error:
        raise AuthenticationError from error
    if not hmac.compare_digest(str(issued).encode(), text.encode()):
        raise AuthenticationError
    return user_id, token_key, issued_at
