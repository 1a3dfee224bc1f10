"""What a return would bring, told before anybody asks for it."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from domain.orders import Order, OrderLine
from domain.return_policies import LabelPayer, ReturnPolicy
from domain.return_requests import AskedLine, LineEligibility, request
from domain.return_settlement import valued
from domain.return_worth import Worth
from domain.returns import SHOPS_FAULT, Return, ReturnReason, ReturnWish

NOBODY = "nobody"
"""Who has asked for what is only thought of."""


@dataclass(frozen=True, slots=True)
class QuotedLine:
    """What units of one order line would bring; amounts in minor units of the order's currency."""

    asked: AskedLine
    sku: str
    goods_minor: int
    """What was paid for them: with their tax, and without their discount."""
    fee_minor: int
    """What is kept of it for restocking."""
    unit_minor: int
    """What the first of them would bring, were it alone: of the way back and the delivery nothing."""


@dataclass(frozen=True, slots=True)
class Quote:
    """What a return would bring if its units came back as they were sent."""

    lines: tuple[QuotedLine, ...]
    worth: Worth
    keeps_items: bool
    """Whether the customer would keep them."""
    label_payer: LabelPayer
    """Who would pay the way back; of what is kept, the shop: there is none."""


def quote(
    order: Order,
    order_lines: Sequence[OrderLine],
    eligible: Sequence[LineEligibility],
    returns: Sequence[Return],
    asked: Sequence[AskedLine] | None,
    now: datetime,
    of_claims: Set[UUID] = frozenset(),
) -> Quote | None:
    """Return what a return of these units would bring, or of all that may be returned; None for nothing.

    It promises nothing: who decides on the request may find otherwise. `of_claims` are returns by which
    claims were paid. Raises as `request` does.
    """
    if asked is None:
        asked = [
            AskedLine(one.line.id, one.returnable, ReturnReason.CHANGED_MIND)
            for one in eligible
            if one.returnable
        ]
        if not asked:
            return None
    wanted = request(order, eligible, asked, ReturnWish.REFUND, None, NOBODY, now)
    policies = {one.line.id: one.policy for one in eligible}
    worth = valued(order, order_lines, wanted, [*returns, wanted], policies, as_asked=True)
    asked_for = [one for one in returns if one.id not in of_claims]
    kept = is_kept(wanted, asked_for, policies, worth.refund_minor)
    if kept:
        wanted = replace(wanted, keeps_items=True)
        worth = valued(order, order_lines, wanted, [*returns, wanted], policies, as_asked=True)
    single = replace(wanted, lines=tuple(replace(line, quantity=1) for line in wanted.lines))
    units = valued(order, order_lines, single, [*returns, single], policies, as_asked=True).lines
    lines = tuple(
        QuotedLine(one, line.sku, part.goods_minor, part.fee_minor, unit.refund_minor)
        for one, line, part, unit in zip(asked, wanted.lines, worth.lines, units, strict=True)
    )
    return Quote(lines, worth, kept, LabelPayer.SHOP if kept else _payer(wanted, policies))


def is_kept(
    found: Return, returns: Sequence[Return], policies: Mapping[UUID, ReturnPolicy], worth_minor: int
) -> bool:
    """Say whether the customer keeps what a return is of: it is worth less than sending it.

    All that an order's customer has kept counts: a return is not cut into pieces that are kept.
    """
    kept = sum(one.refund_minor for one in returns if one.keeps_items and one.id != found.id)
    return kept + worth_minor < min(policies[line.order_line_id].keep_below_minor for line in found.lines)


def _payer(wanted: Return, policies: Mapping[UUID, ReturnPolicy]) -> LabelPayer:
    if any(line.reason in SHOPS_FAULT for line in wanted.lines):
        return LabelPayer.SHOP
    payers = {policies[line.order_line_id].label_payer for line in wanted.lines}
    return LabelPayer.CUSTOMER if LabelPayer.CUSTOMER in payers else LabelPayer.SHOP
