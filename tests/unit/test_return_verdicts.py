"""Verdicts on returns, rule by rule."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from domain.payments import IMPORTED, MANUAL
from domain.ports import PaymentRecord
from domain.return_evidence import Asker, Case, Check, Decision, Record
from domain.return_policies import ReturnPolicy
from domain.return_requests import eligibility
from domain.return_verdicts import judge, judge_refund
from domain.returns import Grade, ReturnReason, ReturnStatus
from tests.return_cases import (
    DOUBTS,
    LINE,
    NOW,
    PAID,
    PAYMENT,
    UNITS,
    WORTH,
    after,
    honest,
    inspected,
    line_of,
    paid,
    parcel,
    told,
)


def _checks(case: Case) -> set[Check]:
    return {one.check for one in judge(case, NOW).findings}


def test_an_honest_request_is_approved_by_what_every_record_says() -> None:
    verdict = judge(honest(), NOW)
    assert verdict.decision is Decision.APPROVE
    assert {one.record for one in verdict.findings} == set(Record) - {Record.INSPECTION}
    assert all(one.facts for one in verdict.findings)


@pytest.mark.parametrize("doubt", DOUBTS.values(), ids=DOUBTS.keys())
def test_each_disagreement_alone_is_for_staff(doubt: Callable[[Case], Case]) -> None:
    assert judge(doubt(honest()), NOW).decision is Decision.ASK_STAFF


def test_a_doubt_wins_over_what_the_policy_forbids() -> None:
    late = honest(ReturnPolicy(auto_refund_most_minor=PAID, window_days=1))
    assert judge(late, NOW).decision is Decision.DECLINE
    unsure = replace(late, asker=Asker("eve@example.com", True))
    assert judge(unsure, NOW).decision is Decision.ASK_STAFF


def test_what_is_partly_out_of_policy_is_talked_about() -> None:
    policy = ReturnPolicy(auto_refund_most_minor=PAID, window_days=14)
    case = honest(policy)
    (first,) = case.shipments
    old = replace(first, id=LINE, delivered_at=NOW - timedelta(days=15), shipped_at=NOW - timedelta(days=16))
    (one,) = case.eligible
    halves = [
        replace(found, lines=(replace(found.lines[0], quantity=units),))
        for found, units in ((old, 2), (first, 3))
    ]
    eligible = eligibility([one.line], halves, [], {LINE: policy}, NOW)
    case = replace(case, shipments=halves, eligible=eligible)
    assert judge(line_of(case, quantity=3), NOW).decision is Decision.APPROVE
    partly = line_of(case, quantity=4)
    assert judge(partly, NOW).decision is Decision.ASK_STAFF
    assert Check.PARTLY_FORBIDDEN in _checks(partly)
    gone = eligibility([one.line], halves[:1], [], {LINE: policy}, NOW)
    assert judge(line_of(replace(case, eligible=gone), quantity=2), NOW).decision is Decision.DECLINE


@pytest.mark.parametrize(
    ("country", "days_ago", "decision"),
    [
        ("DE", 14.9, Decision.ASK_STAFF),
        ("DE", 15.1, Decision.DECLINE),
        ("BR", 7.9, Decision.ASK_STAFF),
        ("BR", 8.1, Decision.DECLINE),
        ("US", 2.0, Decision.DECLINE),
    ],
)
def test_the_right_to_withdraw_is_looked_at_until_its_last_day_is_over(
    country: str, days_ago: float, decision: Decision
) -> None:
    policy = ReturnPolicy(auto_refund_most_minor=PAID, window_days=1)
    arrived = NOW - timedelta(days=days_ago)
    case = parcel(honest(policy), shipped_at=arrived - timedelta(days=1), delivered_at=arrived)
    address = replace(case.order.shipping_address, country=country)
    case = replace(case, order=replace(case.order, shipping_address=address))
    assert judge(case, NOW).decision is decision


def test_a_limit_counts_what_all_returns_of_the_order_bring_those_undecided_too() -> None:
    policy = ReturnPolicy(auto_refund_most_minor=2 * WORTH)
    assert judge(after(honest(policy), brings=WORTH), NOW).decision is Decision.APPROVE
    above = after(honest(policy), brings=WORTH + 1)
    assert judge(above, NOW).decision is Decision.ASK_STAFF
    assert judge_refund(inspected(above, Grade.AS_NEW), NOW).decision is Decision.ASK_STAFF


def test_cheap_units_are_not_kept_one_by_one() -> None:
    cheap = honest(keep_below_minor=WORTH + 1)
    assert judge(cheap, NOW).decision is Decision.APPROVE
    assert judge(after(cheap, status=ReturnStatus.CLOSED), NOW).decision is Decision.APPROVE
    kept = after(cheap, status=ReturnStatus.CLOSED, keeps_items=True)
    assert Check.KEPT_IN_PIECES in _checks(kept)
    # Together exactly what has to be sent.
    assert Check.KEPT_IN_PIECES in _checks(replace(kept, keep_below_minor=2 * WORTH))
    assert Check.KEPT_IN_PIECES not in _checks(replace(kept, keep_below_minor=2 * WORTH + 1))
    assert judge(kept, NOW).decision is Decision.ASK_STAFF


def test_what_was_never_sent_is_for_staff_or_declined_where_the_shop_says_so() -> None:
    (one,) = honest().eligible
    unsent = eligibility([replace(one.line, quantity_shipped=0)], [], [], {LINE: one.policy}, NOW)
    case = honest(eligible=unsent, shipments=[])
    assert judge(case, NOW).decision is Decision.ASK_STAFF
    assert {Check.NOT_SHIPPED, Check.NOT_DELIVERED} <= _checks(case)


def test_a_refund_under_way_is_no_disagreement_whether_or_not_the_provider_has_it() -> None:
    case = honest()
    asked = replace(
        case,
        payments=[replace(case.payments[0], refunding_minor=WORTH)],
        order=replace(case.order, return_refund_minor=WORTH),
    )
    for refunded in (0, WORTH):
        assert judge(told(asked, refunded_minor=refunded), NOW).decision is Decision.APPROVE
    assert judge(told(asked, refunded_minor=WORTH + 1), NOW).decision is Decision.ASK_STAFF


def test_money_that_our_books_do_not_have_is_found_at_the_provider() -> None:
    case = honest()
    unpaid = replace(case, payments=[replace(case.payments[0], captured_minor=0)])
    findings = judge(unpaid, NOW).findings
    assert {Check.NOT_PAID, Check.PROVIDER_DISAGREES} <= {one.check for one in findings}
    agreed = replace(unpaid, records={str(PAYMENT): PaymentRecord("USD", 0, 0)})
    assert Check.PROVIDER_AGREES in _checks(agreed)


@pytest.mark.parametrize(
    ("orders", "returned", "told_so"), [(2, 2, False), (3, 1, False), (3, 2, True), (4, 2, True)]
)
def test_a_high_rate_of_returns_is_told_and_refuses_nothing(
    orders: int, returned: int, told_so: bool
) -> None:
    case = honest(asker=Asker(None, True, (), orders, returned))
    assert judge(case, NOW).decision is Decision.APPROVE
    assert (Check.RETURN_RATE in _checks(case)) is told_so
    strict = replace(case, actions={Check.RETURN_RATE: Decision.ASK_STAFF})
    assert (judge(strict, NOW).decision is Decision.ASK_STAFF) is told_so


@pytest.mark.parametrize(
    ("reason", "grade", "decision"),
    [
        (ReturnReason.SIZE, Grade.OPENED, Decision.APPROVE),
        (ReturnReason.SIZE, Grade.USED, Decision.ASK_STAFF),
        (ReturnReason.DEFECTIVE, Grade.DAMAGED, Decision.APPROVE),
        (ReturnReason.DEFECTIVE, Grade.USED, Decision.ASK_STAFF),
        (ReturnReason.DEFECTIVE, Grade.INCOMPLETE, Decision.ASK_STAFF),
        (ReturnReason.WRONG_ITEM, Grade.AS_NEW, Decision.ASK_STAFF),
        (ReturnReason.NOT_DELIVERED, Grade.AS_NEW, Decision.ASK_STAFF),
    ],
)
def test_what_is_found_has_to_bear_out_what_was_said(
    reason: ReturnReason, grade: Grade, decision: Decision
) -> None:
    case = inspected(line_of(honest(), reason=reason), grade)
    assert judge_refund(case, NOW).decision is decision


def test_less_than_was_announced_is_for_staff() -> None:
    case = line_of(inspected(honest(), Grade.AS_NEW, Grade.AS_NEW), quantity=UNITS)
    assert judge_refund(case, NOW).decision is Decision.ASK_STAFF


def test_less_left_than_it_is_worth_is_told_and_declined_where_the_shop_says_so() -> None:
    case = paid(honest(), refunded_minor=PAID - WORTH)
    case = replace(case, order=replace(case.order, return_refund_minor=PAID - WORTH))
    assert judge(case, NOW).decision is Decision.APPROVE
    short = replace(case, worth_minor=WORTH + 1)
    assert Check.NOTHING_TO_REFUND in _checks(short)
    no = replace(short, actions={Check.NOTHING_TO_REFUND: Decision.DECLINE})
    assert judge(no, NOW).decision is Decision.DECLINE


def test_money_that_neither_a_return_nor_an_edit_gave_back_is_told_unless_the_shop_is_fine_with_it() -> None:
    by_hand = paid(honest(), refunded_minor=300)
    finding = next(one for one in judge(by_hand, NOW).findings if one.check is Check.REFUNDED_BY_HAND)
    assert finding.facts == {"byHandMinor": 300, "returnedMinor": 0}
    assert judge(by_hand, NOW).decision is judge_refund(inspected(by_hand, Grade.AS_NEW), NOW).decision
    assert judge(by_hand, NOW).decision is Decision.ASK_STAFF
    fine = replace(by_hand, actions={Check.REFUNDED_BY_HAND: Decision.APPROVE})
    assert judge(fine, NOW).decision is Decision.APPROVE
    order = by_hand.order
    for explained in (replace(order, return_refund_minor=300), replace(order, total_minor=PAID - 300)):
        case = replace(by_hand, order=explained)
        assert Check.REFUNDED_BY_HAND not in _checks(case)
    # Of what was never paid in full it is not known for what something was given back.
    unpaid = _checks(paid(honest(), captured_minor=PAID - 1, refunded_minor=300))
    assert (Check.NOT_PAID in unpaid, Check.REFUNDED_BY_HAND in unpaid) == (True, False)


@pytest.mark.parametrize("provider", [MANUAL, IMPORTED])
def test_who_was_paid_outside_can_not_be_asked(provider: str) -> None:
    case = paid(honest(), provider=provider)
    assert Check.PROVIDER_HAS_NO_RECORD in _checks(case)


def test_what_comes_two_weeks_after_its_deadline_or_with_more_than_was_asked_for_is_for_staff() -> None:
    case = inspected(honest(), Grade.AS_NEW)
    for days, more, found in (
        (14, 0, set()),
        (15, 0, {Check.ARRIVED_LATE}),
        (0, 1, {Check.NOT_AS_EXPECTED}),
    ):
        here = replace(case.found, expires_at=NOW - timedelta(days=days), received_at=NOW, surplus=more)
        verdict = judge_refund(replace(case, found=here), NOW)
        assert {one.check for one in verdict.findings if one.decision is Decision.ASK_STAFF} == found


def test_a_parcel_that_arrives_before_it_was_sent_or_after_it_is_asked_back_is_no_evidence() -> None:
    early, late = parcel(honest(), shipped_at=NOW), parcel(honest(), delivered_at=NOW + timedelta(seconds=1))
    assert Check.CARRIER_CONTRADICTS in _checks(early) & _checks(late)


def test_what_came_when_it_was_promised_was_not_late() -> None:
    arrived = NOW - timedelta(days=10)
    late = line_of(honest(), reason=ReturnReason.LATE)
    assert judge(late, NOW).decision is Decision.APPROVE
    assert (
        judge(parcel(late, promised_until=arrived - timedelta(seconds=1)), NOW).decision is Decision.APPROVE
    )
    in_time = parcel(late, promised_until=arrived)
    assert Check.CARRIER_CONTRADICTS in _checks(in_time)
    assert judge(line_of(in_time, reason=ReturnReason.SIZE), NOW).decision is Decision.APPROVE
