"""GraphQL types of what collecting costs at stores."""

import strawberry

from api.errors import UserError
from api.schema.values import Money, MoneyInput
from domain import pickup_fees as domain


@strawberry.type
class PickupFee:
    """What collecting costs at a store of a channel; taxed as delivery is."""

    location_code: str
    fee: Money

    @classmethod
    def of(cls, found: domain.PickupFee) -> "PickupFee":
        """Return the GraphQL form of a fee."""
        return cls(location_code=found.location_code, fee=Money.of(found.fee))


@strawberry.input
class PickupFeeSetInput:
    """What collecting shall cost at a store of a channel; 0: nothing."""

    channel: str
    location_code: str
    fee: MoneyInput


@strawberry.type
class PickupFeePayload:
    """The fee as it now is, or why it was not set."""

    pickup_fee: PickupFee | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=list)
