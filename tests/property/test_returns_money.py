"""Whatever is returned of any order, in any steps: the money is exact, and never more than was paid."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import cycle
from random import Random
from uuid import UUID, uuid4

from hypothesis import given, settings
from hypothesis import strategies as st

from domain import payment_changes, return_adjustments, return_receipts, return_requests, return_settlement
from domain.inventory import Movement, StockState
from domain.kernel.errors import AmountTooLarge, NotReturnable
from domain.kernel.money import Amount, Money
from domain.orders import (
    OrderLine,
    OrderPaymentStatus,
    OrderStatus,
    payment_status,
)
from domain.payment_facts import Fact, apply
from domain.payments import PaymentTransaction, TransactionKind
from domain.ports import Outcome
from domain.return_adjustments import Adjustment, AskedAdjustment
from domain.return_credit import applied
from domain.return_exchanges import Exchange
from domain.return_policies import ReturnPolicy, ShippingRefund
from domain.return_receipts import Look
from domain.return_requests import AskedLine
from domain.return_worth import Worth
from domain.returns import (
    SETTLED,
    Disposition,
    Grade,
    Inspection,
    Return,
    ReturnReason,
    ReturnStatus,
    ReturnWish,
    moved,
)
from tests.delivered_worlds import KIND, NOW, World, delivered, policies

HERE = uuid4()
_ANSWERS = {
    "refused": (Outcome.DECLINED,),
    "half refused": (Outcome.SUCCEEDED, Outcome.DECLINED),
}
"""What providers say to refunds, one after the other."""


@st.composite
def steps(draw: st.DrawFn) -> list[tuple[str, int, int, ReturnReason, Grade, Disposition, ReturnWish]]:
    """Draw what customers and staff do, one after the other."""
    return draw(
        st.lists(
            st.tuples(
                st.sampled_from(
                    ["return"] * 6
                    + [
                        "keep",
                        "staff refund",
                        "reject",
                        "refused",
                        "half refused",
                        "two at once",
                        "deduct",
                        "deduct",
                        "waive",
                    ]
                ),
                st.integers(0, 3),
                st.integers(1, 7),
                st.sampled_from(ReturnReason),
                st.sampled_from(Grade),
                st.sampled_from(Disposition),
                st.sampled_from([one for one in ReturnWish if one is not ReturnWish.REPAIR]),
            ),
            min_size=1,
            max_size=8,
        )
    )


@settings(max_examples=300, deadline=None)
@given(delivered(), policies(), steps())
def test_never_more_is_given_back_than_was_paid(
    world: World,
    policy: ReturnPolicy,
    wanted: list[tuple[str, int, int, ReturnReason, Grade, Disposition, ReturnWish]],
) -> None:
    for what, at, units, reason, grade, disposition, wish in wanted:
        if what == "staff refund":
            _staff_refund(world, units)
            continue
        found = _asked(world, at % len(world.lines), units, reason, wish)
        if found is None:
            continue
        if what == "keep":
            found = replace(found, keeps_items=True)
            found = _kept(world, moved(found, ReturnStatus.INSPECTED, NOW) or found)
        else:
            found = _looked_at(world, found, grade, disposition)
        if what == "two at once":
            # Another of the same line is valued before this one is.
            other = _asked(world, at % len(world.lines), 1, reason, wish)
            if other is not None:
                _settle(world, _looked_at(world, other, Grade.AS_NEW, Disposition.RESTOCKED), policy)
        if what == "reject":
            _kept(world, return_settlement.rejected(found, [], NOW))
        else:
            _settle(world, found, policy, what, units)
        _check(world)


@settings(max_examples=200, deadline=None)
@given(delivered(), st.randoms(use_true_random=False), st.sampled_from(ShippingRefund))
def test_all_returns_of_an_order_sum_to_what_was_paid(
    world: World, chance: Random, shipping: ShippingRefund
) -> None:
    left = [line for line in world.lines for _ in range(line.quantity)]
    chance.shuffle(left)
    policy = replace(KIND, shipping_refund=shipping)
    wishes = (ReturnWish.REFUND, ReturnWish.STORE_CREDIT)
    reason = ReturnReason.WRONG_ITEM if shipping is ShippingRefund.NEVER else ReturnReason.SIZE
    while left:
        line = left.pop()
        found = _asked(world, world.lines.index(line), 1, reason, chance.choice(wishes))
        assert found is not None
        _settle(world, _looked_at(world, found, Grade.AS_NEW, Disposition.RESTOCKED), policy)
        _check(world)
    assert world.given_back == world.captured == world.order.total_minor
    assert sum(one.refund_minor for one in world.returns) == world.order.total_minor
    if world.order.total_minor:
        status = payment_status(world.order.total_minor, world.payments)
        assert status is OrderPaymentStatus.REFUNDED


def _asked(world: World, at: int, units: int, reason: ReturnReason, wish: ReturnWish) -> Return | None:
    line = world.lines[at]
    eligible = return_requests.eligibility(world.lines, [], world.returns, {}, NOW)
    try:
        found = return_requests.request(
            world.order, eligible, [AskedLine(line.id, units, reason)], wish, None, "anonymous", NOW
        )
    except NotReturnable as refused:
        if not refused.askable:
            return None
        asked = [AskedLine(line.id, refused.askable, reason)]
        found = return_requests.request(world.order, eligible, asked, wish, None, "anonymous", NOW)
    try:
        return_requests.check_sent(found, eligible)
    except NotReturnable:
        return None
    return _kept(world, moved(found, ReturnStatus.APPROVED, NOW) or found)


def _looked_at(world: World, found: Return, grade: Grade, disposition: Disposition) -> Return:
    (line,) = found.lines
    if disposition is Disposition.RESTOCKED and grade is Grade.NOT_OURS:
        disposition = Disposition.PROCESSING_REQUIRED
    missing = line.quantity if disposition is Disposition.MISSING else 0
    if line.quantity > missing:
        found, moves = return_receipts.receive(found, {line.id: line.quantity - missing}, HERE, NOW)
        world.movements += moves
    found, moves = return_receipts.inspect(found, [Look(line.id, line.quantity, disposition, grade)], NOW)
    world.movements += moves
    return _kept(world, found)


def _settle(
    world: World,
    found: Return,
    policy: ReturnPolicy,
    what: str = "return",
    units: int = 0,
) -> None:
    rules = {line.id: policy for line in world.lines}
    worth = return_settlement.valued(world.order, world.lines, found, world.returns, rules)
    adjustment = _adjustment(world, worth, what, units)
    brings = worth.refund_minor + (adjustment.amount_minor if adjustment else 0)
    exchange = None
    if found.wish is ReturnWish.EXCHANGE:
        costs = found.lines[0].quantity * 137 % 5_000
        replacement = replace(
            world.order, id=uuid4(), status=OrderStatus.OPEN, total_minor=costs, return_refund_minor=0
        )
        exchange = Exchange(replacement, ())
    try:
        made = return_settlement.settled(
            world.order,
            found,
            worth,
            world.payments,
            rules,
            NOW,
            by_staff=True,
            exchange=exchange,
            adjustment=adjustment,
        )
    except AmountTooLarge:
        # Staff have given so much back before that less is left.
        assert brings > sum(one.refundable_minor for one in world.payments)
        return
    if exchange is not None and made.credit is not None:
        assert made.credit.amount_minor == min(brings, exchange.due_minor)
        assert made.credit.amount_minor + made.credit.bonus_minor <= exchange.due_minor
        assert made.credit.bonus_minor <= 2
    _check_worth(made.after, worth, brings)
    _take(world, made, _ANSWERS.get(what, (Outcome.SUCCEEDED,)))
    after = _kept(world, made.after)
    asked = [one for one in world.transactions if one.id in after.transaction_ids]
    if what == "half refused" and return_settlement.refused(after, asked):
        after = _kept(world, return_settlement.rejected(after, asked, NOW))
        _check_rejected(after, worth, asked)
    elif what == "refused" and return_settlement.refused(after, asked):
        again = return_settlement.retried(world.order, after, asked, world.payments, NOW)
        _take(world, again, (Outcome.SUCCEEDED,))
        after = _kept(world, again.after)
    asked = [one for one in world.transactions if one.id in after.transaction_ids]
    if after.status is ReturnStatus.INSPECTED and return_settlement.is_given_back(after, asked):
        _kept(world, return_settlement.closed(after, NOW))


def _adjustment(world: World, worth: Worth, what: str, units: int) -> Adjustment | None:
    """Return what staff deduct or waive: a seventh of what they may for each unit, all of it for seven."""
    most = {"deduct": worth.refund_minor, "waive": worth.fee_minor}.get(what, 0)
    minor = most * units // 7
    if not minor:
        return None
    amount = Amount(Money(minor, world.order.currency).amount, world.order.currency)
    asked = AskedAdjustment("A part is missing.", **{what: amount})
    return return_adjustments.checked(asked, worth, world.order.currency)


def _check_worth(after: Return, worth: Worth, brings: int) -> None:
    """What is given back, kept and paid for what came back agree, whatever staff changed of it."""
    assert after.refund_minor == brings == worth.refund_minor + after.adjustment_minor
    assert after.refund_minor + after.fee_minor == worth.gross_minor
    assert after.shipping_refund_minor == worth.shipping_minor
    kept_of_all = after.fee_minor - sum(
        one.goods_minor - line.refund_minor for one, line in zip(worth.lines, after.lines, strict=True)
    )
    assert kept_of_all >= 0
    assert all(
        0 <= line.refund_minor <= one.goods_minor for one, line in zip(worth.lines, after.lines, strict=True)
    )


def _check_rejected(after: Return, worth: Worth, asked: Sequence[PaymentTransaction]) -> None:
    """Of what providers refused in part, what was given is shared out over the lines and the delivery."""
    given = sum(one.amount_minor for one in asked if return_settlement.is_given(one))
    assert after.refund_minor == after.credit_minor + given
    assert after.refund_minor == sum(line.refund_minor for line in after.lines) + after.shipping_refund_minor
    assert 0 <= after.shipping_refund_minor <= worth.shipping_minor
    pairs = zip(after.lines, worth.lines, strict=True)
    assert all(line.refund_minor <= one.goods_minor for line, one in pairs)


def _take(world: World, made: return_settlement.Settlement, outcomes: Sequence[Outcome]) -> None:
    if made.credit is not None:
        world.payments = applied(world.payments, made.credit)
    world.payments = payment_changes.replaced(world.payments, made.changes)
    world.transactions += [one.transaction for one in made.changes]
    opened = [change for change in made.changes if change.is_open]
    for change, outcome in zip(opened, cycle(outcomes), strict=False):
        payment = next(one for one in world.payments if one.id == change.payment.id)
        known = [one for one in world.transactions if one.payment_id == payment.id]
        amount = change.transaction.amount_minor
        fact = Fact(TransactionKind.REFUND, outcome, amount, None, f"r{change.transaction.id}")
        told = apply(payment, known, fact, NOW, transaction_id=change.transaction.id)
        assert told is not None
        world.payments = payment_changes.replaced(world.payments, [told])
        world.transactions = [
            told.transaction if one.id == told.transaction.id else one for one in world.transactions
        ]


def _staff_refund(world: World, amount: int) -> None:
    for at, payment in enumerate(world.payments):
        if payment.refundable_minor >= amount:
            after = replace(payment, refunded_minor=payment.refunded_minor + amount)
            world.payments[at] = replace(after, status=payment_changes.status_of(after))
            return


def _kept(world: World, found: Return) -> Return:
    world.returns = [one for one in world.returns if one.id != found.id] + [found]
    return found


def _check(world: World) -> None:
    assert world.given_back <= world.captured
    for payment in world.payments:
        back = payment.refunded_minor + payment.refunding_minor + payment.credited_minor
        assert 0 <= back <= payment.captured_minor
        assert payment.refundable_minor == payment.captured_minor - back
    assert sum(one.refund_minor for one in world.returns) <= world.order.total_minor
    for one in world.returns:
        assert min(one.refund_minor, one.fee_minor, one.shipping_refund_minor, one.bonus_minor) >= 0
        assert all(line.refund_minor >= 0 for line in one.lines)
        if one.status is ReturnStatus.CLOSED:
            assert all(line.outcome is not None for line in one.lines)
    _check_units(world.lines, world.returns)
    _check_stock(world)


def _check_units(lines: Sequence[OrderLine], returns: Sequence[Return]) -> None:
    back: dict[UUID, int] = {}
    for one in returns:
        for line in one.lines:
            settled = one.status in SETTLED and not one.keeps_items
            units = line.quantity_accepted if settled else line.quantity
            back[line.order_line_id] = back.get(line.order_line_id, 0) + units
    assert all(back.get(line.id, 0) <= line.quantity_shipped for line in lines)


def _check_stock(world: World) -> None:
    """Assert that stock moved as units were found, and what is not ours is none of it."""
    looks = [look for one in world.returns for line in one.lines for look in line.inspections]
    came = [look for look in looks if look.disposition is not Disposition.MISSING]
    ours = [look for look in came if look.grade is not Grade.NOT_OURS]
    found = {
        StockState.CUSTOMER: -sum(look.quantity for look in came),
        StockState.ADJUSTMENT: sum(look.quantity for look in came) - sum(look.quantity for look in ours),
        StockState.AVAILABLE: _of(ours, Disposition.RESTOCKED),
        StockState.DAMAGED: _of(ours, Disposition.NOT_RESTOCKED),
        StockState.QUALITY_CONTROL: _of(ours, Disposition.PROCESSING_REQUIRED),
    }
    for state, units in found.items():
        assert sum(_moved(one, state) for one in world.movements) == units, state


def _of(looks: Sequence[Inspection], disposition: Disposition) -> int:
    return sum(look.quantity for look in looks if look.disposition is disposition)


def _moved(movement: Movement, state: StockState) -> int:
    gained = movement.quantity if movement.to_state is state else 0
    return gained - (movement.quantity if movement.from_state is state else 0)
