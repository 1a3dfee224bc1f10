"""Stripe's test payment methods, and what comes of each: https://docs.stripe.com/testing."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class Card:
    """How a test card behaves."""

    brand: str = "visa"
    last4: str = "4242"
    country: str = "US"
    decline: tuple[str, str | None] | None = None
    """The error's code and decline code."""
    authentication: bool = False
    """Whether the shopper has to prove who they are (3-D Secure)."""
    risk_score: int = 12
    review: bool = False
    refund: str = "succeeded"
    """The status of a refund when it is made; `late_failure` fails after it had succeeded."""
    disputed: bool = False


CARDS: Mapping[str, Card] = MappingProxyType(
    {
        "pm_card_visa": Card(),
        "pm_card_mastercard": Card("mastercard", "4444"),
        "pm_card_gb": Card(last4="0000", country="GB"),
        "pm_card_threeDSecure2Required": Card(last4="3220", authentication=True),
        "pm_card_authenticationRequired": Card(last4="3184", authentication=True),
        "pm_card_chargeDeclined": Card(last4="0002", decline=("card_declined", "generic_decline")),
        "pm_card_visa_chargeDeclinedInsufficientFunds": Card(
            last4="9995", decline=("card_declined", "insufficient_funds")
        ),
        "pm_card_chargeDeclinedExpiredCard": Card(last4="0069", decline=("expired_card", None)),
        "pm_card_riskLevelElevated": Card(last4="9235", risk_score=70, review=True),
        "pm_card_pendingRefund": Card(last4="7726", refund="pending"),
        "pm_card_refundFail": Card(last4="5126", refund="late_failure"),
        "pm_card_createDispute": Card(last4="0259", disputed=True),
    }
)
