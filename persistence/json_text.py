"""JSON on its way into a statement."""

from typing import Any

import orjson


def json_text(value: Any) -> str:
    """Return `value` as JSON; ids become text, also the driver's own kind of UUID."""
    return orjson.dumps(value, default=str).decode()
