"""What is bought costs: the one place where prices, discounts, delivery and taxes become totals.

In this order: lines, then discounts, then taxes on what is left. Parts always sum to their whole: what is
computed on a sum is split by the largest remainder (`allocate_minor`), never rounded piece by piece.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import Any, NamedTuple
from uuid import UUID, uuid5

from domain import discounts as discounting
from domain import taxes as taxing
from domain.addresses import Address
from domain.discounts import Candidate, Cut, Discount, DiscountRefusal
from domain.kernel.totals import Totals
from domain.tax_quotes import AskedLine, KeptQuote, QuotedTax, TaxRequest
from domain.taxes import STANDARD, Rates, TaxRate, TaxRounding, TaxSource

_QUOTED = UUID("5c0b8f5e-5a5f-4d0e-9b59-5f0a7a9c2b11")
"""Names the taxes of a tax service: they have no row of ours, so their id is made of their name."""


class AdjustmentKind(StrEnum):
    """What changes a price."""

    DISCOUNT = "DISCOUNT"
    TAX = "TAX"


class AdjustmentTarget(StrEnum):
    """Which price it changes."""

    LINE = "LINE"
    SHIPPING = "SHIPPING"


class Source(NamedTuple):
    """Why a price is adjusted: a discount or a tax rate, as it was named then."""

    kind: AdjustmentKind
    id: UUID
    label: str
    code: str | None = None
    parts_per_million: int | None = None
    """The rate of a tax or of a percentage; None for an amount."""


class Adjustment(NamedTuple):
    """What one source did to one line, or to the delivery where `line_id` is None.

    `amount_minor` is never below zero: a discount takes it off, a tax adds it or is that part of the price.
    """

    source: Source
    line_id: UUID | None
    amount_minor: int

    @property
    def target(self) -> AdjustmentTarget:
        """Which price it changes."""
        return AdjustmentTarget.SHIPPING if self.line_id is None else AdjustmentTarget.LINE


class Part(NamedTuple):
    """What is taken off one line or the delivery, and the tax on what is left."""

    discount_minor: int = 0
    tax_minor: int = 0


NOTHING = Part()


@dataclass(frozen=True, slots=True)
class PricedLine:
    """A line to be priced: how many units of what, at which price, taxed as which class."""

    id: UUID
    sku: str
    quantity: int
    unit_price_minor: int
    tax_class: str = STANDARD

    @property
    def total_minor(self) -> int:
        """Price of the whole line before discounts, in minor units."""
        return self.quantity * self.unit_price_minor


@dataclass(frozen=True, slots=True)
class PricingRules:
    """What a channel has of discounts that could apply, and of tax rates of the country shipped to."""

    discounts: tuple[Candidate, ...] = ()
    rates: tuple[TaxRate, ...] = ()
    prices_include_tax: bool = False
    tax_rounding: TaxRounding = TaxRounding.LINE
    tax_source: TaxSource = TaxSource.RATES
    quote: KeptQuote | None = None
    """What the tax service has said of the cart when it was last asked."""

    @property
    def are_empty(self) -> bool:
        """Whether prices are nothing but lines and delivery."""
        return not self.discounts and not self.rates and self.tax_source is TaxSource.RATES


NO_RULES = PricingRules()


# No slots: adjustments are grouped once, and that is kept.
@dataclass(frozen=True)
class Explanation:
    """Why something costs what it does."""

    adjustments: tuple[Adjustment, ...] = ()

    @cached_property
    def by_line(self) -> Mapping[UUID | None, list[Adjustment]]:
        """What changes the price of each line, and under None that of the delivery."""
        found: dict[UUID | None, list[Adjustment]] = {}
        for one in self.adjustments:
            found.setdefault(one.line_id, []).append(one)
        return found

    def of_line(self, line_id: UUID) -> list[Adjustment]:
        """Return what changes the price of one line."""
        return self.by_line.get(line_id, [])

    def summed(self) -> list[tuple[Source, AdjustmentTarget, int]]:
        """Return what each source amounts to over all lines, and over the delivery, in their order."""
        amounts: dict[tuple[Source, AdjustmentTarget], int] = {}
        for one in self.adjustments:
            key = (one.source, one.target)
            amounts[key] = amounts.get(key, 0) + one.amount_minor
        return [(source, target, amount) for (source, target), amount in amounts.items()]


@dataclass(frozen=True)
class Price:
    """What something bought costs, part by part, in minor units of one currency.

    `parts` and `adjustments` are empty where nothing is taken off and no tax is known. `applied` are the
    discounts that take something off, and `refused` says why others do not apply.
    """

    totals: Totals
    parts: Mapping[UUID, Part] = field(default_factory=dict)
    shipping: Part = NOTHING
    adjustments: tuple[Adjustment, ...] = ()
    applied: tuple[Discount, ...] = ()
    refused: Mapping[UUID, DiscountRefusal] = field(default_factory=dict)
    tax_request: TaxRequest | None = None
    """What the tax service would be asked; None: another knows the tax, or there is no address yet."""

    @property
    def tax_missing(self) -> bool:
        """Whether the tax service has not said what the tax of exactly this is."""
        return self.totals.tax_missing

    @property
    def total_minor(self) -> int:
        """What has to be paid."""
        return self.totals.total_minor

    def part_of(self, line_id: UUID) -> Part:
        """Return what is taken off a line, and its tax."""
        return self.parts.get(line_id, NOTHING)

    @cached_property
    def explanation(self) -> Explanation:
        """Why it is what it is."""
        return Explanation(self.adjustments)


def price(
    lines: Sequence[PricedLine],
    shipping_minor: int,
    rules: PricingRules,
    *,
    currency: str,
    address: Address | None,
    now: datetime,
) -> Price:
    """Return what lines and their delivery to an address cost at a moment.

    Without an address no tax is known yet, nor where a tax service has to be asked (again): then the price
    says that it is missing. Never below zero: no discount takes off more than is left.
    """
    subtotal = sum(line.total_minor for line in lines)
    if rules.are_empty:
        return plain(subtotal, shipping_minor, currency, tax_included=rules.prices_include_tax)
    # In an order of their own, so that the cents that are left over do not go by how lines were added.
    ordered = sorted(lines, key=lambda line: (line.sku, line.unit_price_minor, line.quantity, line.tax_class))
    refused: dict[UUID, DiscountRefusal] = {}
    able: list[Discount] = []
    for candidate in rules.discounts:
        reason = discounting.refusal(candidate, ordered, subtotal, now)
        if reason is None:
            able.append(candidate.discount)
        else:
            refused[candidate.discount.id] = reason
    cuts = discounting.choose(able, ordered, shipping_minor)
    chosen = {cut.discount.id for cut in cuts}
    refused |= {one.id: DiscountRefusal.NOT_COMBINABLE for one in able if one.id not in chosen}
    return _assembled(
        ordered, subtotal, shipping_minor, rules, cuts, refused, currency=currency, address=address, now=now
    )


def plain(subtotal_minor: int, shipping_minor: int, currency: str, *, tax_included: bool = False) -> Price:
    """Return the price of what has neither a discount nor a known tax."""
    return Price(Totals(currency, subtotal_minor, shipping_minor, tax_included=tax_included))


def freeze(price: Price) -> dict[str, Any]:
    """Return a price as JSON that `thaw` reads: what a payment was asked for stays what is charged."""
    facts: dict[str, Any] = {"taxIncluded": price.totals.tax_included}
    if not price.adjustments:
        return facts
    sources = dict.fromkeys(one.source for one in price.adjustments)
    places = {source: at for at, source in enumerate(sources)}
    facts["sources"] = [
        [one.kind.value, str(one.id), one.label, one.code, one.parts_per_million] for one in places
    ]
    facts["adjustments"] = [
        [places[one.source], one.line_id and str(one.line_id), one.amount_minor] for one in price.adjustments
    ]
    return facts


def thaw(facts: Mapping[str, Any], subtotal_minor: int, shipping_minor: int, currency: str) -> Price:
    """Return the price that `freeze` kept, of lines and a delivery that cost the same."""
    included = bool(facts.get("taxIncluded"))
    sources = [
        Source(AdjustmentKind(kind), UUID(one), label, code, parts)
        for kind, one, label, code, parts in facts.get("sources", ())
    ]
    adjustments = tuple(
        Adjustment(sources[at], UUID(line_id) if line_id else None, amount)
        for at, line_id, amount in facts.get("adjustments", ())
    )
    return _summed_up(adjustments, subtotal_minor, shipping_minor, currency, included=included)


def _assembled(
    lines: Sequence[PricedLine],
    subtotal: int,
    shipping_minor: int,
    rules: PricingRules,
    cuts: Sequence[Cut],
    refused: Mapping[UUID, DiscountRefusal],
    *,
    currency: str,
    address: Address | None,
    now: datetime,
) -> Price:
    adjustments: list[Adjustment] = []
    bases = [line.total_minor for line in lines]
    shipping_base = shipping_minor - sum(cut.shipping_minor for cut in cuts)
    for cut in cuts:
        source = _source_of_discount(cut.discount)
        for at, amount in enumerate(cut.lines):
            if amount:
                adjustments.append(Adjustment(source, lines[at].id, amount))
                bases[at] -= amount
        if cut.shipping_minor:
            adjustments.append(Adjustment(source, None, cut.shipping_minor))
    request = None
    missing = rules.tax_source is TaxSource.SERVICE
    if missing and address is not None:
        request = _request(lines, bases, shipping_base, rules, currency, address)
        if rules.quote is not None and rules.quote.fingerprint == request.fingerprint:
            adjustments += _quoted(lines, rules.quote)
            missing = False
    elif address is not None and rules.rates:
        adjustments += _taxes(lines, bases, shipping_base, rules, address.region, now)
    made = _summed_up(
        tuple(adjustments), subtotal, shipping_minor, currency, included=rules.prices_include_tax
    )
    return replace(
        made,
        totals=replace(made.totals, tax_missing=missing),
        applied=tuple(cut.discount for cut in cuts if cut.total_minor),
        refused=refused,
        tax_request=request,
    )


def _request(
    lines: Sequence[PricedLine],
    bases: Sequence[int],
    shipping_base: int,
    rules: PricingRules,
    currency: str,
    address: Address,
) -> TaxRequest:
    asked = tuple(
        AskedLine(line.id, line.sku, line.tax_class, line.quantity, base)
        for line, base in zip(lines, bases, strict=True)
    )
    return TaxRequest(currency, address, rules.prices_include_tax, asked, shipping_base)


def _quoted(lines: Sequence[PricedLine], kept: KeptQuote) -> list[Adjustment]:
    """Return the taxes that the tax service has said, line by line, then those of the delivery."""
    found = [(line.id, tax) for line in lines for tax in kept.quote.lines[line.id]]
    made = [Adjustment(_source_of_quoted(tax), line_id, tax.amount_minor) for line_id, tax in found]
    return made + [Adjustment(_source_of_quoted(tax), None, tax.amount_minor) for tax in kept.quote.shipping]


def _source_of_quoted(tax: QuotedTax) -> Source:
    return Source(AdjustmentKind.TAX, uuid5(_QUOTED, tax.name), tax.name, None, tax.parts_per_million)


def _taxes(
    lines: Sequence[PricedLine],
    bases: Sequence[int],
    shipping_base: int,
    rules: PricingRules,
    region: str | None,
    now: datetime,
) -> list[Adjustment]:
    """Return the taxes on what is left of each line and of the delivery, grouped by the rates they take."""
    of_class: dict[str, Rates] = {}
    groups: dict[Rates, list[tuple[UUID | None, int]]] = {}
    for line, base in zip(lines, bases, strict=True):
        rates = of_class.get(line.tax_class)
        if rates is None:
            rates = taxing.rates_for(rules.rates, region, line.tax_class, now)
            of_class[line.tax_class] = rates
        if base:
            groups.setdefault(rates, []).append((line.id, base))
    if shipping_base:
        groups.setdefault(taxing.shipping_rates(rules.rates, region, now), []).append((None, shipping_base))
    made: list[Adjustment] = []
    for rates, members in groups.items():
        rows = taxing.tax_parts(
            [base for _, base in members],
            rates,
            included=rules.prices_include_tax,
            rounding=rules.tax_rounding,
        )
        for rate, row in zip(rates, rows, strict=True):
            source = Source(AdjustmentKind.TAX, rate.id, rate.name, None, rate.parts_per_million)
            made += [
                Adjustment(source, line_id, amount) for (line_id, _), amount in zip(members, row, strict=True)
            ]
    return made


def _source_of_discount(discount: Discount) -> Source:
    points = discount.basis_points
    parts = None if points is None else points * (taxing.WHOLE_PARTS // discounting.WHOLE_BASIS_POINTS)
    return Source(AdjustmentKind.DISCOUNT, discount.id, discount.name, discount.code, parts)


def _summed_up(
    adjustments: tuple[Adjustment, ...], subtotal: int, shipping_minor: int, currency: str, *, included: bool
) -> Price:
    """Return the price that adjustments amount to."""
    taken: dict[UUID | None, int] = {}
    taxed: dict[UUID | None, int] = {}
    for source, line_id, amount in adjustments:
        sums = taxed if source.kind is AdjustmentKind.TAX else taken
        sums[line_id] = sums.get(line_id, 0) + amount
    parts = {
        line_id: Part(taken.get(line_id, 0), taxed.get(line_id, 0))
        for line_id in dict.fromkeys([*taken, *taxed])
        if line_id is not None
    }
    totals = Totals(
        currency,
        subtotal,
        shipping_minor,
        sum(taxed.values()),
        sum(taken.values()),
        included,
    )
    return Price(totals, parts, Part(taken.get(None, 0), taxed.get(None, 0)), adjustments)
