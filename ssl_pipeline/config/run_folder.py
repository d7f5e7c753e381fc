"""Where a run writes, before it has begun."""

from __future__ import annotations

import os
from pathlib import Path

from ssl_pipeline.utils.auto import AUTO


def run_dir(resume: str | None, experiment: str | None, name: str, time: str) -> str:
    """Folder of a run; a resumed one goes on in its own.

    In a job of SLURM it is the job's where tasks must agree on it, or where a job that starts anew is to find it.

    Raises:
        FileNotFoundError: there is no run to resume.
    """
    if resume in (None, AUTO):
        return f"outputs/{experiment or name}/{_job(resume) or time}"
    if not Path(resume).is_dir():
        raise FileNotFoundError(f"resume={resume}: there is no such folder")
    return resume


def _job(resume: str | None) -> str | None:
    """What tells a job of SLURM, or a step of it, from others; None where the time does, or in a shell."""
    number, step = os.environ.get("SLURM_JOB_ID"), int(os.environ.get("SLURM_STEP_ID", 2**32))
    if number is None or os.environ.get("SLURM_JOB_NAME") in ("bash", "interactive"):
        return None
    by_srun = step < 2**16  # higher ones stand for the batch script itself
    if resume != AUTO and not (by_srun and int(os.environ.get("SLURM_NTASKS", 1)) > 1):
        return None
    return f"job-{number}.{step}" if by_srun and step else f"job-{number}"
