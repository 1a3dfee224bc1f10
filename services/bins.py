"""Use cases of bins: naming them, and saying what lies in them."""

from collections.abc import Sequence
from uuid import UUID

from domain.bins import MAX_BINS_OF_VARIANT, Bin, Placed, check_bin
from domain.catalog import VariantRef
from domain.kernel.errors import InvalidInput, NotFound
from domain.kernel.ids import new_id
from domain.kernel.quantities import is_storable
from persistence import bins as rows
from persistence import fulfillment
from services import audit
from services.access import Permission, require
from services.context import ServiceContext, Transaction


async def save(context: ServiceContext, location_code: str, code: str, zone: str, position: int) -> Bin:
    """Create or change the bin that has a code at a location; saying the same again changes nothing.

    Raises NotFound for the location, and InvalidInput naming the field.
    """
    require(context.actor, Permission.WAREHOUSE_WRITE)
    code, zone, position = check_bin(code, zone, position)
    async with context.transaction() as transaction:
        location_id = await _location(transaction, location_code)
        wanted = Bin(new_id(), location_id, code, zone, position)
        saved = await rows.save(transaction.connection, wanted, transaction.now)
        await audit.record(transaction, "BinSaved", "bin", saved.id, after=saved)
    return saved


async def place(
    context: ServiceContext,
    location_code: str,
    variant: VariantRef,
    codes: Sequence[str],
    *,
    preferred: str | None = None,
) -> list[Bin]:
    """Say in which bins of a location a variant lies, instead of those said before; none: nowhere known.

    Returns the bins in the order of the way. Raises NotFound, and InvalidInput naming the field.
    """
    require(context.actor, Permission.WAREHOUSE_WRITE)
    if len(codes) > MAX_BINS_OF_VARIANT or len(set(codes)) < len(codes):
        raise InvalidInput(f"name up to {MAX_BINS_OF_VARIANT} bins, each once", "binCodes")
    if preferred is not None and preferred not in codes:
        raise InvalidInput("must be one of binCodes", "preferred")
    async with context.transaction() as transaction:
        location_id = await _location(transaction, location_code)
        known = variant.sku is None or is_storable(variant.sku)
        variant_id = await rows.lock_variant(transaction.connection, variant) if known else None
        if variant_id is None:
            raise NotFound("there is no such variant", "variant")
        storable = [code for code in codes if is_storable(code)]
        found = await rows.named(transaction.connection, location_id, storable)
        by_code = {one.code: one for one in found}
        for at, code in enumerate(codes):
            if code not in by_code:
                raise NotFound("the location has no such bin", "binCodes", str(at))
        first = by_code[preferred].id if preferred is not None else None
        await rows.place(transaction.connection, location_id, variant_id, [one.id for one in found], first)
        placed = Placed(location_code, tuple(codes), preferred)
        await audit.record(transaction, "VariantBinsSet", "variant", variant_id, after=placed)
    return found


async def page(context: ServiceContext, location_code: str, after: str, most: int) -> list[Bin]:
    """Return bins of a location, by code; none where there is no such location."""
    require(context.actor, Permission.WAREHOUSE_WRITE)
    if not is_storable(location_code) or not is_storable(after):
        return []
    async with context.read() as connection:
        location_id = await fulfillment.location_id(connection, location_code)
        return [] if location_id is None else await rows.page(connection, location_id, after, most)


async def _location(transaction: Transaction, code: str) -> UUID:
    location_id = None
    if is_storable(code):
        location_id = await fulfillment.location_id(transaction.connection, code)
    if location_id is None:
        raise NotFound("no location in use has this code", "locationCode")
    return location_id
