"""How the money of a return ends: once, whoever asks for it again while a provider thinks."""

from dataclasses import replace
from uuid import UUID

import pytest

from domain.kernel.errors import AmountTooLarge, IllegalTransition
from domain.payment_facts import RECORDED_BEFORE
from domain.payments import MANUAL, TransactionStatus
from domain.return_credit import credit_of
from domain.return_evidence import Case
from domain.return_policies import LabelPayer, ReturnPolicy, ShippingRefund
from domain.return_settlement import refund, rejected, retried
from domain.return_worth import LineWorth, Worth, worth_of
from domain.returns import Grade, Return, ReturnReason, ReturnStatus
from tests.return_cases import NOW, PAID, UNITS, WORTH, honest, inspected, paid


def _looked_at() -> tuple[Case, Return, Worth]:
    case = inspected(honest(), Grade.AS_NEW)
    found = replace(case.found, status=ReturnStatus.INSPECTED)
    return case, found, Worth((LineWorth(found.lines[0].id, WORTH, 0),), 0, 0)


def test_money_that_is_asked_for_is_not_asked_for_again() -> None:
    case, found, worth = _looked_at()
    asked = refund(case.order, found, worth, case.payments, NOW, by_staff=False)
    assert (asked.after.status, len(asked.changes)) == (ReturnStatus.INSPECTED, 1)
    after = [asked.changes[0].payment]
    with pytest.raises(IllegalTransition):
        refund(case.order, asked.after, worth, after, NOW, by_staff=True)
    with pytest.raises(IllegalTransition):
        retried(case.order, asked.after, [asked.changes[0].transaction], after, NOW)
    # Its provider had told of it before it answered: given all the same.
    told = replace(
        asked.changes[0].transaction, status=TransactionStatus.FAILED, decline_code=RECORDED_BEFORE
    )
    with pytest.raises(IllegalTransition):
        retried(case.order, asked.after, [told], after, NOW)


def test_what_a_person_has_to_send_is_asked_for_by_staff_alone() -> None:
    case, found, worth = _looked_at()
    case = paid(case, provider=MANUAL)
    with pytest.raises(AmountTooLarge):
        refund(case.order, found, worth, case.payments, NOW, by_staff=False)
    (change,) = refund(case.order, found, worth, case.payments, NOW, by_staff=True).changes
    assert change.transaction.amount_minor == WORTH


def test_a_return_whose_money_is_given_is_not_ended_with_nothing() -> None:
    case, found, worth = _looked_at()
    asked = refund(case.order, found, worth, case.payments, NOW, by_staff=False)
    for status in (TransactionStatus.REQUESTED, TransactionStatus.SUCCEEDED):
        # Its process died before it was closed.
        given = replace(asked.changes[0].transaction, status=status)
        with pytest.raises(IllegalTransition):
            rejected(asked.after, [given], NOW)
    refused = replace(asked.changes[0].transaction, status=TransactionStatus.FAILED)
    ended = rejected(asked.after, [refused], NOW)
    assert (ended.status, ended.refund_minor) == (ReturnStatus.CLOSED, 0)


def test_units_beyond_those_that_were_sold_bring_nothing() -> None:
    case, found, _ = _looked_at()
    (one,) = case.eligible
    for before, brings in ((UNITS - 1, WORTH), (UNITS, 0), (UNITS + 1, 0)):
        worth = worth_of(case.order, [one.line], found, {one.line.id: before}, {}, 0, {})
        assert worth.lines[0].goods_minor == brings


@pytest.mark.parametrize("shipping", ShippingRefund)
def test_a_fault_of_one_unit_gives_back_its_own_share_of_the_delivery(shipping: ShippingRefund) -> None:
    case, found, _ = _looked_at()
    (one,) = case.eligible
    order, policy = replace(case.order, total_minor=PAID + 500), ReturnPolicy(shipping_refund=shipping)
    faulty = replace(found, lines=(replace(found.lines[0], reason=ReturnReason.DEFECTIVE),))
    told = []
    for asked, faults in ((faulty, 0), (faulty, 1), (found, 1)):
        # Two others came back before, of their buyer's own will.
        before = {one.line.id: 2 + faults}
        rules = {one.line.id: policy}
        worth = worth_of(order, [one.line], asked, before, {one.line.id: faults}, faults * 100, rules)
        told.append(worth.shipping_minor)
    if shipping is ShippingRefund.PROPORTIONAL:
        assert told == [300, 300, 300]
    else:
        assert told == [100, 100, 0]


def test_a_fault_of_what_did_not_come_saves_nobody_the_way_back() -> None:
    case, found, _ = _looked_at()
    (one,), (line,) = case.eligible, found.lines
    foreign = replace(line.inspections[0], id=UUID(int=30), line_id=UUID(int=31), grade=Grade.NOT_OURS)
    other = replace(line, id=UUID(int=31), reason=ReturnReason.DEFECTIVE, inspections=(foreign,))
    policy = ReturnPolicy(label_payer=LabelPayer.CUSTOMER, label_fee_minor=150)
    both = replace(found, lines=(line, other))
    for asked, fee in ((found, 150), (both, 150), (replace(found, keeps_items=True), 0)):
        worth = worth_of(case.order, [one.line], asked, {}, {}, 0, {one.line.id: policy})
        assert (worth.label_fee_minor, worth.refund_minor) == (fee, WORTH - fee)


def test_no_more_becomes_credit_than_is_left_of_what_was_paid() -> None:
    case = paid(honest(), refunded_minor=WORTH)
    (after,) = credit_of(case.payments, "USD", PAID - WORTH)
    assert (after.credited_minor, after.refundable_minor) == (PAID - WORTH, 0)
    with pytest.raises(AmountTooLarge):
        credit_of(case.payments, "USD", PAID - WORTH + 1)
