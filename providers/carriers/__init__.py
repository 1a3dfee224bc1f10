"""Carriers: one file per real system, plus the sandbox."""
