"""What is common to changes of any aggregate."""

import pytest

from domain.kernel.changes import check_version
from domain.kernel.errors import VersionConflict


def test_versions_are_compared_only_when_one_is_expected() -> None:
    check_version(3, None)
    check_version(3, 3)
    with pytest.raises(VersionConflict) as conflict:
        check_version(3, 2)
    assert (conflict.value.current_version, conflict.value.path) == (3, ("expectedVersion",))
