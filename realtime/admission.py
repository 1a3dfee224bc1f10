"""How many live connections one viewer and one address may have in this process."""

from collections import Counter

from realtime.operations import Viewer


class Admissions:
    """Counts connections, whatever their transport."""

    def __init__(self, per_viewer: int, per_address: int) -> None:
        """Allow so many for each viewer that has credentials, and for each address."""
        self._per_viewer = per_viewer
        self._per_address = per_address
        self._counts: Counter[tuple[str, str]] = Counter()

    def admit(self, viewer: Viewer) -> bool:
        """Count a connection, unless its viewer or address has too many; `dismiss` takes it back."""
        bounds = self._bounds(viewer)
        if any(self._counts[key] >= most for key, most in bounds):
            return False
        self._counts.update(key for key, _ in bounds)
        return True

    def dismiss(self, viewer: Viewer) -> None:
        """Take back a connection that was admitted."""
        for key, _ in self._bounds(viewer):
            self._counts[key] -= 1
            if self._counts[key] <= 0:
                del self._counts[key]

    def _bounds(self, viewer: Viewer) -> list[tuple[tuple[str, str], int]]:
        bounds = [(("address", viewer.address), self._per_address)]
        # Without credentials the address is all there is to count by.
        if viewer.key != viewer.address:
            bounds.append((("viewer", viewer.key), self._per_viewer))
        return bounds
