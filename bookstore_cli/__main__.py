"""Where the command `bookstore` begins, also as ``python -m bookstore_cli``.

Ctrl-C is heeded before anything is imported, which takes longer than what some commands do.
"""

import sys


def main() -> None:
    """Run the command line of this process; the entry point."""
    try:
        from bookstore_cli.main import main as run_this

        run_this()
    except KeyboardInterrupt:
        sys.exit(130)  # `INTERRUPTED` in ``main``, of which nothing may be known yet.


if __name__ == "__main__":
    main()
