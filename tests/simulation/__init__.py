"""The whole shop on a simulated machine: one seed is one schedule, and can be replayed."""
