"""What letters of returns show besides what every letter does, as text."""

from collections.abc import Sequence

from domain.kernel.money import Money
from domain.letters import Letter
from domain.notifications import NotificationKind
from providers.messages.words import Words, shortened

LONGEST_NOTE = 2000

K = NotificationKind
_TO_BE_SENT = frozenset({K.RETURN_APPROVED, K.RETURN_REMINDER})
_WITH_NOTE = frozenset({K.RETURN_DECLINED, K.RETURN_REJECTED})


def return_values(letter: Letter, words: Words) -> dict[str, str]:
    """Return what texts of returns may name."""
    returned = letter.returned
    return {
        "return": returned.number if returned else "",
        "refund": words.money(returned.total) if returned and returned.total else "",
        "send_by": words.day(returned.send_by) if returned and returned.send_by else "",
    }


def return_notes(letter: Letter, words: Words) -> list[str]:
    """Return what is said below the first paragraph: what to do, why not, and in the shop's own words."""
    returned = letter.returned
    if returned is None:
        return []
    said: list[str] = []
    if letter.kind in _TO_BE_SENT and returned.how:
        said.append(words.say("labels", returned.how.value))
    if letter.kind is K.RETURN_DECLINED:
        said += [words.say("labels", one.value) for one in returned.reasons]
    own = returned.instructions if letter.kind in _TO_BE_SENT else None
    if letter.kind in _WITH_NOTE:
        own = returned.note
    own = own or _why_adjusted(letter)
    return [*said, *([shortened(own, LONGEST_NOTE)] if own else [])]


def _why_adjusted(letter: Letter) -> str | None:
    ended = letter.kind in {K.RETURN_REFUNDED, K.RETURN_REJECTED}
    return letter.returned.adjustment_reason if ended and letter.returned else None


def return_rows(letter: Letter, words: Words) -> list[tuple[str, str]] | None:
    """Return what there is to say of a return, each with its label; None for a letter of none."""
    returned = letter.returned
    if returned is None:
        return None
    rows: list[tuple[str, str | None]] = [("return_number", returned.number)]
    if letter.kind in _TO_BE_SENT:
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
    if returned is None or letter.kind not in _TO_BE_SENT or returned.send_to is None:
        return None
    return words.address(returned.send_to)


def return_totals(letter: Letter, words: Words) -> list[tuple[str, str, bool]]:
    """Return what is given back, what of it was kept, and by what it goes back."""
    returned = letter.returned
    if returned is None or letter.kind is not K.RETURN_REFUNDED or returned.total is None:
        return []
    rows: list[tuple[str, Money | None, bool]] = [
        ("refund_goods", returned.goods, False),
        ("shipping", returned.shipping, False),
        ("return_adjustment", returned.adjustment, False),
        ("return_fees", _less(returned.fees), False),
        ("refund_total", returned.total, True),
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
