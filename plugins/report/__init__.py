"""The report of a run: one self-contained HTML page.

>>> from pathlib import Path
>>> from fib_plugins.report import write_report
>>> write_report(Path("runs/hnpg/20260203-140512-9f3a"))
"""

from fib_plugins.report.page import write_report

__all__ = ["write_report"]
