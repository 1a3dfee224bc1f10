"""Root fields of discounts."""

import strawberry

from api.context import Info
from api.pagination import page_request
from api.resolvers.root_fields import mutation, query
from api.scalars import decode_id
from api.schema.discounts import (
    DISCOUNT,
    KEY,
    NEWEST,
    Discount,
    DiscountConnection,
    DiscountCreateInput,
    DiscountDeactivateInput,
    DiscountPayload,
    DiscountUpdateInput,
)
from domain.kernel.pages import DEFAULT_PAGE_SIZE
from services import discounts
from services.access import Permission


@strawberry.type
class DiscountsQuery:
    """Queries of discounts."""

    @query(Permission.PRICING_WRITE)
    async def discounts(
        self,
        info: Info,
        channel: str | None = None,
        active: bool | None = None,
        code: str | None = None,
        first: int | None = DEFAULT_PAGE_SIZE,
        after: str | None = None,
    ) -> DiscountConnection | None:
        """Discounts, newest first; of one channel, only the active, or the one of a code."""
        request = page_request(NEWEST, KEY, first, after)
        found = await discounts.page(
            info.context.service, request.size, request.after, channel=channel, active=active, code=code
        )
        return DiscountConnection.of(found, request)


@strawberry.type
class DiscountsMutation:
    """Mutations of discounts."""

    @mutation(DiscountPayload, Permission.PRICING_WRITE)
    async def discount_create(self, info: Info, input: DiscountCreateInput) -> DiscountPayload | None:  # noqa: A002
        """Make a discount; without a code it applies by itself."""
        channel, one = await discounts.create(
            info.context.service, input.channel, input.kind, input.code, input.to_changes()
        )
        return DiscountPayload(discount=Discount.of(one, channel.id))

    @mutation(DiscountPayload, Permission.PRICING_WRITE)
    async def discount_update(self, info: Info, input: DiscountUpdateInput) -> DiscountPayload | None:  # noqa: A002
        """Change a discount: carts are priced by it from now on, orders keep what they were told."""
        channel, one = await discounts.update(
            info.context.service,
            decode_id(DISCOUNT, input.id, "id"),
            input.to_changes(),
            input.expected_version,
        )
        return DiscountPayload(discount=Discount.of(one, channel.id))

    @mutation(DiscountPayload, Permission.PRICING_WRITE)
    async def discount_deactivate(self, info: Info, input: DiscountDeactivateInput) -> DiscountPayload | None:  # noqa: A002
        """Take a discount out of use."""
        channel, one = await discounts.deactivate(
            info.context.service, decode_id(DISCOUNT, input.id, "id"), input.expected_version
        )
        return DiscountPayload(discount=Discount.of(one, channel.id))
