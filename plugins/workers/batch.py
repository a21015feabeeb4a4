"""Jobs of a batch system (SLURM and others) as workers, described in a YAML file."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fib_plugins.workers.clusters import SETTINGS, distributed_of
from fib_plugins.workers.dask_workers import DaskWorkers
from fibcore.errors import FibError, UsageError, faults
from fibcore.files import read_whole
from fibcore.pipeline.plan import PlannedStep
from fibcore.pipeline.workers import Workers

CLASSES = {
    "slurm": "SLURMCluster",
    "pbs": "PBSCluster",
    "sge": "SGECluster",
    "lsf": "LSFCluster",
    "oar": "OARCluster",
    "htcondor": "HTCondorCluster",
}
CORES_OF_JOB = {"slurm": "job_cpu", "lsf": "ncpus"}
"""System -> argument of dask-jobqueue for the cores of a job; others take them from `cores`, and
have an entry of their own, such as `resource_spec` of PBS."""

LARGEST_FILE = 2**20
SEE_AGAIN_S = 0.1


class Jobs(BaseModel):
    """The jobs that a batch system starts for a run; other entries go to dask-jobqueue.

    They end with the run. See ``https://jobqueue.dask.org`` for all entries, such as `queue`,
    `account`, `walltime`, `job_extra_directives`, `job_script_prologue`, `interface`.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    system: Literal["slurm", "pbs", "sge", "lsf", "oar", "htcondor"] = Field(
        description="the batch system"
    )
    jobs: int = Field(ge=1, description="number of jobs")
    cores: int = Field(ge=1, description="CPU cores of a job, which its workers share")
    memory: str = Field(description="memory of a job, e.g. 32GB")
    workers_per_job: int = Field(default=1, ge=1, description="worker processes in a job")
    wait_s: float = Field(
        default=3600.0, gt=0, description="longest wait for the first job to start, seconds"
    )

    def cluster(self, refused: list[Exception]) -> Any:
        """Return the cluster, whose jobs are not submitted yet.

        Args:
            refused: gets the errors of jobs that the batch system does not accept.
        """
        import dask_jobqueue

        known: Any = getattr(dask_jobqueue, CLASSES[self.system])
        job_class: Any = known.job_cls

        class Job(job_class):
            async def start(self) -> None:
                try:
                    await super().start()
                except Exception as error:
                    refused.append(error)
                    raise

        cluster = type(known.__name__, (known,), {"job_cls": Job})
        extra = {"scheduler_options": {"dashboard_address": None}, **(self.model_extra or {})}
        if self.system in CORES_OF_JOB:
            extra.setdefault(CORES_OF_JOB[self.system], self.cores)
        own = [f"export {name}={value}" for name, value in variables().items()]
        extra["job_script_prologue"] = [*extra.get("job_script_prologue", []), *own]
        return cluster(
            cores=self.workers_per_job,  # one thread of Dask for each worker
            processes=self.workers_per_job,
            memory=self.memory,
            **extra,
        )


def variables() -> dict[str, str]:
    """Return the variables with which workers in other processes get Dask's settings for fib.

    Dask lets the C library give memory back at once, which costs half of the time of a training.
    """
    found = {"MALLOC_MMAP_THRESHOLD_": str(2**25), "MALLOC_TRIM_THRESHOLD_": str(2**30)}
    return found | {
        "DASK_" + name.upper().replace(".", "__"): str(value) for name, value in SETTINGS.items()
    }


def read_jobs(path: str | Path) -> Jobs:
    """Read the description of jobs.

    Raises:
        UsageError: the file cannot be read, or its content is not such a description.
    """
    import yaml

    try:
        content = yaml.safe_load(read_whole(Path(path), LARGEST_FILE))
    except OSError as error:
        raise UsageError(f"--cluster {path} cannot be read: {error.strerror or error}") from None
    except (yaml.YAMLError, UnicodeDecodeError, FibError) as error:
        raise UsageError(f"--cluster {path} is not YAML: {error}") from None
    if not isinstance(content, dict):
        raise UsageError(
            f"--cluster {path}: give entries such as `system: slurm`, `jobs: 4`, `cores: 8`, "
            f"`memory: 32GB`"
        )
    try:
        return Jobs.model_validate(content)
    except ValidationError as error:
        raise UsageError(f"--cluster {path}: {faults(error)}") from None


def open_batch(path: str, steps: Sequence[PlannedStep], store: Path, device: str) -> Workers:
    """Submit the jobs of a file, and return their workers.

    Args:
        path: the file.
        steps: the steps that will be computed.
        store: folder of finished steps.
        device: device asked for; each worker has its own.

    Raises:
        UsageError: the file is wrong, the batch system does not accept the jobs, none of them
            starts in time, or its workers cannot do the work.
    """
    jobs = read_jobs(path)
    distributed = distributed_of(path)
    import dask

    with ExitStack() as opened:
        opened.enter_context(dask.config.set(SETTINGS))
        refused: list[Exception] = []
        try:
            cluster = jobs.cluster(refused)
        except (TypeError, ValueError) as error:
            raise UsageError(f"--cluster {path}: dask-jobqueue refuses it: {error}") from None
        opened.callback(_close, cluster)
        cluster.scale(jobs=jobs.jobs)
        while not refused and not _submitted(cluster):
            time.sleep(SEE_AGAIN_S)
        if refused:
            raise UsageError(f"--cluster {path}: {jobs.system} refused the jobs: {refused[0]}")
        client = opened.enter_context(distributed.Client(cluster, set_as_default=False))
        workers = DaskWorkers(client, steps, store, opened.pop_all().close, jobs.wait_s)
    return workers


def _submitted(cluster: Any) -> bool:
    """Return whether the batch system has accepted all jobs."""
    jobs = list(cluster.workers.values())
    return len(jobs) == len(cluster.worker_spec) and all(job.job_id for job in jobs)


def _close(cluster: Any) -> None:
    try:
        cluster.close()
    except AssertionError:  # a job that was refused has not started, and cannot be closed
        cluster.shutdown_on_close = False
