"""What the outside world must offer: the protocols that providers and wiring implement."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol, runtime_checkable

from domain.kernel.money import Money
from domain.payments import TransactionKind
from domain.tax_quotes import TaxQuote, TaxRequest


class Clock(Protocol):
    """Where `now` comes from: one for the whole process, a fixed one in tests."""

    def now(self) -> datetime:
        """Return the present moment, in UTC."""
        ...


class Outcome(StrEnum):
    """What a provider answered."""

    SUCCEEDED = "SUCCEEDED"
    DECLINED = "DECLINED"
    ACTION_REQUIRED = "ACTION_REQUIRED"
    # Nothing was reserved: the shopper pays later, outside, and the order is placed all the same.
    DEFERRED = "DEFERRED"


@dataclass(frozen=True, slots=True)
class PaymentRequest:
    """What a provider is asked to reserve, and what it needs to know for that.

    `token` is what the storefront got from the provider's own form (never a card number), `return_url`
    where the shopper comes back to who has to confirm the payment elsewhere.
    """

    method: str
    amount: Money
    token: str | None = None
    return_url: str | None = None
    email: str | None = None


@dataclass(frozen=True, slots=True)
class ProviderAnswer:
    """A payment provider's answer to one request.

    `reference` is the provider's own name: of the payment in the answer to `authorize`, `find` and `void`,
    of the capture or refund itself otherwise. `amount_minor` and `currency` are what the provider recorded,
    to be compared with ours; a provider whose answers name no currency leaves it None. `needs_review` is
    its wish that a person looks before the order is processed, `risk_score` its own estimate from 0 (safe)
    to 100, `payer_country` where the card or account is from (ISO 3166-1 alpha-2), `action` what the
    storefront needs to let the shopper act, and `expires_at` when what was reserved lapses.
    """

    outcome: Outcome
    reference: str
    amount_minor: int
    decline_code: str | None = None
    needs_review: bool = False
    currency: str | None = None
    risk_score: int | None = None
    payer_country: str | None = None
    action: Mapping[str, str] | None = None
    expires_at: datetime | None = None


class ProviderTimeout(Exception):
    """The provider did not answer: the outcome is not known and must be found out later."""


class PaymentProvider(Protocol):
    """One payment provider.

    Every request carries an idempotency key made from our row's id, so asking again never does
    it twice. `reference` is the provider's name of the payment. Methods raise ProviderTimeout when no
    answer came; what the provider refuses is an answer with outcome DECLINED.
    """

    @property
    def methods(self) -> frozenset[str]:
        """Payment methods it takes."""
        ...

    async def authorize(self, key: str, request: PaymentRequest) -> ProviderAnswer:
        """Ask to reserve an amount."""
        ...

    async def find(self, key: str) -> ProviderAnswer | None:
        """Return what became of the authorization with `key`; None when it never arrived."""
        ...

    async def capture(self, key: str, reference: str, amount: Money) -> ProviderAnswer:
        """Take a part of what is reserved, or all; what is left can be captured later."""
        ...

    async def refund(self, key: str, reference: str, amount: Money) -> ProviderAnswer:
        """Give a part of what was captured back, or all."""
        ...

    async def find_change(self, key: str, reference: str) -> ProviderAnswer | None:
        """Return what became of the capture or refund with `key`; None when it never arrived."""
        ...

    async def void(self, key: str, reference: str) -> ProviderAnswer:
        """Give up what is still reserved."""
        ...


class CreditUnavailable(Exception):
    """The company's own system did not say, or not in a way we understand."""


class CreditCheck(Protocol):
    """The company's own system that knows what its business customers may owe."""

    async def available_credit(self, customer: str, currency: str) -> Money | None:
        """Return how much more a customer may owe; None for one it does not know.

        `customer` is our id of the customer, or else the e-mail address in small letters. Raises
        CreditUnavailable when no answer came that can be understood.
        """
        ...


