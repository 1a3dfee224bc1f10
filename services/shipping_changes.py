"""What use cases of zones, boxes and carriers' services share: finding what is changed, and telling of it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from uuid import UUID

from domain.channels import Channel, is_slug
from domain.kernel.changes import check_version
from domain.kernel.errors import InvalidInput, NotFound
from domain.kernel.events import Event
from persistence import channels
from persistence.archivable import ArchivableRows
from services import audit
from services.context import Transaction

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


class Versioned(Protocol):
    """What has an id and a version."""

    @property
    def id(self) -> UUID:
        """Its key."""
        ...

    @property
    def version(self) -> int:
        """How often it has changed."""
        ...


T = TypeVar("T", bound=Versioned)


@dataclass(frozen=True, slots=True)
class Kind:
    """What something is called: of its events and audit entries (`DeliveryZone`), and in messages."""

    name: str
    aggregate: str
    words: str


async def channel_for(transaction: Transaction, slug: str) -> Channel:
    """Return the channel a thing is made for; raises NotFound naming channel."""
    found = await channels.by_slug(transaction.connection, slug) if is_slug(slug) else None
    if found is None:
        raise NotFound("no channel has this slug", "channel")
    return found


async def channel_of(transaction: Transaction, channel_id: UUID) -> Channel:
    """Return the channel a thing is of."""
    return (await channels.by_ids(transaction.connection, [channel_id]))[channel_id]


async def locked(
    transaction: Transaction, rows: ArchivableRows[T], kind: Kind, row_id: UUID, expected_version: int | None
) -> tuple[T, UUID | None]:
    """Lock a thing in use; returns it and its channel's id. Raises NotFound and VersionConflict."""
    found = await rows.lock(transaction.connection, row_id)
    if found is None:
        raise NotFound(f"no {kind.words} has this id", "id")
    check_version(found[0].version, expected_version)
    return found


async def check_room(
    transaction: Transaction, rows: ArchivableRows[T], kind: Kind, most: int, channel_id: UUID | None = None
) -> None:
    """Raise InvalidInput when there are as many of a kind as there may be."""
    if await rows.count(transaction.connection, channel_id) >= most:
        raise InvalidInput(
            f"there are {most} already, the most there may be: archive one",
            "channel" if channel_id else "name",
        )


async def tell(
    transaction: Transaction,
    kind: Kind,
    verb: str,
    before: "DataclassInstance | None",
    after: "DataclassInstance | None",
    version: int,
    channel_id: UUID | None,
    payload: dict[str, Any],
) -> None:
    """Write a change into the audit trail and append its event."""
    row_id: UUID = (after or before).id  # type: ignore[union-attr]
    name = f"{kind.name}{verb}"
    await audit.record(transaction, name, kind.aggregate, row_id, before, after)
    transaction.emit(Event(name, kind.aggregate, row_id, version, transaction.now, channel_id, payload))
