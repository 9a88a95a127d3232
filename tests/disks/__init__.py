"""Disks that fail, fill up, or lose power: what the shop has answered stays true."""
