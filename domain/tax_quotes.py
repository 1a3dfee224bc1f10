"""Taxes that a company's own tax service computes: what it is asked and says, and whether to believe it."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

from domain.addresses import Address
from domain.kernel.money import MAX_AMOUNT_MINOR
from domain.taxes import MAX_NAME_LENGTH, WHOLE_PARTS

MAX_TAXES = 20
"""Most taxes of one line, or of the delivery."""


class AskedLine(NamedTuple):
    """A line whose tax is asked for: its amount is what is left of it after discounts, in minor units."""

    id: UUID
    sku: str
    tax_class: str
    quantity: int
    amount_minor: int


@dataclass(frozen=True, slots=True)
class TaxRequest:
    """What a tax service is asked: everything the tax depends on, in minor units of one currency."""

    currency: str
    address: Address
    prices_include_tax: bool
    lines: tuple[AskedLine, ...]
    shipping_minor: int = 0
    """What the delivery costs, after discounts."""

    @property
    def place(self) -> dict[str, str | None]:
        """Where it goes, and nothing of who gets it: no tax goes by a name or a phone number."""
        to = self.address
        return {
            "line1": to.line1,
            "line2": to.line2,
            "city": to.city,
            "region": to.region,
            "postalCode": to.postal_code,
            "country": to.country,
        }

    @property
    def fingerprint(self) -> str:
        """SHA-256 of all that is asked: an answer to another question is no answer to this one.

        Lines are in the order of their ids, so that how they were added changes nothing.
        """
        asked = {
            "currency": self.currency,
            "place": self.place,
            "included": self.prices_include_tax,
            "lines": sorted([str(line.id), *line[1:]] for line in self.lines),
            "shipping": self.shipping_minor,
        }
        text = json.dumps(asked, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


class QuotedTax(NamedTuple):
    """One tax of a line or of the delivery; a tax that is no share of the amount has no rate."""

    name: str
    parts_per_million: int | None
    amount_minor: int


@dataclass(frozen=True, slots=True)
class TaxQuote:
    """What a tax service answers, in minor units of its currency."""

    currency: str
    lines: Mapping[UUID, tuple[QuotedTax, ...]]
    shipping: tuple[QuotedTax, ...] = ()


@dataclass(frozen=True, slots=True)
class KeptQuote:
    """A quote as it is kept with a cart, and the fingerprint of what it answers."""

    fingerprint: str
    quote: TaxQuote

    def to_json(self) -> dict[str, Any]:
        """Return it as the record that is stored."""
        return {
            "fingerprint": self.fingerprint,
            "currency": self.quote.currency,
            "lines": {str(one): [list(tax) for tax in taxes] for one, taxes in self.quote.lines.items()},
            "shipping": [list(tax) for tax in self.quote.shipping],
        }

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> "KeptQuote":
        """Return the quote that `to_json` made `record` of."""
        lines = {UUID(one): _taxes(taxes) for one, taxes in record["lines"].items()}
        quote = TaxQuote(record["currency"], lines, _taxes(record["shipping"]))
        return cls(record["fingerprint"], quote)


def doubt(request: TaxRequest, quote: TaxQuote) -> str | None:
    """Return why a quote cannot be the answer to a request; None: it can be believed."""
    if quote.currency != request.currency:
        return f"{request.currency} was asked for"
    if set(quote.lines) != {line.id for line in request.lines}:
        return "these are not the lines that were asked for"
    parts = [(quote.lines[line.id], line.amount_minor) for line in request.lines]
    parts.append((quote.shipping, request.shipping_minor))
    for taxes, amount_minor in parts:
        reason = _doubt_of(taxes)
        if reason is not None:
            return reason
        if request.prices_include_tax and sum(one.amount_minor for one in taxes) > amount_minor:
            return "more tax is included than there is to pay"
    whole = sum(amount + sum(one.amount_minor for one in taxes) for taxes, amount in parts)
    return "the total would be too large" if whole > MAX_AMOUNT_MINOR else None


def _doubt_of(taxes: tuple[QuotedTax, ...]) -> str | None:
    if len(taxes) > MAX_TAXES:
        return f"there are more than {MAX_TAXES} taxes of one thing"
    for name, parts, amount_minor in taxes:
        if amount_minor < 0:
            return "a tax is below zero"
        if parts is not None and not 0 <= parts <= WHOLE_PARTS:
            return "a rate is not between 0 and 100 percent"
        if not name.strip() or len(name) > MAX_NAME_LENGTH or not name.isprintable():
            return f"a tax has no name of 1 to {MAX_NAME_LENGTH} characters"
    return None


def _taxes(records: Iterable[Iterable[Any]]) -> tuple[QuotedTax, ...]:
    return tuple(QuotedTax(*record) for record in records)
