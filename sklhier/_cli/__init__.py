"""The command ``python -m sklhier``: train, predict, report, show a taxonomy, demonstrate."""

from sklhier._cli.command import main

__all__ = ["main"]
