"""Root fields of tax rates."""

import strawberry

from api.context import Info
from api.resolvers.root_fields import mutation, query
from api.scalars import decode_id
from api.schema.taxes import RATE, TaxRate, TaxRateDeleteInput, TaxRatePayload, TaxRateSetInput
from services import taxes
from services.access import Permission


@strawberry.type
class TaxesQuery:
    """Queries of tax rates."""

    @query(Permission.PRICING_WRITE)
    async def tax_rates(self, info: Info, channel: str, country: str | None = None) -> list[TaxRate] | None:
        """The tax rates of a channel, or those of one country; at most 1,000."""
        found, rates = await taxes.list_rates(info.context.service, channel, country)
        return [TaxRate.of(rate, found.id) for rate in rates]


@strawberry.type
class TaxesMutation:
    """Mutations of tax rates."""

    @mutation(TaxRatePayload, Permission.PRICING_WRITE)
    async def tax_rate_set(self, info: Info, input: TaxRateSetInput) -> TaxRatePayload | None:  # noqa: A002
        """Add a rate, or change the one of the same name, place, class and beginning."""
        channel, rate = await taxes.set_rate(info.context.service, input.to_domain())
        return TaxRatePayload(tax_rate=TaxRate.of(rate, channel.id))

    @mutation(TaxRatePayload, Permission.PRICING_WRITE)
    async def tax_rate_delete(self, info: Info, input: TaxRateDeleteInput) -> TaxRatePayload | None:  # noqa: A002
        """Delete a rate: carts are priced without it, orders keep what they were told."""
        channel_id, rate = await taxes.delete_rate(info.context.service, decode_id(RATE, input.id, "id"))
        return TaxRatePayload(tax_rate=TaxRate.of(rate, channel_id))
