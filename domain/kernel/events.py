"""Domain events: what happened, in the words of the shop, appended with the change itself."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened to one aggregate.

    `kind` is the public name (OrderPlaced), `aggregate` the stream it belongs to (order, cart,
    stock, catalog), `version` the aggregate's version that the event made, `channel_id` scopes
    who may see it, `payload` carries JSON facts without personal data or secrets.
    """

    kind: str
    aggregate: str
    aggregate_id: UUID
    version: int
    occurred_at: datetime
    channel_id: UUID | None = None
    payload: Mapping[str, Any] = field(default_factory=dict)
