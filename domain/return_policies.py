"""What a shop lets its customers return, until when, and what that costs them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from domain.kernel.errors import InvalidInput
from domain.kernel.money import MAX_AMOUNT_MINOR
from domain.returns import Grade

WHOLE = 1_000_000
"""Parts are in millionths."""
MAX_WINDOW_DAYS = 3650


class LabelPayer(StrEnum):
    """Who pays the way back."""

    SHOP = "SHOP"
    CUSTOMER = "CUSTOMER"


class ShippingRefund(StrEnum):
    """When the delivery that was paid is given back; where the shop is at fault, its share always is."""

    NEVER = "NEVER"
    WHOLE_ORDER = "WHOLE_ORDER"
    """With the last unit of the order, as consumers' right of withdrawal in the EU has it.

    Directive 2011/83/EU, article 13.
    """
    PROPORTIONAL = "PROPORTIONAL"


DEFAULT_GRADES: Mapping[Grade, int] = {
    Grade.AS_NEW: WHOLE,
    Grade.OPENED: WHOLE,
    Grade.USED: WHOLE // 2,
    Grade.DAMAGED: 0,
    Grade.INCOMPLETE: 0,
    Grade.NOT_OURS: 0,
}
"""What part of its worth a unit brings, by how it came back; what is the shop's fault brings all."""


@dataclass(frozen=True, slots=True)
class ReturnPolicy:
    """The rules for what it covers: one SKU, a tag, a channel, or (all None) everything.

    Amounts are in minor units of the order's currency; parts in millionths.
    """

    id: UUID | None = None
    channel_id: UUID | None = None
    tag: str | None = None
    sku: str | None = None
    window_days: int = 30
    """Days from the delivery of the last unit of the line within which a return may be asked for."""
    final_sale: bool = False
    restocking_fee: int = 0
    label_payer: LabelPayer = LabelPayer.SHOP
    label_fee_minor: int = 0
    """What a return costs the customer where they pay the way back, once for the whole return."""
    keep_below_minor: int = 0
    """Below this worth the customer keeps what they return."""
    auto_refund_most_minor: int = 0
    """Up to this worth nobody needs to look; 0: staff always do."""
    shipping_refund: ShippingRefund = ShippingRefund.WHOLE_ORDER
    credit_bonus: int = 0
    """What is added, as a part, where the customer takes store credit."""
    arrive_within_days: int = 21
    """Days after the approval within which the units must be here."""
    grades: Mapping[Grade, int] = field(default_factory=lambda: dict(DEFAULT_GRADES))
    version: int = 1
    exchange_in_advance: bool = False
    """Whether a replacement that costs no more than what comes back leaves before that is here."""
    repair: bool = False
    """Whether a repair may be asked for."""

    @property
    def rank(self) -> tuple[bool, bool, bool]:
        """How closely it fits: an item's before a tag's before a channel's."""
        return (self.sku is not None, self.tag is not None, self.channel_id is not None)


SHOP_DEFAULT = ReturnPolicy()
"""Where a shop has said nothing: 30 days, free, and staff look at each."""


def policy_for(
    policies: Iterable[ReturnPolicy], channel_id: UUID, sku: str, tags: Sequence[str]
) -> ReturnPolicy:
    """Return the policy that fits an item closest; of several tags', the strictest window."""
    fitting = [
        one
        for one in policies
        if one.channel_id in {None, channel_id}
        and (one.sku is None or one.sku == sku)
        and (one.tag is None or one.tag in tags)
    ]
    return max(
        fitting,
        key=lambda one: (one.rank, one.final_sale, -one.window_days, str(one.id)),
        default=SHOP_DEFAULT,
    )


def deadline(policy: ReturnPolicy, delivered_at: datetime) -> datetime:
    """Return the last moment at which a return may be asked for."""
    return delivered_at + timedelta(days=policy.window_days)


def checked(policy: ReturnPolicy) -> ReturnPolicy:
    """Return a policy that can be; raises InvalidInput naming the field."""
    if policy.sku is not None and policy.tag is not None:
        raise InvalidInput("name an item or a tag, not both", "tag")
    if not 1 <= policy.arrive_within_days <= MAX_WINDOW_DAYS:
        raise InvalidInput(f"must be between 1 and {MAX_WINDOW_DAYS}", "arriveWithinDays")
    if not 0 <= policy.window_days <= MAX_WINDOW_DAYS:
        raise InvalidInput(f"must be between 0 and {MAX_WINDOW_DAYS}", "windowDays")
    for name, value, most in (
        ("restockingFeePercent", policy.restocking_fee, WHOLE),
        ("creditBonusPercent", policy.credit_bonus, WHOLE),
        ("labelFee", policy.label_fee_minor, MAX_AMOUNT_MINOR),
        ("keepBelow", policy.keep_below_minor, MAX_AMOUNT_MINOR),
        ("autoRefundMost", policy.auto_refund_most_minor, MAX_AMOUNT_MINOR),
    ):
        if not 0 <= value <= most:
            raise InvalidInput("must not be below zero, nor that large", name)
    for grade, part in policy.grades.items():
        if not 0 <= part <= WHOLE:
            raise InvalidInput("must be between 0 and 100", "grades", grade.value)
    return policy
