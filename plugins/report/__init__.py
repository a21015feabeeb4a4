"""The report of a run as a self-contained HTML page, and the comparison of several runs.

>>> from pathlib import Path
>>> from fib_plugins.report import write_report
>>> write_report(Path("runs/hnpg/20260203-140512-9f3a"))
"""

from fib_plugins.report.writing import ReportWriter, write_report

__all__ = ["ReportWriter", "write_report"]
