"""Pipelines: file, check, plan and run.

>>> from pathlib import Path
>>> from fibcore.pipeline import check_pipeline, run_pipeline
>>> plan = check_pipeline({"version": 1, "name": "demo", "steps": [...]}, base=Path("."))
>>> result = run_pipeline(plan, out=Path("runs"), cache=Path(".fib-cache"))
>>> result["gold"], result["unet.history"]
"""

from fibcore.pipeline.check import check_pipeline, read_pipeline
from fibcore.pipeline.plan import Plan
from fibcore.pipeline.runner import RunResult, StepError, run_pipeline

__all__ = ["Plan", "RunResult", "StepError", "check_pipeline", "read_pipeline", "run_pipeline"]
