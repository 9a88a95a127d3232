"""Auditing and repairing: what is found, what is mended, and that neither raises false alarm."""
