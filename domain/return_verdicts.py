"""The verdict on a return: what each record says of it, and what follows from all of them together.

Every record that is looked at gives findings, each with what it found and what that means. One finding
that asks for a person sends the return to staff, whatever the others say: so records that disagree always do.
It is declined only where something forbids it and nothing raises a doubt, and approved only where nothing
does either. Notes and pictures are the asker's own words: nothing here reads them.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from domain.orders import OrderStatus
from domain.payments import IMPORTED, MANUAL, OWN_TENDERS, Payment
from domain.ports import DisputeState, PaymentRecord
from domain.return_evidence import Case, Check, Decision, Finding, Record, Verdict
from domain.return_policies import deadline
from domain.return_requests import LineEligibility
from domain.returns import SHOPS_FAULT, Grade, LineOutcome, Return, ReturnLine, ReturnReason, ReturnStatus
from domain.shipments import Shipment, ShipmentStatus

# fmt: off
_EU = frozenset((
    "AT", "BE", "BG", "HR", "CY", "CZ", "DK", "EE", "FI", "FR", "DE", "GR", "HU", "IE", "IT", "LV", "LT",
    "LU", "MT", "NL", "PL", "PT", "RO", "SK", "SI", "ES", "SE",
))
# fmt: on
WITHDRAWAL_DAYS: Mapping[str, int] = {**dict.fromkeys(_EU, 14), "BR": 7}
"""Days after receipt in which the law lets consumers send back what they bought at a distance.

