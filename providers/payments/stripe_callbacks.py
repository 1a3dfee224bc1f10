"""What Stripe tells by itself (webhooks), as movements of our payments.

Facts about the same movement have the same `change_reference` and the same amount, in whatever event they
come: several events of Stripe's tell of one capture.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final

import orjson
import stripe

from domain.kernel.errors import InvalidInput
from domain.payments import TransactionKind
from domain.ports import CallbackRefused, Outcome, ProviderEvent
from providers.payments.stripe_objects import (
    KEY_FIELD,
    Object,
    capture_reference,
    captured_elsewhere,
    captures_of,
    decline_code_of,
    from_stripe,
    given_up,
    is_our_key,
    uncaptured,
)

TOLERANCE_SECONDS: Final = 300
"""How old the time in a signature may be; Stripe signs each delivery anew."""


def read(secret: str | None, headers: Mapping[str, str], body: bytes) -> Sequence[ProviderEvent]:
    """Return what a webhook tells; raises CallbackRefused, and ValueError for what cannot be read.

    Its age is measured by the machine's clock, inside Stripe's library.
    """
    try:
        stripe.Webhook.construct_event(body, headers.get("stripe-signature"), secret, TOLERANCE_SECONDS)
        event = orjson.loads(body)
        tell = _TOLD.get(event["type"])
        told = list(tell(event, event["data"]["object"])) if tell else []
    except (stripe.SignatureVerificationError, UnicodeDecodeError):
        # Without the cause, which repeats header and body.
        raise CallbackRefused from None
    except (KeyError, TypeError, AttributeError, InvalidInput) as error:
        raise ValueError("not an event as Stripe describes it") from error
    return told


def _authorized(event: Object, intent: Object) -> Iterator[ProviderEvent]:
    if not _is_ours(intent):
        return
    yield _of_intent(event, intent, TransactionKind.AUTHORIZATION, Outcome.SUCCEEDED)
    yield from _captured(event, intent)


def _failed(event: Object, intent: Object) -> Iterator[ProviderEvent]:
    if _is_ours(intent):
        yield _of_intent(
            event,
            intent,
            TransactionKind.AUTHORIZATION,
            Outcome.DECLINED,
            decline_code=decline_code_of(intent),
        )


def _canceled(event: Object, intent: Object) -> Iterator[ProviderEvent]:
    if _is_ours(intent):
        yield _rest_given_up(event, intent)
        yield from _captured(event, intent)


def _succeeded(event: Object, intent: Object) -> Iterator[ProviderEvent]:
    """Tell of all captures; what was reserved beyond them is given up with the last."""
    if _is_ours(intent):
        yield from _captured(event, intent)
        if given_up(intent):
            yield _rest_given_up(event, intent)


def _rest_given_up(event: Object, intent: Object) -> ProviderEvent:
    name, rest = intent["id"], uncaptured(intent)
    return _fact(event, TransactionKind.VOID, Outcome.SUCCEEDED, name, name, rest, intent["currency"])


def _captured(event: Object, intent: Object) -> Iterator[ProviderEvent]:
    """Tell of every capture so far: each that we asked for, and the rest, taken in Stripe's own pages."""
    for one in captures_of(intent):
        yield ProviderEvent(
            f"{event['id']}/{one.reference}",
            TransactionKind.CAPTURE,
            Outcome.SUCCEEDED,
            intent["id"],
            one.reference,
            one.amount,
            _moment(event),
            one.key,
        )
    elsewhere = captured_elsewhere(intent)
    if elsewhere:
        charge = intent["latest_charge"]
        name = charge["id"] if isinstance(charge, Mapping) else charge
        yield _fact(
            event,
            TransactionKind.CAPTURE,
            Outcome.SUCCEEDED,
            intent["id"],
            name,
            elsewhere,
            intent["currency"],
        )


def _charge_captured(event: Object, charge: Object) -> Iterator[ProviderEvent]:
    """Tell of the only capture of a charge, where we asked for it; of several `_charge_updated` tells."""
    card = (charge.get("payment_method_details") or {}).get("card") or {}
    if (card.get("multicapture") or {}).get("status") != "available":
        yield from _capture_of_charge(event, charge, charge["amount_captured"])


def _charge_updated(event: Object, charge: Object) -> Iterator[ProviderEvent]:
    """Tell of one of several captures of a charge, where we asked for it."""
    before = event["data"].get("previous_attributes") or {}
    if "amount_captured" in before:
        yield from _capture_of_charge(event, charge, charge["amount_captured"] - before["amount_captured"])


