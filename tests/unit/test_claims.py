"""What may become of a claim."""

from datetime import UTC, datetime

import pytest

from domain.claims import Claim, ClaimKind, ClaimOutcome, ClaimStatus, decided
from domain.kernel.errors import IllegalTransition
from domain.kernel.ids import new_id

NOW = datetime(2026, 12, 1, tzinfo=UTC)


def test_what_is_decided_otherwise_already_is_said_of_the_claim_that_was_named() -> None:
    declined = Claim(
        new_id(), "C1", new_id(), new_id(), ClaimKind.DAMAGED, ClaimStatus.DECLINED, ClaimOutcome.RESHIP,
        (), NOW, "anybody",
    )  # fmt: skip
    with pytest.raises(IllegalTransition) as refused:
        decided(declined, ClaimStatus.APPROVED, None, NOW, None)
    assert refused.value.path == ("id",)
