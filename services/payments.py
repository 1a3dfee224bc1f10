"""Use cases of payments: asking providers, never inside a transaction, and recording what they say."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

import structlog

from domain.kernel.errors import InvalidInput
from domain.kernel.events import Event
from domain.orders import Order, payment_status
from domain.payment_means import NO_MEANS, PaymentMeans
from domain.payments import Payment
from domain.ports import (
    Outcome,
    PaymentProvider,
    PaymentRequest,
    ProviderAnswer,
    ProviderTimeout,
    RequestChecker,
)
from persistence import payments as rows
from services.context import Environment, ServiceContext

_LEASE_MARGIN_SECONDS = 5
_LONGEST_PAUSE_SECONDS = 600

_log = structlog.get_logger(__name__)


def provider_for(environment: Environment, name: str, method: str) -> PaymentProvider:
    """Return the provider that takes `method`; raises InvalidInput naming the field that is wrong."""
    provider = environment.payment_providers.get(name)
    if provider is None:
        known = ", ".join(sorted(environment.payment_providers))
        raise InvalidInput(f"there is no such provider; there are: {known}", "payment", "provider")
    if method not in provider.methods:
        known = ", ".join(sorted(provider.methods))
        raise InvalidInput(f"the provider takes: {known}", "payment", "method")
    return provider


def check_request(environment: Environment, payment: Payment, means: PaymentMeans) -> None:
    """Raise InvalidInput for what the payment's provider cannot be asked for."""
    provider = environment.payment_providers[payment.provider]
    if not payment.amount_minor:
        return
    if isinstance(provider, RequestChecker):
        provider.check(request_of(payment, means))


class NeverArrived(Exception):
    """The provider has not got the request, and it is too late to send it again."""


async def authorize(
    environment: Environment, payment: Payment, transaction_id: UUID, means: PaymentMeans = NO_MEANS
) -> ProviderAnswer | None:
    """Ask the provider to authorize; None when the outcome is not known (yet).

    For nothing, as where a discount takes all of it, nobody is asked.
    """
    if not payment.amount_minor:
        return _nothing(payment, transaction_id)

    async def ask(provider: PaymentProvider) -> ProviderAnswer:
        return await provider.authorize(provider_key(transaction_id), request_of(payment, means))

    return await answer_of(environment, payment, ask)


async def find_out(
    environment: Environment,
    payment: Payment,
    transaction_id: UUID,
    means: PaymentMeans = NO_MEANS,
    *,
    age: timedelta,
) -> ProviderAnswer | None:
    """Ask what became of a request to authorize; None when the outcome is not known (yet).

    One that never arrived is sent again: the key makes sure that it is done once, even if the lost one
    arrives after all. But only while a hold may last: who ordered longer ago does not expect to be
    charged any more. Raises NeverArrived then.
    """
    key = provider_key(transaction_id)
    if not payment.amount_minor:
        return _nothing(payment, transaction_id)

    async def ask(provider: PaymentProvider) -> ProviderAnswer:
        found = await provider.find(key)
        longest = environment.holds.longest
        if found is None and longest is not None and age >= longest:
            raise NeverArrived
        return found or await provider.authorize(key, request_of(payment, means))

    return await answer_of(environment, payment, ask)


async def void(
    context: ServiceContext,
    payment: Payment,
    transaction_id: UUID,
    reference: str | None,
    authorization_id: UUID | None = None,
) -> bool:
    """Ask the provider to give up a payment that became no order, and record it; False if no answer came.

    Then the sweep asks again. `transaction_id` is the intent, written and committed before.
    """
    if not await ask_to_void(context.environment, payment, transaction_id, reference, authorization_id):
        return False
    async with context.transaction() as transaction:
        await rows.settle_void(transaction.connection, transaction_id, now=transaction.now)
    return True