EU: directive 2011/83, article 9. Brazil: law 8.078/1990, article 49.
"""

LATE_BY = timedelta(days=14)
"""How long after its deadline a return may arrive and nobody looks: it was handed in on the last day."""
RATE_FROM_ORDERS = 3
"""Orders of a customer that were sent before a share of returns says anything."""
RATE = 2
"""It is told where one order of so many, or more, came back. It is no fraud: nothing follows by default."""
_UNUSED = frozenset({Grade.AS_NEW, Grade.OPENED})
_FAULTY = frozenset({Grade.DAMAGED})
CONFIRMED_BY: Mapping[ReturnReason, frozenset[Grade]] = {
    **dict.fromkeys(ReturnReason, _UNUSED),
    ReturnReason.DEFECTIVE: _FAULTY,
    ReturnReason.DAMAGED_IN_TRANSIT: _FAULTY,
    # What is here is what was sold, and so not what was said.
    ReturnReason.WRONG_ITEM: frozenset(),
    ReturnReason.NOT_DELIVERED: frozenset(),
}
"""The grades that bear out what was said of a unit; any other is a disagreement."""


def judge(case: Case, now: datetime) -> Verdict:
    """Return whether a return that is asked for may be sent, and its money given back when it is here."""
    findings = [
        *_order(case),
        *_policy(case),
        *_carrier(case),
        *_provider(case),
        *_customer(case),
        *_earlier(case),
    ]
    return Verdict.of(findings, now)


def judge_refund(case: Case, now: datetime) -> Verdict:
    """Return whether the money of a return that was looked at may be given back by itself."""
    findings = [
        *_inspection(case),
        *_order(case),
        *_value(case),
        *_provider(case),
        *_customer(case),
        *_earlier(case),
    ]
    return Verdict.of(findings, now)


def _order(case: Case) -> list[Finding]:
    order = case.order
    captured = sum(one.captured_minor for one in case.payments if one.counts)
    facts = {"status": order.status.value, "capturedMinor": captured, "totalMinor": order.total_minor}
    found = []
    if order.status not in {OrderStatus.OPEN, OrderStatus.COMPLETED}:
        found.append(case.finding(Record.ORDER, Check.ORDER_ENDED, **facts))
    paid = Check.PAID if captured >= order.total_minor else Check.NOT_PAID
    return [*found, case.finding(Record.ORDER, paid, **facts)]


def _policy(case: Case) -> list[Finding]:
    by_line = {one.line.id: one for one in case.eligible}
    by_part = [_policy_of(case, line, by_line[line.order_line_id]) for line in case.found.lines]
    found = [one for part in by_part for one in part]
    declined = [any(one.decision is Decision.DECLINE for one in part) for part in by_part]
    partly = [one.facts["sku"] for one in found if one.facts.get("inWindow", 0) > 0]
    if any(declined) and (partly or not all(declined)):
        # Some of it may come back: a person talks with whoever asks, instead of declining all.
        fine = [line.sku for line, no in zip(case.found.lines, declined, strict=True) if not no]
        found.append(case.finding(Record.POLICY, Check.PARTLY_FORBIDDEN, allowed=[*fine, *partly]))
    if not found:
        windows = {one.sku: by_line[one.order_line_id].policy.window_days for one in case.found.lines}
        found.append(case.finding(Record.POLICY, Check.WITHIN_POLICY, windowDays=windows))
    # Where nothing may come back, what it would bring raises no question.
    return found if all(declined) else [*found, *_value(case)]


def _policy_of(case: Case, line: ReturnLine, eligible: LineEligibility) -> list[Finding]:
    policy, asked_at = eligible.policy, case.found.created_at
    units = sum(one.quantity for one in case.found.lines if one.order_line_id == line.order_line_id)
    until = [deadline(policy, at).isoformat() for at, _ in eligible.rest.delivered]
    in_window = eligible.rest.in_window(policy, asked_at)
    facts: dict[str, Any] = {"sku": line.sku, "askedAt": asked_at.isoformat(), "until": until}
    broken = []
    if policy.final_sale:
        broken.append(Check.FINAL_SALE)
    elif eligible.rest.delivered_units >= units > in_window:
        broken.append(Check.WINDOW_OVER)
        facts["inWindow"] = in_window
    found = [case.finding(Record.POLICY, check, **facts) for check in broken]
    if broken and line.reason in SHOPS_FAULT:
        found.append(
            case.finding(Record.POLICY, Check.FAULT_OUTSIDE_POLICY, reason=line.reason.value, **facts)
        )
    country = case.order.shipping_address.country
    if broken and _may_withdraw(case, country):
        found.append(case.finding(Record.ORDER, Check.RIGHT_OF_WITHDRAWAL, country=country, **facts))
    return found


def _may_withdraw(case: Case, country: str) -> bool:
    days = WITHDRAWAL_DAYS.get(country)
    if days is None:
        return False
    arrived = [one.delivered_at for one in case.shipments if one.delivered_at is not None]
    # Whole days after the day of receipt, in whatever zone the customer lives.
    return not arrived or case.found.created_at <= max(arrived) + timedelta(days=days + 1)


def _value(case: Case) -> list[Finding]:
    # All of an order counts: a limit that each piece met anew would be none.
    before = sum(case.before.values())
    worth = before + case.worth_minor
    facts = {"worthMinor": case.worth_minor, "beforeMinor": before, "mostMinor": case.auto_refund_most_minor}
    within = worth <= case.auto_refund_most_minor
    limit = Check.WITHIN_AUTO_REFUND if within else Check.ABOVE_AUTO_REFUND
    found = [case.finding(Record.POLICY, limit, **facts)]
    found += _by_hand(case)
    left = sum(max(0, one.refundable_minor) for one in case.payments)
    if case.worth_minor > left:
        found.append(
            case.finding(
                Record.ORDER, Check.NOTHING_TO_REFUND, worthMinor=case.worth_minor, refundableMinor=left
            )
        )
    return found


def _by_hand(case: Case) -> list[Finding]:
    """Say where money was given back that no return brought: it may have been for these very units."""
    live = [one for one in case.payments if one.counts]
    captured = sum(one.captured_minor for one in live)
    back = sum(one.refunded_minor + one.refunding_minor + one.credited_minor for one in live)
    returned = case.order.return_refund_minor
    # What an edit gave back the order does not cost any more. Of what is not all paid nothing can be told.
    by_hand = case.order.cost_minor - captured + back
    if by_hand <= 0 or captured < case.order.total_minor:
        return []
    return [case.finding(Record.ORDER, Check.REFUNDED_BY_HAND, byHandMinor=by_hand, returnedMinor=returned)]


def _carrier(case: Case) -> list[Finding]:
    found = []
    parcels = [_parcel(one) for one in case.shipments]
    wanted = {line.order_line_id for line in case.found.lines}
    if any(line.reason is ReturnReason.NOT_DELIVERED for line in case.found.lines):
        found.append(case.finding(Record.CARRIER, Check.SAID_NOT_DELIVERED, parcels=parcels))
    for one in case.eligible:
        if one.line.id not in wanted:
            continue
        units = sum(line.quantity for line in case.found.lines if line.order_line_id == one.line.id)
        facts: dict[str, Any] = {"sku": one.line.sku, "asked": units}
        if one.sent < units:
            shipped = one.arrivals.shipped
            found.append(case.finding(Record.ORDER, Check.NOT_SHIPPED, shipped=shipped, **facts))
        if one.rest.delivered_units < units:
            facts.update(delivered=one.arrivals.delivered_units, claimed=one.claimed, parcels=parcels)
            found.append(case.finding(Record.CARRIER, Check.NOT_DELIVERED, **facts))
    late = {line.order_line_id for line in case.found.lines if line.reason is ReturnReason.LATE}
    if any(contradicts(one, case.found.created_at) for one in _carrying(case, wanted)) or any(
        _in_time(one) for one in _carrying(case, late)
    ):
        found.append(case.finding(Record.CARRIER, Check.CARRIER_CONTRADICTS, parcels=parcels))
    return found or [case.finding(Record.CARRIER, Check.DELIVERED, parcels=parcels)]


def _carrying(case: Case, wanted: set[Any]) -> list[Shipment]:
    return [one for one in case.shipments if any(line.order_line_id in wanted for line in one.lines)]


def contradicts(parcel: Shipment, now: datetime) -> bool:
    """Say whether a carrier's word of a parcel does not fit itself: then it is no evidence."""
    if parcel.status in {ShipmentStatus.RETURN_TO_SENDER, ShipmentStatus.EXCEPTION}:
        return True
    if parcel.status is not ShipmentStatus.DELIVERED:
        return parcel.delivered_at is not None
    arrived = parcel.delivered_at
    if arrived is None or arrived > now:
        return True
    return parcel.shipped_at is not None and arrived < parcel.shipped_at


