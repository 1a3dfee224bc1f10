"""Asking Stripe: what it answers, what it refuses, and what it never said."""

from collections.abc import Awaitable
from typing import Any, TypeVar

import stripe
import structlog

from domain.ports import Outcome, ProviderAnswer, ProviderTimeout

_log = structlog.get_logger(__name__)
_T = TypeVar("_T")


class Impossible(Exception):
    """What Stripe need not be asked: it would refuse it, or take it for something else."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


async def answered(asked: Awaitable[ProviderAnswer], reference: str) -> ProviderAnswer:
    """Return an answer also of what Stripe refuses; raises ProviderTimeout where it does not say."""
    try:
        return await asked
    except stripe.CardError as error:
        body: Any = error.json_body
        told = body["error"]
        named = (told.get("payment_intent") or {}).get("id")
        return refused(named or reference, told.get("decline_code") or error.code or "card_declined")
    except Impossible as impossible:
        return refused(reference, impossible.code)
    except stripe.InvalidRequestError as error:
        _log.warning("stripe_refused", code=error.code, param=error.param, request=error.request_id)
        return refused(reference, error.code or "invalid_request")
    except stripe.StripeError as error:
        raise unanswered(error) from None


async def known(asked: Awaitable[_T]) -> _T:
    """Return what was asked for; raises ProviderTimeout where Stripe does not say."""
    try:
        return await asked
    except stripe.StripeError as error:
        raise unanswered(error) from None


def unanswered(error: stripe.StripeError) -> ProviderTimeout:
    """Return what to raise where the outcome is not known, having logged why."""
    # The error itself repeats bodies, which hold what is nobody's business.
    kind, status, request = type(error).__name__, error.http_status, error.request_id
    if isinstance(error, stripe.AuthenticationError | stripe.PermissionError):
        _log.error("stripe_does_not_take_our_key", kind=kind, status=status, request=request)
    else:
        _log.info("stripe_did_not_answer", kind=kind, status=status, code=error.code, request=request)
    return ProviderTimeout()


def refused(reference: str, code: str) -> ProviderAnswer:
    """Return the answer that nothing was done, and why."""
    return ProviderAnswer(Outcome.DECLINED, reference, 0, decline_code=code)