async def ask_to_void(
    environment: Environment,
    payment: Payment,
    transaction_id: UUID,
    reference: str | None,
    authorization_id: UUID | None = None,
) -> bool:
    """Ask the provider to give up what is reserved; False when it did not say that it has.

    Without a `reference` the provider is first asked for its own, by the request of `authorization_id`.
    """
    if not payment.amount_minor:
        return True  # nobody was asked to reserve nothing
    provider = environment.payment_providers.get(payment.provider)
    if provider is None:
        _log.error("payment_provider_missing", provider=payment.provider, payment_id=str(payment.id))
        return False
    try:
        async with asyncio.timeout(environment.payment_time_limit_seconds):
            given_up = await _give_up(provider, transaction_id, reference, authorization_id)
    except (ProviderTimeout, TimeoutError):
        _log.info("payment_void_unknown", provider=payment.provider, payment_id=str(payment.id))
        return False
    if not given_up:
        _log.error("payment_void_refused", provider=payment.provider, payment_id=str(payment.id))
    return given_up


def asked_again_at(environment: Environment, now: datetime) -> datetime:
    """Return when a request sent at `now` may be asked about by somebody else."""
    return now + timedelta(seconds=environment.payment_time_limit_seconds + _LEASE_MARGIN_SECONDS)


def pause_after(attempts: int) -> timedelta:
    """Return how long to wait after `attempts` sweeps found no answer: 1 s, doubling to 10 minutes."""
    return timedelta(seconds=min(2.0 ** min(attempts, 30), _LONGEST_PAUSE_SECONDS))


async def answer_of(
    environment: Environment,
    payment: Payment,
    ask: Callable[[PaymentProvider], Awaitable[ProviderAnswer]],
) -> ProviderAnswer | None:
    """Ask a payment's provider, within its time limit; None when the outcome is not known."""
    provider = environment.payment_providers.get(payment.provider)
    if provider is None:
        _log.error("payment_provider_missing", provider=payment.provider, payment_id=str(payment.id))
        return None
    try:
        async with asyncio.timeout(environment.payment_time_limit_seconds):
            return await ask(provider)
    except (ProviderTimeout, TimeoutError):
        _log.info("payment_outcome_unknown", provider=payment.provider, payment_id=str(payment.id))
        return None


def _nothing(payment: Payment, transaction_id: UUID) -> ProviderAnswer:
    """Return the answer to a request for nothing: most providers would refuse it."""
    return ProviderAnswer(Outcome.SUCCEEDED, provider_key(transaction_id), 0, currency=payment.currency)


async def _give_up(
    provider: PaymentProvider, transaction_id: UUID, reference: str | None, authorization_id: UUID | None
) -> bool:
    if reference is None and authorization_id is not None:
        found = await provider.find(provider_key(authorization_id))
        if found is None or found.outcome is Outcome.DECLINED:
            return True  # nothing came of it, so there is nothing to give up
        reference = found.reference
    answer = await provider.void(provider_key(transaction_id), reference or "")
    return answer.outcome is Outcome.SUCCEEDED


def order_with_payments(order: Order, payments: Sequence[Payment]) -> Order:
    """Return the order one version on, its payment axis derived anew."""
    return replace(
        order, payment_status=payment_status(order.total_minor, payments), version=order.version + 1
    )


def payment_event(kind: str, order: Order, payment: Payment, now: datetime) -> Event:
    """Return an event of the order's stream that tells of one payment."""
    return Event(
        kind=kind,
        aggregate="order",
        aggregate_id=order.id,
        version=order.version,
        occurred_at=now,
        channel_id=order.channel_id,
        payload={"number": order.number, "provider": payment.provider},
    )


def request_of(payment: Payment, means: PaymentMeans) -> PaymentRequest:
    """Return what a provider is asked to reserve for a payment."""
    return PaymentRequest(payment.method, payment.amount, means.token, means.return_url)


def provider_key(transaction_id: UUID) -> str:
    """Return the idempotency key that a provider gets with the request of this transaction."""
    return f"ordertide-{transaction_id.hex}"
