"""Measuring the shop against a yardstick, side by side in one run."""
