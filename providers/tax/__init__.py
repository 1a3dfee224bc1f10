"""Services that compute taxes, behind `domain.ports.TaxService`."""
