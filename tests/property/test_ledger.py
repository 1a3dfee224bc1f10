"""Whatever happens to an order's money, its ledger balances and says where every cent is."""

from dataclasses import dataclass, field, replace
from uuid import uuid4

from hypothesis import given, settings
from hypothesis import strategies as st

from domain import ledger
from domain.kernel.totals import Totals
from domain.ledger import About, Account, Entry, EntryKind

MOST = 10**9


@dataclass(frozen=True)
class Figures:
    """What an order amounts to, with the tax on top of its prices or inside them."""

    subtotal_minor: int
    shipping_minor: int
    tax_minor: int
    discount_minor: int
    tax_included: bool

    @property
    def total_minor(self) -> int:
        added = 0 if self.tax_included else self.tax_minor
        return self.subtotal_minor + self.shipping_minor + added - self.discount_minor


@st.composite
def figures(draw: st.DrawFn) -> Figures:
    """Return figures as a shop has them: no more discount than goods, no more tax inside than there is."""
    subtotal, shipping = draw(st.integers(0, MOST)), draw(st.integers(0, MOST // 10))
    discount = draw(st.integers(0, subtotal))
    tax = draw(st.integers(0, subtotal + shipping - discount))
    return Figures(subtotal, shipping, tax, discount, draw(st.booleans()))


@dataclass
class Books:
    """An order's entries, and what its payments would say."""

    about: About
    entries: list[Entry] = field(default_factory=list)
    held: int = 0
    """Captured and neither refunded nor charged back."""
    charged_back: int = 0

    def post(self, entry: Entry | None) -> None:
        if entry is not None:
            self.entries.append(entry)

    def on(self, account: Account) -> int:
        return ledger.position_of(self.entries).get(account, 0)

    def do(self, step: str, share: int, before: Figures, after: Figures) -> None:
        """Do one thing, as far as there is money for it; `share` is how much of that, in percent."""
        position, about, change = ledger.position_of(self.entries), self.about, uuid4()
        if step == "capture":
            amount = max(position.get(Account.RECEIVABLE, 0), 0) * share // 100
            self.post(ledger.captured(about, change, amount, "sandbox"))
            self.held += amount
        elif step == "edit":
            self.post(ledger.order_edited(about, change, before, after))
        elif step == "won":
            amount = self.charged_back * share // 100
            self.post(ledger.chargeback_won(about, change, amount, "sandbox", position))
            self.held, self.charged_back = self.held + amount, self.charged_back - amount
        else:
            amount = self.held * share // 100
            make = ledger.refunded if step == "refund" else ledger.charged_back
            self.post(make(about, change, amount, "sandbox", position))
            self.held -= amount
            self.charged_back += amount if step == "chargeback" else 0


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["capture", "capture", "refund", "chargeback", "won", "edit"]),
        st.sampled_from([1, 33, 50, 100]),
        figures(),
    ),
    max_size=12,
)


@settings(max_examples=300, deadline=None)
@given(placed=figures(), steps=STEPS)
def test_whatever_happens_the_clearing_is_what_is_held_and_an_end_leaves_only_what_is_owed(
    placed: Figures, steps: list[tuple[str, int, Figures]]
) -> None:
    books = Books(About(uuid4(), "USD", uuid4()))
    books.post(ledger.order_placed(books.about, placed))
    current = placed

    for step, share, edited in steps:
        books.do(step, share, current, edited)
        current = edited if step == "edit" else current
        assert all(sum(one.amount_minor for one in entry.postings) == 0 for entry in books.entries)
        assert books.on(Account.PROVIDER_CLEARING) == books.held

    books.post(ledger.order_ended(books.about, EntryKind.ORDER_CANCELED, ledger.position_of(books.entries)))
    left = {account: amount for account, amount in ledger.position_of(books.entries).items() if amount}
    held = books.held
    assert left == ({Account.PROVIDER_CLEARING: held, Account.RECEIVABLE: -held} if held else {})

    books.do("refund", 100, current, current)
    assert not any(ledger.position_of(books.entries).values())


@given(placed=figures(), shares=st.lists(st.sampled_from([1, 20, 50, 99]), max_size=5))
def test_an_order_captured_in_whatever_parts_owes_nothing(placed: Figures, shares: list[int]) -> None:
    books = Books(About(uuid4(), "USD", uuid4()))
    books.post(ledger.order_placed(books.about, placed))
    for share in [*shares, 100]:
        books.do("capture", share, placed, placed)

    assert books.on(Account.RECEIVABLE) == 0
    assert books.on(Account.PROVIDER_CLEARING) == placed.total_minor
    assert books.on(Account.TAX) == -placed.tax_minor
    assert books.on(Account.DISCOUNT) == placed.discount_minor


@given(placed=figures(), shares=st.lists(st.sampled_from([1, 20, 33, 50, 99]), max_size=6))
def test_the_whole_refunded_in_whatever_parts_takes_exactly_the_whole_tax_with_it(
    placed: Figures, shares: list[int]
) -> None:
    books = Books(About(uuid4(), "USD", uuid4()))
    books.post(ledger.order_placed(books.about, placed))
    books.do("capture", 100, placed, placed)
    for share in [*shares, 100]:
        books.do("refund", share, placed, placed)
        assert 0 <= -books.on(Account.TAX) <= placed.tax_minor

    assert books.on(Account.TAX) == 0
    assert books.on(Account.REFUND) == placed.total_minor - placed.tax_minor
    assert books.on(Account.RECEIVABLE) == 0


@given(totals=figures())
def test_an_order_edited_back_is_booked_as_if_it_never_was(totals: Figures) -> None:
    about, other = About(uuid4(), "USD", uuid4()), replace(totals, shipping_minor=totals.shipping_minor + 700)
    placed = ledger.order_placed(about, totals)
    edits = [
        ledger.order_edited(about, uuid4(), totals, other),
        ledger.order_edited(about, uuid4(), other, totals),
    ]
    done = [entry for entry in (placed, *edits) if entry is not None]

    assert {k: v for k, v in ledger.position_of(done).items() if v} == (
        ledger.position_of([placed]) if placed else {}
    )


def test_an_order_that_costs_nothing_is_not_booked() -> None:
    assert ledger.order_placed(About(uuid4(), "USD", uuid4()), Totals("USD", 0)) is None
