"""What services may ask of a store.

Layer: store. Imports domain only; both stores implement it, services know nothing else of them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from gridlore.domain.access import Grant
from gridlore.domain.audit import EVERY_ENTRY, AuditEntry, AuditFilter
from gridlore.domain.beliefs import MAX_BLOCK_VALUES, Block
from gridlore.domain.commands import Receipt, Target
from gridlore.domain.heads import Head
from gridlore.domain.keys import ApiKey
from gridlore.domain.sensors import Account, Sensor, Source, User


class StoreConflictError(Exception):
    """The database chose this transaction as the victim of a conflict; doing it again may succeed."""


@dataclass(frozen=True, slots=True)
class Window:
    """What to read: of one sensor what its blocks say about ``start <= t < end`` [µs since epoch].

    Parameters
    ----------
    resolution : int
        The sensor's. [µs]
    source_id : int, optional
        Limits to one source.
    known_until : int, optional
        Limits to blocks of which something about these events may have been known by then. [µs since epoch]
    max_values : int
        Limits to blocks of at most so many values.
    starting : bool
        Limits to blocks that start in the window.
    whole : bool
        Blocks are read whole and as they are stored, not cut to the window.
    joined : bool
        What one source said without a gap, all known alike, may come as one block; blocks are in any order,
        and when they arrived, and as which, is not told.
    """

    sensor_id: int
    start: int
    end: int
    resolution: int
    source_id: int | None = None
    known_until: int | None = None
    max_values: int = MAX_BLOCK_VALUES
    starting: bool = False
    whole: bool = False
    joined: bool = False

    @property
    def count(self) -> int:
        """How many events it is about."""
        return -((self.start - self.end) // self.resolution)

    @property
    def after(self) -> int:
        """Where a block that touches it starts, is later than this. [µs since epoch]"""
        return self.start - (1 if self.starting else self.max_values * self.resolution)


@dataclass(frozen=True, slots=True)
class BlockKey:
    """Where a block stands among those of its sensor, in order of start and then of arrival."""

    start: int
    seq: int

    @classmethod
    def of(cls, block: Block) -> BlockKey:
        """Where this block stands."""
        return cls(block.start, block.seq)


@dataclass(frozen=True, slots=True)
class BlockPage:
    """Which blocks to read: of one sensor the last ``limit`` that stand before a place.

    ``resolution`` is the sensor's [µs].
    """

    sensor_id: int
    resolution: int
    before: BlockKey
    limit: int


@dataclass(frozen=True, slots=True)
class DirectoryRecords:
    """Everything in the directory; all lists in order of id. Of keys and grants, those not revoked."""

    version: int
    accounts: Sequence[Account]
    users: Sequence[User]
    sources: Sequence[Source]
    sensors: Sequence[Sensor]
    keys: Sequence[ApiKey] = ()
    grants: Sequence[Grant] = ()


class WriteTransaction(Protocol):
    """One transaction of the writer: all of it is durable, or none."""

    def lock_sensors(self, sensor_ids: Iterable[int]) -> dict[int, Head]:
        """Hold these sensors for this transaction, in order of id; their heads."""

    def read_blocks(self, windows: Sequence[Window]) -> list[list[Block]]:
        """What touches each window, in order of start; of locked sensors only."""

    def read_page(self, page: BlockPage) -> list[Block]:
        """The blocks of a page, from the last to the first; of a locked sensor only."""

    def first_start(self, sensor_id: int) -> int | None:
        """Start of the first event that anything is known about; of a locked sensor only."""

    def read_grids(self, sensor_ids: Sequence[int]) -> Mapping[int, tuple[int, int, str]]:
        """Resolution and offset of each sensor's grid [µs], and its unit, as they are now; of locked sensors
        only."""

    def append_blocks(self, blocks: Sequence[Block]) -> None:
        """Store new blocks; each has its ``seq``."""

    def delete_blocks(self, blocks: Sequence[Block]) -> None:
        """Remove stored blocks (when folding; in play mode when replacing)."""

    def save_heads(self, heads: Iterable[Head]) -> None:
        """Write back changed heads."""

    def record(self, entry: AuditEntry) -> AuditEntry:
        """Add an entry to the record; the entry with its id."""


class DirectoryTransaction(Protocol):
    """A change of the directory: all of it is durable, or none. Others wait until it ends."""

    def records(self) -> DirectoryRecords:
        """The directory as this transaction sees it."""

    def save_account(self, account: Account) -> None:
        """Create or update, by id."""

    def save_user(self, user: User) -> None:
        """Create or update, by id."""

    def save_source(self, source: Source) -> None:
        """Create or update, by id."""

    def save_sensor(self, sensor: Sensor) -> None:
        """Create (with an empty head) or update, by id.

        Raises SensorInUseError when unit, resolution or grid would change, and there are values meanwhile.
        """

    def save_key(self, key: ApiKey) -> ApiKey:
        """Create (when its id is 0) or update, by id; the key with its id. No id is given twice."""

    def save_grant(self, grant: Grant) -> Grant:
        """Create (when its id is 0) or update, by id; the grant with its id. No id is given twice."""

    def sensors_with_data(self) -> set[int]:
        """Ids of sensors about which anything is known."""

    def record(self, entry: AuditEntry) -> AuditEntry:
        """Add an entry to the record; the entry with its id."""


class Store(Protocol):
    """A store of blocks, heads and the directory. Safe to use from several threads.

    Every method may raise StoreUnavailableError; ``read_blocks`` PeriodError, when it is too much.
    """

    def read_blocks(
        self, windows: Sequence[Window], source_ids: Collection[int] | None = None
    ) -> list[list[Block]]:
        """What touches each window, as one snapshot; in order of start, unless it may be joined; of these
        sources, if told."""

    def read_page(self, page: BlockPage) -> list[Block]:
        """The blocks of a page, from the last to the first."""

    def read_heads(self, sensor_ids: Sequence[int]) -> Mapping[int, Head]:
        """Heads by sensor id."""

    def begin_write(self) -> AbstractContextManager[WriteTransaction]:
        """A transaction that commits durably when left, and rolls back on an exception."""

    def read_directory(self) -> DirectoryRecords:
        """The whole directory, as one snapshot."""

    def directory_version(self) -> int:
        """A number that grows with every change of the directory."""

    def change_directory(self) -> AbstractContextManager[DirectoryTransaction]:
        """A transaction on the directory; leaving it raises the version."""

    def record(self, entries: Sequence[AuditEntry]) -> None:
        """Add entries to the record, in a transaction of their own that makes nobody wait."""

    def read_audit(
        self, limit: int, before: int | None = None, only: AuditFilter = EVERY_ENTRY
    ) -> list[AuditEntry]:
        """The newest entries of the record, newest first; ``before``: with lower ids only."""

    def unsafe_settings(self) -> Mapping[str, str]:
        """Settings of the database's server that let committed data be lost, and their values."""

    def upgrade_schema(self) -> None:
        """Bring the schema to the newest revision."""

    def is_writable(self) -> bool:
        """Whether the database takes writes; a standby, or one that was told to, does not."""

    def check_schema(self) -> None:
        """Raise SchemaError, saying which command mends it, unless the schema is the newest."""

    def close(self) -> None:
        """Let go of all connections."""


class BlockWriter(Protocol):
    """What takes the blocks of a message and stores them whole or not at all."""

    def submit(
        self, blocks: Sequence[Block], targets: Mapping[int, Target], check: Callable[[], None]
    ) -> Future[Receipt]:
        """Queue the blocks of one message; the future holds the receipt once they are durable.

        ``targets`` says how the sender knows each sensor, by id. ``check`` is called in the writer's thread
        once the sensors are held, perhaps more than once; when it raises, nothing is stored.

        Raises OverloadError when the queue is full; the future may hold ReplacementError,
        StoreUnavailableError or what ``check`` raised.
        """
