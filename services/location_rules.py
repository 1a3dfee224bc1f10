"""Use cases of what locations can do, and of the tags of goods."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from domain import location_rules as decide
from domain.catalog import Variant, VariantRef
from domain.kernel.changes import check_version
from domain.kernel.errors import InvalidInput, NotFound
from domain.kernel.events import Event
from domain.kernel.quantities import is_storable
from domain.location_rules import LocationRulesChanges
from domain.locations import Location
from persistence import catalog_changes, locations
from persistence import location_rules as rows
from services import audit
from services.access import Permission, require
from services.context import ServiceContext


@dataclass(frozen=True, slots=True)
class _Tags:
    tags: tuple[str, ...]


async def update(
    context: ServiceContext,
    location_id: UUID,
    changes: LocationRulesChanges,
    expected_version: int | None = None,
) -> Location:
    """Change what a location can do; orders it may not send any more leave from elsewhere within seconds.

    Raises NotFound, VersionConflict, and InvalidInput naming the field.
    """
    require(context.actor, Permission.LOCATIONS_WRITE)
    async with context.transaction() as transaction:
        connection = transaction.connection
        location = await locations.lock(connection, location_id)
        if location is None:
            raise NotFound("no location has this id", "id")
        check_version(location.version, expected_version)
        before = (await rows.by_locations(connection, [location_id]))[location_id]
        after = decide.change(before, changes)
        if after == before:
            return location
        if after.time_zone != before.time_zone and not await rows.knows_time_zone(
            connection, after.time_zone
        ):
            raise InvalidInput("is no time zone that the database knows", "timeZone")
        changed = replace(location, version=location.version + 1)
        await rows.save(connection, location_id, after, changed.version)
        await audit.record(transaction, "LocationRulesUpdated", "location", location_id, before, after)
        facts = {"code": location.code, "ships": after.ships}
        transaction.emit(
            Event("LocationUpdated", "location", location_id, changed.version, transaction.now, None, facts)
        )
    return changed


async def set_tags(
    context: ServiceContext, ref: VariantRef, tags: Sequence[str], expected_version: int | None = None
) -> Variant:
    """Say which kinds of goods a variant is of: only locations with all these tags may send it.

    Raises NotFound, VersionConflict and InvalidInput.
    """
    require(context.actor, Permission.CATALOG_WRITE)
    wanted = tuple(sorted(decide.check_tags(tags)))
    async with context.transaction() as transaction:
        connection = transaction.connection
        found = None
        if ref.sku is None or is_storable(ref.sku):
            found = await catalog_changes.lock_variant(connection, ref)
        if found is None:
            raise NotFound(f"there is no variant {str(ref)[:64]!r}", "variant")
        check_version(found.version, expected_version)
        before = tuple(sorted((await rows.tags_of(connection, [found.id]))[found.id]))
        if before == wanted:
            return found
        changed = replace(found, version=found.version + 1)
        await rows.set_tags(connection, found.id, wanted, changed.version)
        await audit.record(transaction, "VariantTagsSet", "variant", found.id, _Tags(before), _Tags(wanted))
        facts = {"sku": found.sku, "tags": list(wanted)}
        transaction.emit(
            Event("VariantUpdated", "catalog", found.id, changed.version, transaction.now, None, facts)
        )
    return changed
