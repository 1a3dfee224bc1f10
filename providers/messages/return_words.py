"""What letters of returns show besides what every letter does, as text."""

from collections.abc import Sequence

from domain.kernel.money import Money
from domain.letters import Letter
from domain.notifications import TELLS_HOW_TO_SEND, NotificationKind
from domain.return_letters import HowToSend, Outcome, ReturnLetter, Tender
from providers.messages.words import Words, shortened

LONGEST_NOTE = 2000

K = NotificationKind
_LABELS = frozenset({HowToSend.LABEL, HowToSend.LABEL_ATTACHED})
_BY_BANK = frozenset({Tender.AS_PAID, Tender.BY_HAND})
_WITH_MONEY = frozenset({K.RETURN_REFUNDED, K.UNLINKED_REFUND_PAID})
_WITH_NOTE = frozenset({K.RETURN_DECLINED, K.RETURN_REJECTED, K.RETURN_REPAIRED})


def text_of(letter: Letter) -> str:
    """Return which text a letter has: that of its kind, or of how a return has ended."""
    if letter.kind is K.RETURN_REFUNDED and letter.returned:
        return letter.returned.outcome.value
    return letter.kind.value


def return_values(letter: Letter, words: Words) -> dict[str, str]:
    """Return what texts of returns may name."""
    returned = letter.returned
    return {
        "return": returned.number if returned else "",
        "refund": words.money(returned.total) if returned and returned.total else "",
        "credit": words.money(returned.credit) if returned and returned.credit else "",
        "payout": words.money(returned.payout) if returned and returned.payout else "",
        "send_by": words.day(returned.send_by) if returned and returned.send_by else "",
    }


def return_notes(letter: Letter, words: Words) -> list[str]:
    """Return what is said below the first paragraph: what to do, why not, and in the shop's own words."""
    returned = letter.returned
    if returned is None:
        return []
    said = [words.say("labels", name) for name in _notes(letter.kind, returned)]
    return [*said, *(shortened(own, LONGEST_NOTE) for own in _own_words(letter.kind, returned) if own)]


def _own_words(kind: K, returned: ReturnLetter) -> list[str | None]:
    """Return what the shop itself has written to this customer."""
    if kind in TELLS_HOW_TO_SEND:
        return [returned.instructions]
    if kind is K.RETURN_REFUNDED:
        return [returned.adjustment_reason, returned.note if returned.in_part else None]
    if kind is K.RETURN_REJECTED:
        return [returned.note or returned.adjustment_reason]
    return [returned.note] if kind in _WITH_NOTE else []


def _notes(kind: K, returned: ReturnLetter) -> list[str]:
    """Return the names of what is said below the first paragraph."""
    if kind in TELLS_HOW_TO_SEND and returned.how:
        hand_in = returned.how in _LABELS and returned.drop_off_code
        repair = ["to_be_repaired"] if returned.to_be_repaired else []
        return [*repair, returned.how.value, *(["without_printer"] if hand_in else [])]
    if kind is K.RETURN_DECLINED:
        return [one.value for one in returned.reasons]
    if kind is K.RETURN_ARRIVED and returned.rest_missing:
        return ["rest_missing"]
    if kind is K.RETURN_CANCELED and returned.how in _LABELS:
        return ["label_void"]
    if kind is K.RETURN_REFUNDED and any(tender in _BY_BANK for tender, _ in returned.tenders):
        return ["bank_days"]
    return []


def return_rows(letter: Letter, words: Words) -> list[tuple[str, str]] | None:
    """Return what there is to say of a return, each with its label; None for a letter of none."""
    returned = letter.returned
    if returned is None:
        return None
    rows: list[tuple[str, str | None]] = [("return_number", returned.number)]
    if letter.kind in TELLS_HOW_TO_SEND:
        rows += [
            ("send_by", words.day(returned.send_by) if returned.send_by else None),
            ("carrier", returned.carrier),
            ("tracking_number", returned.tracking_number),
            ("drop_off_code", returned.drop_off_code),
        ]
    return [(words.say("labels", name), value) for name, value in rows if value]


def return_address(letter: Letter, words: Words) -> Sequence[str] | None:
    """Return where a return is to be sent, line by line; None where that is not said."""
    returned = letter.returned
    if returned is None or letter.kind not in TELLS_HOW_TO_SEND or returned.send_to is None:
        return None
    return words.address(returned.send_to)


def return_totals(letter: Letter, words: Words) -> list[tuple[str, str, bool]]:
    """Return what is given back, what of it was kept, and by what it goes back."""
    returned = letter.returned
    if returned is None or letter.kind not in _WITH_MONEY or returned.total is None:
        return []
    rows: list[tuple[str, Money | None, bool]] = [
        ("refund_goods", returned.goods, False),
        ("shipping", returned.shipping, False),
        ("return_adjustment", returned.adjustment, False),
        ("return_fees", _less(returned.fees), False),
        ("refund_total" if returned.outcome is Outcome.REFUND else "total", returned.total, True),
        *((tender.value, amount, False) for tender, amount in returned.tenders),
        ("exchange_due", returned.exchange_due, False),
    ]
    return [
        (words.say("labels", name), words.money(amount), is_sum)
        for name, amount, is_sum in rows
        if amount is not None and (amount.amount_minor or is_sum)
    ]


def _less(amount: Money | None) -> Money | None:
    return Money(-amount.amount_minor, amount.currency) if amount else None
