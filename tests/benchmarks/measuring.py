"""Rounds of A B A B, and what they cost in wall time and CPU, here and in PostgreSQL.

CPU a row is steadier than wall time on a machine that others use too, so benchmarks give both. Comparisons are
interleaved, and ratios are taken round by round, so that a slow moment hits all sides of a pair.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from tracking.embedded import postgres, processes

# Makes the work of round n ready, outside the measured time; what it returns is measured.
Variant = Callable[[int], Callable[[], object]]


@dataclass(frozen=True)
class Sample:
    """Seconds of one round: wall time, CPU of this process, CPU of the server (0 where none was asked for)."""

    wall: float
    client_cpu: float
    server_cpu: float

    @property
    def cpu(self) -> float:
        """CPU of both sides, seconds."""
        return self.client_cpu + self.server_cpu


def interleave(
    variants: Mapping[str, Variant], rounds: int, server_cpu: Callable[[], float] = lambda: 0.0
) -> dict[str, list[Sample]]:
    """Measure all variants in each round, each round beginning with another one; round 0 is a warm-up and not kept."""
    names = list(variants)
    samples: dict[str, list[Sample]] = {name: [] for name in names}
    for number in range(rounds + 1):
        shift = number % len(names)
        for name in names[shift:] + names[:shift]:
            sample = _measure(variants[name](number), server_cpu)
            if number:
                samples[name].append(sample)
    return samples


def _measure(work: Callable[[], object], server_cpu: Callable[[], float]) -> Sample:
    """The garbage of the preparation is collected before, that of the work belongs to it."""
    gc.collect()
    server = server_cpu()
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return Sample(wall, cpu, server_cpu() - server)


def ratios(numerators: Sequence[float], denominators: Sequence[float]) -> list[float]:
    """Round by round."""
    return [above / below for above, below in zip(numerators, denominators, strict=True)]


def process_cpu(pid: int) -> float:
    """CPU seconds of a process of one thread. From the scheduler in nanoseconds, elsewhere in ticks of 10 ms."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9
    except OSError:
        times = psutil.Process(pid).cpu_times()
        return float(times.user + times.system)


def postgres_cpu(data_dir: Path) -> float:
    """CPU seconds of the embedded PostgreSQL since it started: all living processes, and the ended ones through the
    postmaster that waited for them. Only differences mean something."""
    postmaster = postgres.pid_of(data_dir)
    if postmaster is None:
        raise RuntimeError(f"no PostgreSQL runs in {data_dir}")
    ended = psutil.Process(postmaster).cpu_times()
    living = processes.pids_in(postgres.directory_of(data_dir), postgres.PROGRAM)
    return (
        sum(_cpu_or_zero(pid) for pid in living)
        + getattr(ended, "children_user", 0.0)
        + getattr(ended, "children_system", 0.0)
    )


def _cpu_or_zero(pid: int) -> float:
    """A process that ends between being listed and being read: its CPU is with the postmaster from then on."""
    try:
        return process_cpu(pid)
    except psutil.NoSuchProcess:
        return 0.0
