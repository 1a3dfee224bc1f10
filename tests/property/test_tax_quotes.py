"""What a tax service is asked and says: an answer is of one question only, and parts sum to their whole."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from hypothesis import assume, given
from hypothesis import strategies as st

from domain.addresses import Address
from domain.discounts import Candidate
from domain.pricing import PricedLine, PricingRules, freeze, price, thaw
from domain.tax_quotes import AskedLine, KeptQuote, QuotedTax, TaxQuote, TaxRequest, doubt
from domain.taxes import TaxSource
from tests.property.test_pricing import assert_sums, baskets, discounts

NOW = datetime(2026, 1, 1, tzinfo=UTC)
TO = Address("Ada", "1 Main St", "Fresno", "US", region="CA", postal_code="93650")
LINE = AskedLine(UUID(int=1), "MUG", "standard", 2, 2500)
OTHER = AskedLine(UUID(int=2), "BOOK", "books", 1, 800)
REQUEST = TaxRequest("USD", TO, prices_include_tax=False, lines=(LINE, OTHER), shipping_minor=395)


def moved(field: str, value: Any) -> Address:
    """Return another place."""
    return replace(TO, **{field: value})


line_changes = st.one_of(
    st.uuids().map(lambda one: {"id": one}),
    st.text(max_size=5).map(lambda sku: {"sku": sku}),
    st.sampled_from(["books", "reduced"]).map(lambda name: {"tax_class": name}),
    st.integers(1, 99).map(lambda units: {"quantity": units}),
    st.integers(0, 10**6).map(lambda minor: {"amount_minor": minor}),
)
place_changes = st.sampled_from(["line1", "line2", "city", "region", "postal_code", "country"])
request_changes = st.one_of(
    line_changes.map(lambda change: {"lines": (LINE._replace(**change), OTHER)}),
    st.sampled_from([(LINE,), (OTHER,), ()]).map(lambda lines: {"lines": lines}),
    st.integers(0, 10**6).map(lambda minor: {"shipping_minor": minor}),
    st.sampled_from([{"currency": "EUR"}, {"prices_include_tax": True}]),
    st.tuples(place_changes, st.text(max_size=5) | st.none()).map(lambda change: {"address": moved(*change)}),
)


@given(request_changes)
def test_whatever_matters_makes_another_question(change: dict[str, Any]) -> None:
    other = replace(REQUEST, **change)
    assume(other != REQUEST)

    assert other.fingerprint != REQUEST.fingerprint


def test_who_buys_and_the_order_of_lines_make_no_other_question() -> None:
    assert replace(REQUEST, lines=(OTHER, LINE)).fingerprint == REQUEST.fingerprint
    other = replace(TO, name="Grace", company="Navy", phone="+15595550100")
    assert replace(REQUEST, address=other).fingerprint == REQUEST.fingerprint


@st.composite
def answers(draw: st.DrawFn, request: TaxRequest) -> TaxQuote:
    """What a service may say of a request: up to three taxes of each thing, no more than there is to pay."""

    def taxes(amount_minor: int) -> tuple[QuotedTax, ...]:
        made, left = [], amount_minor
        for number in range(draw(st.integers(0, 3))):
            minor = draw(st.integers(0, left))
            left -= minor
            made.append(QuotedTax(f"T{number}", draw(st.none() | st.integers(0, 1_000_000)), minor))
        return tuple(made)

    lines = {line.id: taxes(line.amount_minor) for line in request.lines}
    return TaxQuote(request.currency, lines, taxes(request.shipping_minor))


@given(st.data(), baskets(8), st.integers(0, 5000), st.booleans())
def test_the_taxes_that_were_said_sum_exactly_and_stay_when_frozen(
    data: st.DataObject, lines: list[PricedLine], shipping: int, included: bool
) -> None:
    rules = PricingRules(
        discounts=tuple(Candidate(data.draw(discounts(1))) for _ in range(data.draw(st.integers(0, 1)))),
        prices_include_tax=included,
        tax_source=TaxSource.SERVICE,
    )
    before = price(lines, shipping, rules, currency="USD", address=TO, now=NOW)
    request = before.tax_request
    assert request is not None
    assert before.tax_missing
    assert before.totals.tax_minor == 0
    quote = data.draw(answers(request))
    assert doubt(request, quote) is None
    kept = KeptQuote.from_json(KeptQuote(request.fingerprint, quote).to_json())
    assert kept.quote == quote

    # The order of lines is not the order they were asked in.
    made = price(lines[::-1], shipping, replace(rules, quote=kept), currency="USD", address=TO, now=NOW)

    assert not made.tax_missing
    said = [tax for taxes in [*quote.lines.values(), quote.shipping] for tax in taxes]
    assert made.totals.tax_minor == sum(tax.amount_minor for tax in said)
    assert made.totals.discount_minor == before.totals.discount_minor
    assert_sums(lines, shipping, made)
    again = thaw(freeze(made), made.totals.subtotal_minor, shipping, "USD")
    assert (again.totals, again.adjustments) == (made.totals, made.adjustments)


@given(st.data(), baskets(3))
def test_a_tax_is_of_no_other_cart_and_none_is_known_without_an_address(
    data: st.DataObject, lines: list[PricedLine]
) -> None:
    quote = data.draw(answers(REQUEST))
    rules = PricingRules(tax_source=TaxSource.SERVICE, quote=KeptQuote(REQUEST.fingerprint, quote))

    for address in (TO, None):
        made = price(lines, 395, rules, currency="USD", address=address, now=NOW)
        assert made.tax_missing
        assert made.totals.tax_minor == 0
        assert (made.tax_request is None) == (address is None)


def test_a_quote_of_other_lines_another_currency_or_too_much_is_doubted() -> None:
    tax = QuotedTax("T", None, 1)
    right = TaxQuote("USD", {LINE.id: (tax,), OTHER.id: ()}, (tax,))
    assert doubt(REQUEST, right) is None
    for wrong in (
        replace(right, currency="EUR"),
        replace(right, lines={LINE.id: (tax,)}),
        replace(right, lines={**right.lines, UUID(int=3): ()}),
        replace(right, shipping=(tax._replace(amount_minor=-1),)),
        replace(right, shipping=(tax._replace(amount_minor=10**15),)),
        replace(right, shipping=(tax._replace(parts_per_million=1_000_001),)),
        replace(right, shipping=(tax._replace(name=""),)),
        replace(right, shipping=(tax,) * 21),
    ):
        assert doubt(REQUEST, wrong) is not None
    included = replace(REQUEST, prices_include_tax=True)
    assert doubt(included, replace(right, shipping=(tax._replace(amount_minor=395),))) is None
    assert doubt(included, replace(right, shipping=(tax._replace(amount_minor=396),))) is not None
