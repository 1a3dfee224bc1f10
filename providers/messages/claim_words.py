"""What letters of claims show besides what every letter does, as text."""

from domain.letters import Letter
from domain.notifications import NotificationKind
from providers.messages.return_words import LONGEST_NOTE
from providers.messages.words import Words, shortened

K = NotificationKind


def claim_values(letter: Letter) -> dict[str, str]:
    """Return what texts of claims may name."""
    return {"claim": letter.claimed.number if letter.claimed else ""}


def claim_notes(letter: Letter, words: Words) -> list[str]:
    """Return what is said below the first paragraph: what comes of it, or why not."""
    claimed = letter.claimed
    if claimed is None:
        return []
    if letter.kind is K.CLAIM_APPROVED:
        return [words.say("labels", claimed.remedy.value)] if claimed.remedy else []
    if letter.kind is not K.CLAIM_DECLINED:
        return []
    said = [words.say("labels", one.value) for one in claimed.reasons]
    return [*said, *([shortened(claimed.note, LONGEST_NOTE)] if claimed.note else [])]


def claim_rows(letter: Letter, words: Words) -> list[tuple[str, str]] | None:
    """Return what there is to say of a claim, each with its label; None for a letter of none."""
    claimed = letter.claimed
    return None if claimed is None else [(words.say("labels", "claim_number"), claimed.number)]
