"""What Stripe has on record of a payment, to be compared with our own books."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

import stripe

from domain.ports import DisputeState, PaymentRecord, ProviderTimeout
from providers.payments.stripe_objects import Object, charge_of, from_stripe

_STATES: Final[Mapping[str, DisputeState]] = MappingProxyType(
    {
        "needs_response": DisputeState.OPEN,
        "under_review": DisputeState.OPEN,
        # Inquiries: the bank asks, and has taken nothing yet.
        "warning_needs_response": DisputeState.OPEN,
        "warning_under_review": DisputeState.OPEN,
        "warning_closed": DisputeState.NONE,
        "prevented": DisputeState.NONE,
        "won": DisputeState.WON,
        "lost": DisputeState.LOST,
    }
)
_WORST_FIRST: Final = (DisputeState.OPEN, DisputeState.LOST, DisputeState.WON)


async def of_intent(disputes: stripe.DisputeService, intent: Object) -> PaymentRecord:
    """Return what is on record of a payment intent whose `latest_charge` is expanded.

    A payment intent is paid by one charge, its last. Raises ProviderTimeout for amounts that cannot be ours.
    """
    charge, currency = charge_of(intent), intent["currency"]
    found: list[Object] = []
    if charge.get("disputed"):
        page = await disputes.list_async({"payment_intent": intent["id"], "limit": 100})
        found = [one.to_dict() for one in page.data]
    state, disputed = _disputes(found, currency)
    if charge.get("disputed") and not found:
        # It says so of itself, and lists none (yet): it is not settled.
        state, disputed = DisputeState.OPEN, charge["amount_captured"]
    try:
        captured, refunded, disputed_money = (
            from_stripe(amount, currency)
            for amount in (charge.get("amount_captured") or 0, charge.get("amount_refunded") or 0, disputed)
        )
    except ValueError:
        raise ProviderTimeout from None
    return PaymentRecord(
        captured.currency,
        captured.amount_minor,
        refunded.amount_minor,
        disputed_money.amount_minor,
        state,
    )


def _disputes(found: Iterable[Object], currency: str) -> tuple[DisputeState, int]:
    """Return how a payment's disputes stand, the worst of them, and their amount in Stripe's units."""
    # What is not known here (a status that came later) is open until somebody has looked.
    states = [(_STATES.get(one["status"], DisputeState.OPEN), one) for one in found]
    counted = [(state, one) for state, one in states if state is not DisputeState.NONE]
    amount = sum(one["amount"] for _, one in counted if one["currency"] == currency)
    known = {state for state, _ in counted}
    return next((state for state in _WORST_FIRST if state in known), DisputeState.NONE), amount
