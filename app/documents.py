"""The wiring of printed papers: who renders them, loaded with the first that is asked for.

What draws PDFs takes 30 MB, and most processes never do. Use cases call it in a thread, so that is where it
is imported too.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from domain.document_ports import AddressLabel, Document, Listing, PackingSlip
from domain.kernel.late import late

if TYPE_CHECKING:
    from providers.documents.merging import merge_pdfs
    from providers.documents.pdf import PdfDocuments
else:
    merge_pdfs = late("providers.documents.merging:merge_pdfs")
    PdfDocuments = late("providers.documents.pdf:PdfDocuments")


class LateDocuments:
    """Papers as PDF (`domain.document_ports.Documents`)."""

    def packing_slip(self, slip: PackingSlip) -> Document:
        """Return a packing slip over as many pages as it takes."""
        return PdfDocuments().packing_slip(slip)

    def address_label(self, label: AddressLabel) -> Document:
        """Return an address label of one page."""
        return PdfDocuments().address_label(label)

    def listing(self, listing: Listing) -> Document:
        """Return a list over as many pages as it takes."""
        return PdfDocuments().listing(listing)

    def merged(self, documents: Sequence[bytes]) -> bytes:
        """Return PDFs as one, in their order; raises UnreadableDocument for what is none."""
        return merge_pdfs(documents)
