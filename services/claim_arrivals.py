"""Use case of parcels that were claimed as lost and arrive after all."""

from uuid import UUID

from domain.claim_arrivals import dismissed
from domain.claims import Claim
from services import audit, claims, return_records
from services.access import Permission, require
from services.context import ServiceContext


async def dismiss(
    context: ServiceContext, claim_id: UUID, note: str | None, expected_version: int | None
) -> Claim:
    """Say that a person has seen to the arrival of what was claimed as lost; again, it changes nothing.

    Raises NotFound, IllegalTransition, VersionConflict and InvalidInput.
    """
    require(context.actor, Permission.RETURNS_WRITE)
    order_id = (await claims.by_id(context, claim_id)).order_id
    async with context.transaction() as transaction:
        found = await return_records.locked(transaction, order_id=order_id)
        before = found.claim(claim_id)
        parcel = found.placed.shipment(before.shipment_id)
        after = dismissed(before, parcel, note, transaction.now, expected_version)
        if after is None:
            return before
        await audit.record(transaction, "ClaimArrivalDismissed", "claim", claim_id, before, after)
        return await claims.save(transaction, found, after, "ClaimArrivalDismissed")