def _in_time(parcel: Shipment) -> bool:
    """Say whether a parcel arrived when it was promised: then it was not late."""
    arrived, promised = parcel.delivered_at, parcel.promised_until
    return arrived is not None and promised is not None and arrived <= promised


def _parcel(shipment: Shipment) -> dict[str, Any]:
    arrived = shipment.delivered_at
    return {
        "id": str(shipment.id),
        "carrier": shipment.carrier,
        "status": shipment.status.value,
        "deliveredAt": arrived.isoformat() if arrived else None,
    }


def _provider(case: Case) -> list[Finding]:
    found = payments_compared(case.payments, case.records)
    return [case.finding(Record.PROVIDER, check, **facts) for check, facts in found]


def payments_compared(
    payments: Sequence[Payment], records: Mapping[str, PaymentRecord | None]
) -> list[tuple[Check, dict[str, Any]]]:
    """Return what providers' records of payments (by our id; None: no answer) are against our books."""
    # What our books have not captured is asked for too: they may be wrong.
    return [
        _of_payment(payment, records.get(str(payment.id)))
        for payment in payments
        if payment.counts and (payment.captured_minor or payment.reference)
    ]


def _of_payment(payment: Payment, record: PaymentRecord | None) -> tuple[Check, dict[str, Any]]:
    facts: dict[str, Any] = {
        "paymentId": str(payment.id),
        "provider": payment.provider,
        "capturedMinor": payment.captured_minor,
        "refundedMinor": payment.refunded_minor,
    }
    if payment.charged_back_minor:
        return Check.DISPUTED, facts
    if payment.provider in OWN_TENDERS:
        return Check.PROVIDER_AGREES, facts
    if payment.provider in {MANUAL, IMPORTED}:
        return Check.PROVIDER_HAS_NO_RECORD, facts
    if record is None:
        return Check.PROVIDER_SILENT, facts
    facts["told"] = {
        "dispute": record.dispute.value,
        "capturedMinor": record.captured_minor,
        "refundedMinor": record.refunded_minor,
        "disputedMinor": record.disputed_minor,
        "currency": record.currency,
    }
    return _compared(payment, record), facts


def _compared(payment: Payment, record: PaymentRecord) -> Check:
    # Won or lost, a dispute has decided over this money once: a person looks what is still due.
    if record.dispute is not DisputeState.NONE:
        return Check.DISPUTED
    asked = payment.refunded_minor + payment.refunding_minor
    if record.refunded_minor > asked:
        return Check.REFUNDED_AT_PROVIDER
    agrees = (
        record.captured_minor == payment.captured_minor
        and record.refunded_minor >= payment.refunded_minor
        and record.currency == payment.currency
    )
    return Check.PROVIDER_AGREES if agrees else Check.PROVIDER_DISAGREES


