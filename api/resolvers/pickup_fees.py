"""Root fields of what collecting costs at stores."""

import strawberry

from api.context import Info
from api.resolvers.root_fields import mutation, query
from api.schema.pickup_fees import PickupFee, PickupFeePayload, PickupFeeSetInput
from services import pickup_fees
from services.access import Permission


@strawberry.type
class PickupFeesQuery:
    """Queries of pickup fees."""

    @query(Permission.SHIPPING_WRITE)
    async def pickup_fees(self, info: Info, channel: str) -> list[PickupFee]:
        """What collecting costs at a channel's stores, those that ask for nothing left out."""
        return [PickupFee.of(one) for one in await pickup_fees.list_fees(info.context.service, channel)]


@strawberry.type
class PickupFeesMutation:
    """Mutation of pickup fees."""

    @mutation(PickupFeePayload, Permission.SHIPPING_WRITE)
    async def pickup_fee_set(self, info: Info, input: PickupFeeSetInput) -> PickupFeePayload | None:  # noqa: A002
        """Say what collecting costs at a store: carts see it at once, orders keep theirs."""
        fee = await pickup_fees.set_fee(
            info.context.service, input.channel, input.location_code, input.fee.to_domain()
        )
        return PickupFeePayload(pickup_fee=PickupFee.of(fee))
