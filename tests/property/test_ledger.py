"""Whatever happens to an order's money, its ledger balances and says where every cent is."""

from dataclasses import dataclass, field, replace
from uuid import uuid4

from hypothesis import given, settings
from hypothesis import strategies as st

from domain import ledger_rules as rules
from domain.kernel.totals import Totals
from domain.ledger import About, Account, Entry, EntryKind, position_of

MOST = 10**9
AMOUNTS = st.integers(1, MOST)


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
        return position_of(self.entries).get(account, 0)

    def do(self, step: str, share: int, before: Figures, after: Figures) -> None:
        """Do one thing, as far as there is money for it; `share` is how much of that, in percent."""
        position, about, change = position_of(self.entries), self.about, uuid4()
        if step == "capture":
            amount = max(position.get(Account.RECEIVABLE, 0), 0) * share // 100
            self.post(rules.captured(about, change, amount, "sandbox"))
            self.held += amount
        elif step == "edit":
            self.post(rules.order_edited(about, change, before, after))
        elif step == "won":
            amount = self.charged_back * share // 100
            self.post(rules.chargeback_won(about, change, amount, "sandbox", position))
            self.held, self.charged_back = self.held + amount, self.charged_back - amount
        else:
            amount = self.held * share // 100
            make = rules.refunded if step == "refund" else rules.charged_back
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
    books.post(rules.order_placed(books.about, placed))
    current = placed

    for step, share, edited in steps:
        books.do(step, share, current, edited)
        current = edited if step == "edit" else current
        assert all(sum(one.amount_minor for one in entry.postings) == 0 for entry in books.entries)
        assert books.on(Account.PROVIDER_CLEARING) == books.held

    books.post(rules.order_ended(books.about, EntryKind.ORDER_CANCELED, position_of(books.entries)))
    left = {account: amount for account, amount in position_of(books.entries).items() if amount}
    held = books.held
    assert left == ({Account.PROVIDER_CLEARING: held, Account.RECEIVABLE: -held} if held else {})

    books.do("refund", 100, current, current)
    assert not any(position_of(books.entries).values())


@given(placed=figures(), shares=st.lists(st.sampled_from([1, 20, 50, 99]), max_size=5))
def test_an_order_captured_in_whatever_parts_owes_nothing(placed: Figures, shares: list[int]) -> None:
    books = Books(About(uuid4(), "USD", uuid4()))
    books.post(rules.order_placed(books.about, placed))
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
    books.post(rules.order_placed(books.about, placed))
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
    placed = rules.order_placed(about, totals)
    edits = [
        rules.order_edited(about, uuid4(), totals, other),
        rules.order_edited(about, uuid4(), other, totals),
    ]
    done = [entry for entry in (placed, *edits) if entry is not None]

    assert {k: v for k, v in position_of(done).items() if v} == (position_of([placed]) if placed else {})


def test_an_order_that_costs_nothing_is_not_booked() -> None:
    assert rules.order_placed(About(uuid4(), "USD", uuid4()), Totals("USD", 0)) is None


MOVES = st.lists(
    st.tuples(st.sampled_from(["issue", "sell", "adjust", "spend", "return", "expire"]), AMOUNTS)
)


@given(moves=MOVES)
def test_store_credit_is_what_can_still_be_spent(moves: list[tuple[str, int]]) -> None:
    about, entries, left = About(None, "USD"), list[Entry | None](), 0
    for kind, amount in moves:
        if kind == "issue":
            entries.append(rules.value_issued(about, uuid4(), amount, "store_credit"))
        elif kind == "sell":
            entries.append(rules.value_issued(about, uuid4(), amount, "gift_card", Account.CASH))
        elif kind == "adjust":
            entries.append(rules.value_adjusted(about, uuid4(), -amount, "store_credit"))
        elif kind == "spend":
            entries.append(rules.captured(about, uuid4(), amount, "gift_card"))
        elif kind == "return":
            entries.append(rules.refunded(about, uuid4(), amount, "gift_card", {}))
        else:
            entries.append(rules.value_expired(about, uuid4(), amount, "gift_card"))
        left += amount if kind in {"issue", "sell", "return"} else -amount

    position = position_of([entry for entry in entries if entry is not None])
    assert Account.STORE_CREDIT.natural(position.get(Account.STORE_CREDIT, 0)) == left


@given(captured=AMOUNTS, fees=st.integers(0, MOST))
def test_a_payout_moves_what_the_provider_held_to_the_bank_less_its_fees(captured: int, fees: int) -> None:
    about = About(None, "USD")
    taken = rules.captured(About(uuid4(), "USD", uuid4()), uuid4(), captured, "sandbox")
    paid_out = rules.payout_received(about, uuid4(), captured, fees, "sandbox")
    assert taken is not None
    assert paid_out is not None

    position = position_of([taken, paid_out])
    assert position[Account.PROVIDER_CLEARING] == 0
    assert position.get(Account.CASH, 0) + position.get(Account.PROVIDER_FEES, 0) == captured


@given(amount=AMOUNTS)
def test_a_refund_given_as_credit_is_a_promise_instead_of_money(amount: int) -> None:
    books = Books(About(uuid4(), "USD", uuid4()))
    books.post(rules.order_placed(books.about, Totals("USD", amount)))
    books.do("capture", 100, Figures(0, 0, 0, 0, False), Figures(0, 0, 0, 0, False))
    books.post(rules.credited(books.about, uuid4(), amount, position_of(books.entries)))

    assert books.on(Account.PROVIDER_CLEARING) == books.on(Account.REFUND) == amount
    assert books.on(Account.STORE_CREDIT) == -amount
