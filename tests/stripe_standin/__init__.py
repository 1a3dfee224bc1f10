"""A stand-in for Stripe: a real HTTP server built from Stripe's published API description."""
