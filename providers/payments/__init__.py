"""Payment systems behind `domain.ports`: one module each, and the sandbox."""
