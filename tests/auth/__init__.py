"""Tests of who may come in: tokens, doors, TLS, and what others on the machine can see."""
