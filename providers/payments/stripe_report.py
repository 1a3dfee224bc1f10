"""Stripe's record of what moved, read from its balance transactions."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from stripe import BalanceTransactionService
from stripe.params import BalanceTransactionListParams

from domain.payments import TransactionKind
from domain.ports import ReportLine
from providers.payments.stripe_objects import (
    KEY_FIELD,
    Capture,
    Object,
    captured_elsewhere,
    captures_of,
    from_stripe,
    moment_of,
)

_PAGE: Final = 100
_CAPTURES: Final = frozenset({"charge", "payment"})
_REFUNDS: Final = frozenset({"refund", "payment_refund"})


async def lines(service: BalanceTransactionService, since: datetime, until: datetime) -> list[ReportLine]:
    """Return what moved from `since` up to before `until`, in the currencies that shoppers paid in.

    Balance transactions are in the account's own currency, so amounts are those of the charges, refunds and
    disputes that they are of. A refund that failed and a dispute that was won moved nothing in the end.
    """
    found: list[ReportLine] = []
    captured: dict[str, list[Object]] = defaultdict(list)
    intents: dict[str, Object] = {}
    for one in await _all(service, since, until):
        source = one.get("source")
        if not isinstance(source, dict):
            continue
        if one["type"] in _REFUNDS and source["object"] == "refund":
            found += _refund(one, source)
        elif source["object"] == "dispute":
            found += _chargeback(one, source)
        elif one["type"] in _CAPTURES and isinstance(source.get("payment_intent"), dict):
            intent = {**source["payment_intent"], "latest_charge": source}
            intents[intent["id"]] = intent
            captured[intent["id"]].append(one)
    for name, transactions in captured.items():
        found += _captures(intents[name], transactions)
    return sorted(found, key=lambda line: line.occurred_at)


async def _all(service: BalanceTransactionService, since: datetime, until: datetime) -> list[Object]:
    params: BalanceTransactionListParams = {
        "created": {"gte": int(since.timestamp()), "lt": int(until.timestamp())},
        "limit": _PAGE,
        "expand": ["data.source", "data.source.payment_intent"],
    }
    found: list[Object] = []
    while True:
        page = await service.list_async(params)
        found += [one.to_dict() for one in page.data]
        if not page.has_more:
            return found
        params["starting_after"] = page.data[-1].id


def _refund(transaction: Object, refund: Object) -> list[ReportLine]:
    if refund["status"] in {"failed", "canceled"} or not refund.get("payment_intent"):
        return []
    return [
        ReportLine(
            TransactionKind.REFUND,
            _id(refund["payment_intent"]),
            refund["id"],
            from_stripe(refund["amount"], refund["currency"]),
            _moment(transaction),
            (refund.get("metadata") or {}).get(KEY_FIELD),
        )
    ]


def _chargeback(transaction: Object, dispute: Object) -> list[ReportLine]:
    # A dispute that was won has a second one, that gives the money back.
    if dispute["status"] == "won" or transaction["amount"] > 0 or not dispute.get("payment_intent"):
        return []
    return [
        ReportLine(
            TransactionKind.CHARGEBACK,
            _id(dispute["payment_intent"]),
            dispute["id"],
            from_stripe(dispute["amount"], dispute["currency"]),
            _moment(transaction),
        )
    ]


def _captures(intent: Object, transactions: Sequence[Object]) -> list[ReportLine]:
    """Tell which of its payment intent's captures each transaction of a charge is: the nearest in time."""
    if KEY_FIELD not in (intent.get("metadata") or {}):
        return []
    left = captures_of(intent)
    found = []
    for one in sorted(transactions, key=lambda each: int(each["created"])):
        if left:
            capture = min(left, key=lambda each: _apart(each, one))
            left.remove(capture)
            found.append(
                ReportLine(
                    TransactionKind.CAPTURE,
                    intent["id"],
                    capture.reference,
                    capture.amount,
                    _moment(one),
                    capture.key,
                )
            )
        elif captured_elsewhere(intent):
            amount = from_stripe(captured_elsewhere(intent), intent["currency"])
            charge = _id(intent["latest_charge"])
            found.append(ReportLine(TransactionKind.CAPTURE, intent["id"], charge, amount, _moment(one)))
    return found


def _apart(capture: Capture, transaction: Object) -> float:
    made = moment_of(capture.key)
    return abs(made.timestamp() - transaction["created"]) if made else 0.0


def _moment(transaction: Object) -> datetime:
    return datetime.fromtimestamp(transaction["created"], UTC)


def _id(named: str | Object) -> str:
    return named if isinstance(named, str) else str(named["id"])
