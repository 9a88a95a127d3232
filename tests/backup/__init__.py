"""Backups of running and stopped shops, and what becomes of a shop when they are put back."""