class TaxUnavailable(Exception):
    """The tax service did not say, or not in a way that can be believed."""


class TaxService(Protocol):
    """The company's own service that computes taxes.

    Never called inside a transaction, nor while an order is placed.
    """

    async def quote(self, request: TaxRequest) -> TaxQuote:
        """Return the taxes of each line and of the delivery.

        Raises TaxUnavailable when no answer came that can be understood.
        """
        ...


class DisputeState(StrEnum):
    """Whether the payer has asked their bank for the money of a payment."""

    NONE = "NONE"
    OPEN = "OPEN"
    WON = "WON"
    """Decided for us."""
    LOST = "LOST"


@dataclass(frozen=True, slots=True)
class PaymentRecord:
    """What a provider itself has on record of one payment, in minor units of `currency`."""

    currency: str
    captured_minor: int
    refunded_minor: int
    disputed_minor: int = 0
    dispute: DisputeState = DisputeState.NONE


@runtime_checkable
class RecordKeeper(Protocol):
    """A provider that can be asked what it has on record of a payment."""

    async def record_of(self, reference: str) -> PaymentRecord | None:
        """Return what is on record of the payment it names so; None where it knows of none.

        Raises ProviderTimeout when no answer came.
        """
        ...


@runtime_checkable
class UnreferencedRefunds(Protocol):
    """A provider that gives money to a card or account that no payment of its own was made with.

    An unreferenced refund; elsewhere an unlinked or detached one, or a standalone credit. Not many do, and
    not for every shop.
    """

    async def refund_unreferenced(self, key: str, destination: str, amount: Money) -> ProviderAnswer:
        """Give `amount` to `destination`, the provider's own name of a card or account, once per `key`.

        `reference` of the answer names the refund itself. Raises ProviderTimeout when no answer came.
        """
        ...

    async def find_unreferenced(self, key: str) -> ProviderAnswer | None:
        """Return what became of the refund with `key`; None when it never arrived.

        Raises ProviderTimeout when no answer came.
        """
        ...


@runtime_checkable
class RequestChecker(Protocol):
    """A provider that cannot be asked for everything: it says so before anything is written."""

    def check(self, request: PaymentRequest) -> None:
        """Raise InvalidInput, with a path from `payment` on, for what it cannot be asked for."""
        ...


@dataclass(frozen=True, slots=True)
class ProviderEvent:
    """Something a provider tells by itself, of one movement of one of its payments.

    `id` is the provider's name of the event: the same twice is the same event. `reference` names the
    payment, `change_reference` the capture, refund or dispute itself, `key` is our idempotency key where the
    provider keeps it.
    """

    id: str
    kind: TransactionKind
    outcome: Outcome
    reference: str
    change_reference: str
    amount: Money
    occurred_at: datetime
    key: str | None = None
    decline_code: str | None = None


class CallbackRefused(Exception):
    """A callback that is not the provider's, or too old: its signature or time does not hold."""


@runtime_checkable
class CallbackReader(Protocol):
    """A provider that calls back."""

    def read_callback(
        self, headers: Mapping[str, str], body: bytes, now: datetime
    ) -> Sequence[ProviderEvent]:
        """Return what a callback tells; nothing where that is of no interest to us.

        `headers` have lower-case names, `body` is as it arrived. Raises CallbackRefused, and ValueError
        for what is signed and still cannot be read.
        """
        ...


@dataclass(frozen=True, slots=True)
class ReportLine:
    """One movement of money in a provider's own report; `amount` is never below zero."""

    kind: TransactionKind
    reference: str
    change_reference: str
    amount: Money
    occurred_at: datetime
    key: str | None = None


@runtime_checkable
class ReportSource(Protocol):
    """A provider whose records can be compared with ours."""

    async def report(self, since: datetime, until: datetime) -> Sequence[ReportLine]:
        """Return every capture, refund and chargeback from `since` up to before `until`."""
        ...


PaymentProviders = Mapping[str, PaymentProvider]
"""Providers by the name clients use."""
