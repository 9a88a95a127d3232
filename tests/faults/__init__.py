"""Servers killed, frozen and stopped under load, as real processes."""
