"""Values that many types share: nodes, money and addresses."""

from decimal import Decimal
from typing import Any
from uuid import UUID

import strawberry

from api.context import Info
from domain import pricing as domain
from domain.addresses import Address as DomainAddress
from domain.kernel.changes import KEEP
from domain.kernel.money import Amount
from domain.kernel.money import Money as DomainMoney
from domain.kernel.totals import Totals as DomainTotals
from domain.taxes import percent_of


@strawberry.interface
class Node:
    """Anything with a global id."""

    id: strawberry.ID


@strawberry.type(
    description="An amount in one currency; amount carries exactly the currency's own number of "
    "decimals (JPY 0, USD 2, KWD 3)."
)
class Money:
    """An exact amount."""

    amount: Decimal
    currency: str

    @classmethod
    def of(cls, money: DomainMoney) -> "Money":
        """Return the GraphQL form of domain money."""
        return cls(amount=money.amount, currency=money.currency)

    @classmethod
    def of_minor(cls, amount_minor: int, currency: str) -> "Money":
        """Return the GraphQL form of an amount in minor units."""
        return cls.of(DomainMoney(amount_minor, currency))


@strawberry.input
class MoneyInput:
    """An exact amount, with at most as many decimals as the currency has."""

    amount: Decimal
    currency: str

    def to_domain(self) -> Amount:
        """Return the amount, still to be checked."""
        return Amount(self.amount, self.currency)


AdjustmentKind = strawberry.enum(domain.AdjustmentKind, description="What changes a price.")
AdjustmentTarget = strawberry.enum(
    domain.AdjustmentTarget, description="Which price it changes: of one line or all of them, or of delivery."
)


@strawberry.type(
    description="Why a price is what it is. amount is never below zero: a discount takes it off; a tax is "
    "added, or is that part of the price where taxIncluded."
)
class Adjustment:
    """One discount or tax, as it was named then."""

    kind: AdjustmentKind  # type: ignore[valid-type]
    target: AdjustmentTarget  # type: ignore[valid-type]
    label: str
    code: str | None
    percent: Decimal | None
    amount: Money

    @classmethod
    def of(
        cls, source: domain.Source, target: domain.AdjustmentTarget, amount_minor: int, currency: str
    ) -> "Adjustment":
        """Return the GraphQL form of what a source amounts to."""
        parts = source.parts_per_million
        return cls(
            kind=source.kind,
            target=target,
            label=source.label,
            code=source.code,
            percent=None if parts is None else percent_of(parts),
            amount=Money.of_minor(amount_minor, currency),
        )

    @classmethod
    def of_line(
        cls, explanation: domain.Explanation | None, line_id: UUID, currency: str
    ) -> list["Adjustment"]:
        """Return the GraphQL form of what changes one line's price."""
        found = explanation.of_line(line_id) if explanation else []
        return [cls.of(one.source, one.target, one.amount_minor, currency) for one in found]


@strawberry.type(
    description="What a cart or an order amounts to; total is the exact sum, less the discount. Tax that is "
    "included is a part of the other amounts, else it comes on top."
)
class Totals:
    """Amounts, part by part."""

    subtotal: Money
    shipping: Money
    tax: Money
    discount: Money
    total: Money
    tax_included: bool
    tax_pending: bool = strawberry.field(
        description="Whether a cart's tax is still to be asked for with cartTaxCalculate: then none is in "
        "the amounts, and the cart cannot be ordered. Never of an order."
    )
    row: strawberry.Private[DomainTotals]
    explanation: strawberry.Private[domain.Explanation | None]
    order_id: strawberry.Private[UUID | None]

    @classmethod
    def of(
        cls,
        totals: DomainTotals,
        explanation: domain.Explanation | None = None,
        order_id: UUID | None = None,
    ) -> "Totals":
        """Return the GraphQL form of totals, explained by what is given or what is kept of the order."""
        currency = totals.currency
        return cls(
            subtotal=Money.of_minor(totals.subtotal_minor, currency),
            shipping=Money.of_minor(totals.shipping_minor, currency),
            tax=Money.of_minor(totals.tax_minor, currency),
            discount=Money.of_minor(totals.discount_minor, currency),
            total=Money.of_minor(totals.total_minor, currency),
            tax_included=totals.tax_included,
            tax_pending=totals.tax_missing,
            row=totals,
            explanation=explanation,
            order_id=order_id,
        )

    @strawberry.field(  # type: ignore[untyped-decorator]
        description="What each discount and each tax amounts to, over all lines and over the delivery."
    )
    async def adjustments(self, info: Info) -> list[Adjustment]:
        """Return the explanation, summed."""
        found = self.explanation
        if found is None and self.order_id is not None:
            found = await info.context.loaders.order_explanations().load(self.order_id)
        summed = found.summed() if found else []
        return [Adjustment.of(*one, self.row.currency) for one in summed]


@strawberry.type
class Address:
    """A postal address."""

    name: str
    company: str | None
    line1: str
    line2: str | None
    city: str
    region: str | None
    postal_code: str | None
    country: str
    phone: str | None

    @classmethod
    def of(cls, address: DomainAddress) -> "Address":
        """Return the GraphQL form of an address."""
        return cls(**address.to_json())  # type: ignore[arg-type]


@strawberry.input(
    description="country is ISO 3166-1 alpha-2. What else is required follows from the country."
)
class AddressInput:
    """A postal address as a client sends it."""

    name: str
    line1: str
    city: str
    country: str
    company: str | None = None
    line2: str | None = None
    region: str | None = None
    postal_code: str | None = None
    phone: str | None = None

    def to_domain(self) -> DomainAddress:
        """Return the address, still to be checked."""
        return DomainAddress(
            name=self.name,
            line1=self.line1,
            city=self.city,
            country=self.country,
            company=self.company,
            line2=self.line2,
            region=self.region,
            postal_code=self.postal_code,
            phone=self.phone,
        )


def given(field: strawberry.Some[Any] | None) -> Any:
    """Return what a client set a field to, null too; KEEP where it left the field out."""
    return KEEP if field is None else field.value


def given_domain(field: strawberry.Some[Any] | None) -> Any:
    """Return what a client set a field to, as the domain knows it; KEEP where it left the field out."""
    return KEEP if field is None else field.value and field.value.to_domain()
