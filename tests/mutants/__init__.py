"""Planted bugs: copies of the product with one rule taken out, and the checks that must find it."""
