"""Customer groups: names under which a shop knows some of its customers, such as trade or members.

Nobody is in a group by saying so: who has the permission says it of a cart, having seen who buys.
"""

import re

from domain.kernel.errors import InvalidInput

MAX_GROUPS = 50
"""Most groups that one thing may tell apart."""

_CODE = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")


def check_group(code: str, *path: str) -> str:
    """Return the code of a customer group; raises InvalidInput naming `path`."""
    if not _CODE.fullmatch(code):
        raise InvalidInput("use 1 to 40 of a-z, 0-9, '_' and '-', beginning with a letter or digit", *path)
    return code
