"""How a shop changes the rules for what comes back: amounts in a channel's money, parts in percent."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TypeVar

from domain.channels import Channel, money_in
from domain.kernel.changes import KEEP, Keep, kept
from domain.kernel.errors import InvalidInput, under
from domain.kernel.money import Amount
from domain.return_policies import LabelPayer, ReturnPolicy, ShippingRefund, checked
from domain.returns import Grade
from domain.taxes import read_percent

T = TypeVar("T", int, int | None)


@dataclass(frozen=True, slots=True)
class PolicyChanges:
    """What shall become of a policy; what is KEEP stays, or has its default where the policy is new."""

    window_days: int | Keep = KEEP
    final_sale: bool | Keep = KEEP
    restocking_fee_percent: Decimal | Keep = KEEP
    label_payer: LabelPayer | Keep = KEEP
    label_fee: Amount | Keep = KEEP
    keep_below: Amount | Keep = KEEP
    auto_refund_most: Amount | Keep = KEEP
    shipping_refund: ShippingRefund | Keep = KEEP
    credit_bonus_percent: Decimal | Keep = KEEP
    arrive_within_days: int | Keep = KEEP
    exchange_in_advance: bool | Keep = KEEP
    repair: bool | Keep = KEEP
    grades: Mapping[Grade, Decimal] | Keep = KEEP
    """What part of its worth a unit brings, in percent; grades that are not named stay."""


def changed(policy: ReturnPolicy, changes: PolicyChanges, channel: Channel | None) -> ReturnPolicy:
    """Return a policy as it shall be; raises InvalidInput naming the field.

    Amounts are of one currency, so only a policy of a channel has any.
    """
    grades = dict(policy.grades)
    if changes.grades is not KEEP:
        for at, (grade, percent) in enumerate(changes.grades.items()):
            grades[grade] = read_percent(percent, "grades", str(at), "percent")
    return checked(
        replace(
            policy,
            window_days=kept(changes.window_days, policy.window_days),
            final_sale=kept(changes.final_sale, policy.final_sale),
            restocking_fee=_part(
                changes.restocking_fee_percent, policy.restocking_fee, "restockingFeePercent"
            ),
            label_payer=kept(changes.label_payer, policy.label_payer),
            label_fee_minor=amount_in(channel, changes.label_fee, policy.label_fee_minor, "labelFee"),
            keep_below_minor=amount_in(channel, changes.keep_below, policy.keep_below_minor, "keepBelow"),
            auto_refund_most_minor=amount_in(
                channel, changes.auto_refund_most, policy.auto_refund_most_minor, "autoRefundMost"
            ),
            shipping_refund=kept(changes.shipping_refund, policy.shipping_refund),
            credit_bonus=_part(changes.credit_bonus_percent, policy.credit_bonus, "creditBonusPercent"),
            arrive_within_days=kept(changes.arrive_within_days, policy.arrive_within_days),
            exchange_in_advance=kept(changes.exchange_in_advance, policy.exchange_in_advance),
            repair=kept(changes.repair, policy.repair),
            grades=grades,
        )
    )


def _part(percent: Decimal | Keep, current: int, field: str) -> int:
    return current if percent is KEEP else read_percent(percent, field)


def amount_in(channel: Channel | None, amount: Amount | Keep, current: T, field: str) -> int | T:
    """Return what an amount of a policy becomes, in minor units of its channel's currency; or `current`.

    Raises InvalidInput naming the field, also for an amount of no channel.
    """
    if amount is KEEP:
        return current
    if channel is None:
        with under(field):
            raise InvalidInput("an amount is in the money of a channel: name one", "currency")
    return money_in(channel, amount, field).amount_minor
