"""What the outside world must offer: the protocols that providers and wiring implement."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from domain.kernel.money import Money


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
class ProviderAnswer:
    """A payment provider's answer to one request.

    `needs_review` is the provider's wish that a person looks before the order is processed;
    `amount_minor` and `currency` are what the provider itself recorded, to be compared with ours; a
    provider whose answers name no currency leaves it None.
    """

    outcome: Outcome
    reference: str
    amount_minor: int
    decline_code: str | None = None
    needs_review: bool = False
    currency: str | None = None


class ProviderTimeout(Exception):
    """The provider did not answer: the outcome is not known and must be found out later."""


class PaymentProvider(Protocol):
    """One payment provider.

    Every request carries an idempotency key made from our row's id, so asking again never does
    it twice. Methods raise ProviderTimeout when no answer came.
    """

    @property
    def methods(self) -> frozenset[str]:
        """Payment methods it takes."""
        ...

    async def authorize(self, key: str, method: str, amount: Money) -> ProviderAnswer:
        """Ask to reserve `amount`."""
        ...

    async def find(self, key: str) -> ProviderAnswer | None:
        """Return what became of the authorization with `key`; None when it never arrived."""
        ...

    async def void(self, key: str, reference: str) -> ProviderAnswer:
        """Give up the authorization `reference`."""
        ...


PaymentProviders = Mapping[str, PaymentProvider]
"""Providers by the name clients use."""