def _customer(case: Case) -> list[Finding]:
    asker, bought_by = case.asker, case.order.email
    facts: dict[str, Any] = {"orders": asker.orders, "returned": asker.returned}
    if asker.verified:
        facts["verifiedBy"] = "ACCOUNT" if asker.account else "ORDER_TOKEN"
    if asker.account:
        facts["account"] = asker.account
    found = []
    if asker.email is not None and not same_email(asker.email, bought_by):
        found.append(case.finding(Record.CUSTOMER, Check.NOT_THE_BUYER, **facts))
    elif not asker.verified:
        found.append(case.finding(Record.CUSTOMER, Check.UNVERIFIED, **facts))
    if asker.fraud_notes:
        found.append(
            case.finding(Record.CUSTOMER, Check.FRAUD_BEFORE, notes=list(asker.fraud_notes), **facts)
        )
    if not found:
        found.append(case.finding(Record.CUSTOMER, Check.IS_BUYER, **facts))
    if asker.orders >= RATE_FROM_ORDERS and asker.returned * RATE >= asker.orders:
        found.append(case.finding(Record.CUSTOMER, Check.RETURN_RATE, **facts))
    return found


def same_email(given: str, known: str | None) -> bool:
    """Say whether two addresses are one: but for case and blanks around them, to the letter."""
    return known is not None and given.strip().lower() == known.strip().lower()


def _earlier(case: Case) -> list[Finding]:
    earlier = [one for one in case.earlier if one.status is not ReturnStatus.CANCELED]
    facts = {"returns": [{"number": one.number, "status": one.status.value} for one in earlier]}
    outcomes = {(line.order_line_id, line.outcome) for one in earlier for line in one.lines}
    found = []
    if any(is_refused(one) for one in earlier):
        found.append(case.finding(Record.EARLIER_RETURNS, Check.REFUSED_BEFORE, **facts))
    # One that was given up counts where what replaces it is owed: it has left, and was not paid for.
    given_up = [one for one in case.earlier if one.status is ReturnStatus.CANCELED and one.owes_replacement]
    replaced = {line.order_line_id for one in given_up for line in one.lines}
    replaced |= {line_id for line_id, outcome in outcomes if outcome is LineOutcome.EXCHANGED}
    if any(line.order_line_id in replaced for line in case.found.lines):
        found.append(case.finding(Record.EARLIER_RETURNS, Check.EXCHANGED_BEFORE, **facts))
    kept = sum(
        case.before.get(one.id, 0) for one in earlier if one.keeps_items and one.id not in case.of_claims
    )
    asked = case.found.id not in case.of_claims
    if asked and kept and case.worth_minor < case.keep_below_minor <= kept + case.worth_minor:
        # At once it would have to be sent; in pieces all of it would be kept.
        amounts = {"keptMinor": kept, "worthMinor": case.worth_minor, "belowMinor": case.keep_below_minor}
        found.append(case.finding(Record.EARLIER_RETURNS, Check.KEPT_IN_PIECES, **amounts, **facts))
    check = Check.RETURNED_BEFORE if earlier else Check.NOTHING_BEFORE
    return found or [case.finding(Record.EARLIER_RETURNS, check, **facts)]


def is_refused(earlier: Return) -> bool:
    """Say whether a return was declined, or nothing was given back for something of it."""
    rejected = any(line.outcome is LineOutcome.REJECTED for line in earlier.lines)
    return earlier.status is ReturnStatus.DECLINED or rejected


def _inspection(case: Case) -> list[Finding]:
    if case.found.keeps_items:
        return []
    wrong = []
    for line in case.found.lines:
        fine = CONFIRMED_BY[line.reason]
        as_asked = all(one.is_ours and one.grade in fine for one in line.inspections)
        if not as_asked or line.quantity_accepted != line.quantity or case.found.surplus:
            wrong.append(line)
    looked_at = [
        {
            "sku": line.sku,
            "reason": line.reason.value,
            "asked": line.quantity,
            "accepted": line.quantity_accepted,
            "grades": sorted({one.grade.value for one in line.inspections}),
        }
        for line in (wrong or case.found.lines)
    ]
    facts: dict[str, Any] = {"lines": looked_at}
    if case.found.surplus:
        # More came than was asked for: somebody asks whether all of it was meant.
        facts["surplus"] = case.found.surplus
    check = Check.NOT_AS_EXPECTED if wrong else Check.AS_EXPECTED
    return [case.finding(Record.INSPECTION, check, **facts), *_late(case)]


def _late(case: Case) -> list[Finding]:
    until, arrived = case.found.expires_at, case.found.received_at
    if until is None or arrived is None or arrived <= until + LATE_BY:
        return []
    facts = {"expiresAt": until.isoformat(), "receivedAt": arrived.isoformat()}
    return [case.finding(Record.POLICY, Check.ARRIVED_LATE, **facts)]
