"""Parsers and forms of output, against whatever chance comes up with.

``FUZZ=100 make test ARGS=tests/fuzz`` tries a hundred times as many examples.
"""