def _capture_of_charge(event: Object, charge: Object, amount: int) -> Iterator[ProviderEvent]:
    key = (event.get("request") or {}).get("idempotency_key")
    if amount <= 0 or not is_our_key(key) or not _is_ours(charge):
        return
    intent = _id(charge["payment_intent"])
    yield _fact(
        event,
        TransactionKind.CAPTURE,
        Outcome.SUCCEEDED,
        intent,
        capture_reference(intent, key),
        amount,
        charge["currency"],
        key=key,
    )


_REFUND_OUTCOMES: Mapping[str, Outcome] = MappingProxyType(
    {"succeeded": Outcome.SUCCEEDED, "failed": Outcome.DECLINED, "canceled": Outcome.DECLINED}
)


def _refunded(event: Object, refund: Object) -> Iterator[ProviderEvent]:
    outcome = _REFUND_OUTCOMES.get(refund["status"])
    if outcome is None or not refund.get("payment_intent"):
        return
    failed = outcome is Outcome.DECLINED
    yield _fact(
        event,
        TransactionKind.REFUND,
        outcome,
        _id(refund["payment_intent"]),
        refund["id"],
        refund["amount"],
        refund["currency"],
        key=(refund.get("metadata") or {}).get(KEY_FIELD),
        decline_code=str(refund.get("failure_reason") or refund["status"]) if failed else None,
    )


_DISPUTE_OUTCOMES: Mapping[str, Outcome] = MappingProxyType(
    {
        # An inquiry (warning_...) takes no money; a dispute takes it when it opens, and gives it back if won.
        "needs_response": Outcome.SUCCEEDED,
        "under_review": Outcome.SUCCEEDED,
        "lost": Outcome.SUCCEEDED,
        "won": Outcome.DECLINED,
    }
)


def _disputed(event: Object, dispute: Object) -> Iterator[ProviderEvent]:
    outcome = _DISPUTE_OUTCOMES.get(dispute["status"])
    if outcome is None or not dispute.get("payment_intent"):
        return
    yield _fact(
        event,
        TransactionKind.CHARGEBACK,
        outcome,
        _id(dispute["payment_intent"]),
        dispute["id"],
        dispute["amount"],
        dispute["currency"],
        decline_code="won" if outcome is Outcome.DECLINED else None,
    )


_TOLD: Mapping[str, Callable[[Object, Object], Iterator[ProviderEvent]]] = MappingProxyType(
    {
        "payment_intent.amount_capturable_updated": _authorized,
        "payment_intent.payment_failed": _failed,
        "payment_intent.canceled": _canceled,
        "payment_intent.succeeded": _succeeded,
        "charge.captured": _charge_captured,
        "charge.updated": _charge_updated,
        "refund.created": _refunded,
        "refund.updated": _refunded,
        "refund.failed": _refunded,
        # What older versions of the API call refund.updated.
        "charge.refund.updated": _refunded,
        "charge.dispute.created": _disputed,
        "charge.dispute.closed": _disputed,
    }
)


def _of_intent(
    event: Object,
    intent: Object,
    kind: TransactionKind,
    outcome: Outcome,
    *,
    decline_code: str | None = None,
) -> ProviderEvent:
    return _fact(
        event,
        kind,
        outcome,
        intent["id"],
        intent["id"],
        intent["amount"],
        intent["currency"],
        key=intent["metadata"][KEY_FIELD],
        decline_code=decline_code,
    )


def _fact(
    event: Object,
    kind: TransactionKind,
    outcome: Outcome,
    reference: str,
    change_reference: str,
    amount: int,
    currency: str,
    *,
    key: str | None = None,
    decline_code: str | None = None,
) -> ProviderEvent:
    # One event of Stripe's can tell of several movements, and each is a fact of its own.
    name = event["id"] if kind is not TransactionKind.CAPTURE else f"{event['id']}/{change_reference}"
    money = from_stripe(amount, currency)
    return ProviderEvent(
        name, kind, outcome, reference, change_reference, money, _moment(event), key, decline_code
    )


def _is_ours(thing: Object) -> bool:
    """Whether a payment intent or charge was asked for by us; others use the same account."""
    return KEY_FIELD in (thing.get("metadata") or {})


def _moment(event: Object) -> datetime:
    return datetime.fromtimestamp(event["created"], UTC)


def _id(named: str | Object) -> str:
    return named if isinstance(named, str) else str(named["id"])
