"""GraphQL inputs of backorders."""

from datetime import datetime

import strawberry

from api.errors import UserError
from api.schema.catalog import ProductVariant, VariantRef
from domain.backorders import BackorderPolicy


@strawberry.input(
    description="allowed: carts may have more units than are in stock; the rest of an order waits for it and "
    "opens by itself. limit: most units that wait at once; null: any number. availableFrom: what waits is "
    "not sent before."
)
class VariantBackorderSetInput:
    """How a variant is sold beyond its stock."""

    variant: VariantRef
    allowed: bool
    limit: int | None = None
    available_from: datetime | None = None

    def to_policy(self) -> BackorderPolicy:
        """Return the policy, still to be checked."""
        return BackorderPolicy(self.allowed, self.limit, self.available_from)


@strawberry.type
class VariantBackorderPayload:
    """The variant as it now is, or why nothing was changed."""

    variant: ProductVariant | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=list)
