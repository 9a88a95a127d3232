"""Tests of what stands beside the three servers: settings, tokens, supervisor, sample."""
