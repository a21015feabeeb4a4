"""The command line: ``fib``."""

from __future__ import annotations


def main() -> None:
    """Run the ``fib`` command."""
    from fibcore.cli.app import app

    app(prog_name="fib")
