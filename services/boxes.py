"""Use cases of boxes."""

from dataclasses import dataclass, replace
from uuid import UUID

from domain import boxes as decide
from domain.boxes import ShippingBox
from domain.kernel.changes import KEEP, Keep, kept
from domain.kernel.ids import new_id
from persistence.boxes import ROWS
from services.access import Permission, require
from services.context import ServiceContext, Transaction
from services.shipping_changes import Kind, check_room, locked, tell

_KIND = Kind("Box", "box", "box")


@dataclass(frozen=True, slots=True)
class BoxChanges:
    """What shall become of a box's fields; KEEP leaves one as it is (in a new box: the default)."""

    name: str | Keep = KEEP
    length_mm: int | Keep = KEEP
    width_mm: int | Keep = KEEP
    height_mm: int | Keep = KEEP
    own_weight_grams: int | Keep = KEEP
    max_weight_grams: int | Keep | None = KEEP


async def list_boxes(context: ServiceContext) -> list[ShippingBox]:
    """Return the boxes in use, by name; for staff."""
    require(context.actor, Permission.SHIPPING_WRITE)
    async with context.read() as connection:
        return await ROWS.in_use(connection)


async def create(context: ServiceContext, given: BoxChanges) -> ShippingBox:
    """Add a box; raises InvalidInput naming the field, name where there are as many as there may be."""
    require(context.actor, Permission.SHIPPING_WRITE)
    box = _changed(ShippingBox(new_id(), "", 0, 0, 0), given)
    async with context.transaction() as transaction:
        await check_room(transaction, ROWS, _KIND, decide.MAX_BOXES)
        await ROWS.create(transaction.connection, box, transaction.now)
        await _tell(transaction, "Created", None, box)
    return box


async def update(
    context: ServiceContext, box_id: UUID, given: BoxChanges, expected_version: int | None = None
) -> ShippingBox:
    """Change a box; raises NotFound, VersionConflict, and InvalidInput naming the field."""
    require(context.actor, Permission.SHIPPING_WRITE)
    async with context.transaction() as transaction:
        box, _ = await locked(transaction, ROWS, _KIND, box_id, expected_version)
        changed = _changed(box, given)
        if changed != box:
            changed = replace(changed, version=box.version + 1)
            await ROWS.save(transaction.connection, changed)
            await _tell(transaction, "Updated", box, changed)
    return changed


async def archive(context: ServiceContext, box_id: UUID, expected_version: int | None = None) -> ShippingBox:
    """Take a box out of use; parcels keep its name. Raises NotFound and VersionConflict."""
    require(context.actor, Permission.SHIPPING_WRITE)
    async with context.transaction() as transaction:
        box, _ = await locked(transaction, ROWS, _KIND, box_id, expected_version)
        gone = replace(box, version=box.version + 1)
        await ROWS.archive(transaction.connection, box.id, gone.version, transaction.now)
        await _tell(transaction, "Archived", gone, None)
    return gone


def _changed(box: ShippingBox, given: BoxChanges) -> ShippingBox:
    return decide.check(
        replace(
            box,
            name=kept(given.name, box.name),
            length_mm=kept(given.length_mm, box.length_mm),
            width_mm=kept(given.width_mm, box.width_mm),
            height_mm=kept(given.height_mm, box.height_mm),
            own_weight_grams=kept(given.own_weight_grams, box.own_weight_grams),
            max_weight_grams=kept(given.max_weight_grams, box.max_weight_grams),
        )
    )


async def _tell(
    transaction: Transaction, verb: str, before: ShippingBox | None, after: ShippingBox | None
) -> None:
    box = after or before
    assert box is not None, "a change has at least one side"  # noqa: S101
    await tell(transaction, _KIND, verb, before, after, box.version, None, {"name": box.name})
