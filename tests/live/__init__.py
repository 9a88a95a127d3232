"""The command line on a live shop."""
