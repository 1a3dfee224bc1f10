"""What letters of claims show besides what every letter does, as text."""

from domain.letters import Letter
from domain.notifications import NotificationKind
from providers.messages.return_words import LONGEST_NOTE
from providers.messages.words import Words, shortened

_SAYS_MORE = frozenset({NotificationKind.CLAIM_APPROVED, NotificationKind.CLAIM_DECLINED})


def claim_notes(letter: Letter, words: Words) -> list[str]:
    """Return what is said below the first paragraph: what is done, why not, and in the shop's own words."""
    claimed = letter.claimed
    if claimed is None or letter.kind not in _SAYS_MORE:
        return []
    said = [words.say("labels", claimed.said.value)] if claimed.said else []
    return [*said, *([shortened(claimed.note, LONGEST_NOTE)] if claimed.note else [])]


def claim_rows(letter: Letter, words: Words) -> list[tuple[str, str]] | None:
    """Return what there is to say of a claim, each with its label; None for a letter of none."""
    claimed = letter.claimed
    return None if claimed is None else [(words.say("labels", "claim_number"), claimed.number)]
