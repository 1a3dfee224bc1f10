"""Ways to write to customers, and the words."""
