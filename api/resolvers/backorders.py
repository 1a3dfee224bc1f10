"""Root fields of backorders."""

import strawberry

from api.context import Info
from api.resolvers.root_fields import mutation
from api.schema.backorders import VariantBackorderPayload, VariantBackorderSetInput
from api.schema.catalog import ProductVariant
from services import backorder_policies
from services.access import Permission


@strawberry.type
class BackordersMutation:
    """Mutations of backorders."""

    @mutation(VariantBackorderPayload, Permission.CATALOG_WRITE)
    async def variant_backorder_set(
        self,
        info: Info,
        input: VariantBackorderSetInput,  # noqa: A002
    ) -> VariantBackorderPayload | None:
        """Say whether, how far and from when a variant is sold beyond its stock."""
        variant = await backorder_policies.set_policy(
            info.context.service, input.variant.to_domain("variant"), input.to_policy()
        )
        return VariantBackorderPayload(variant=ProductVariant.of(variant))
