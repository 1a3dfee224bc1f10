"""Paying through a stand-in with what the product pays with."""

from typing import Any

from domain.kernel.ids import new_id
from domain.kernel.money import Money
from domain.ports import Outcome, PaymentRequest
from providers.payments.stripe import StripePayments
from tests.stripe_standin.server import Standin

USD_100 = Money(10_000, "USD")


def provider(stripe: Standin, *, time_limit_seconds: float = 10) -> StripePayments:
    """Return the provider, as it is wired where the stand-in's keys are set."""
    return StripePayments(
        stripe.secret_key,
        webhook_secret=stripe.webhook_secret,
        api_base=stripe.url,
        time_limit_seconds=time_limit_seconds,
    )


def paid_by(stripe: Standin, *, time_limit_seconds: float = 10) -> dict[str, Any]:
    """Return the changes of an environment whose one provider is Stripe."""
    return {"payment_providers": {"stripe": provider(stripe, time_limit_seconds=time_limit_seconds)}}


def new_key() -> str:
    """Return an idempotency key as services make them."""
    return f"ordertide-{new_id().hex}"


def card(token: str = "pm_card_visa", amount: Money = USD_100, **more: str) -> PaymentRequest:
    """Return a request to reserve 100.00 USD, unless said, on a test card."""
    return PaymentRequest("card", amount, token=token, **more)


async def authorized(stripe: Standin, request: PaymentRequest | None = None) -> tuple[StripePayments, str]:
    """Reserve an amount; returns the provider, and its name of the payment."""
    payments = provider(stripe)
    answer = await payments.authorize(new_key(), request or card())
    assert answer.outcome is Outcome.SUCCEEDED
    return payments, answer.reference
