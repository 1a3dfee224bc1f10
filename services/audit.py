"""The audit trail of what staff and apps change: one entry a change, written with it."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any
from uuid import UUID

from persistence import audit as rows
from persistence.audit import AuditEntry
from services.context import Transaction

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


async def record(
    transaction: Transaction,
    action: str,
    target_kind: str,
    target_id: UUID,
    before: "DataclassInstance | None" = None,
    after: "DataclassInstance | None" = None,
) -> None:
    """Append what an actor did; of two states only the fields that differ are kept."""
    await rows.append(
        transaction.connection, [entry(transaction, action, target_kind, target_id, before, after)]
    )


def entry(
    transaction: Transaction,
    action: str,
    target_kind: str,
    target_id: UUID,
    before: "DataclassInstance | None" = None,
    after: "DataclassInstance | None" = None,
) -> AuditEntry:
    """Return the entry of one change, for callers that append many at once."""
    was, became = _picture(before), _picture(after)
    if was is not None and became is not None:
        differing = [name for name in became if was.get(name) != became[name]]
        was = {name: was.get(name) for name in differing}
        became = {name: became[name] for name in differing}
    return AuditEntry(transaction.actor, action, target_kind, target_id, was, became, transaction.now)


def _picture(state: "DataclassInstance | None") -> dict[str, Any] | None:
    if state is None:
        return None
    return {name: _plain(value) for name, value in asdict(state).items()}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        # Keys of JSON are text; those of ours may be members of an enumeration.
        return {str(key): one for key, one in value.items()}
    return sorted(value) if isinstance(value, frozenset) else value
