"""Measures a command with all its descendants: CPU over time, resident memory in sum, bytes over loopback.

Linux only: /proc, and a child subreaper so that processes that outlive their parents are counted and ended too.
"""

import bisect
import ctypes
import os
import resource
import signal
import subprocess
import threading
import time
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36
TICK = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
CPU_INTERVAL = 0.05
MEMORY_EVERY = 4

ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def stat(pid: int) -> tuple[int, float, int] | None:
    """Parent, CPU seconds with those of reaped children, resident bytes; none when the process has gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    if len(fields) < 22:
        return None
    return int(fields[1]), sum(map(int, fields[11:15])) / TICK, int(fields[21]) * PAGE


def descendants() -> dict[int, tuple[float, int]]:
    """CPU and memory of all processes below this one."""
    everyone = {int(name): stat(int(name)) for name in os.listdir("/proc") if name.isdigit()}
    alive = {pid: found for pid, found in everyone.items() if found}
    children: dict[int, list[int]] = {}
    for pid, (parent, _, _) in alive.items():
        children.setdefault(parent, []).append(pid)
    found, queue = {}, list(children.get(os.getpid(), ()))
    while queue:
        pid = queue.pop()
        found[pid] = alive[pid][1:]
        queue += children.get(pid, ())
    return found


def reaped() -> float:
    """CPU seconds of children that have ended and been waited for, with their own."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def loopback() -> int:
    """Bytes that loopback has received."""
    for line in Path("/proc/net/dev").read_text().splitlines():
        name, _, figures = line.partition(":")
        if name.strip() == "lo":
            return int(figures.split()[0])
    return 0


class Meter:
    """Samples all descendants of this process until it is stopped."""

    def __init__(self) -> None:
        self.began = time.time()
        self.times: list[float] = []
        self.cpu: list[float] = []
        self.bytes: list[int] = []
        self.peak = 0
        self._base, self._base_bytes = reaped(), loopback()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()

    def _sample(self) -> None:
        count = 0
        while not self._stop.is_set():
            self._once(memory=count % MEMORY_EVERY == 0)
            count += 1
            self._stop.wait(CPU_INTERVAL)

    def _once(self, memory: bool) -> None:
        before = reaped()
        found = descendants()
        self.times.append(time.time())
        self.cpu.append(before - self._base + sum(cpu for cpu, _ in found.values()))
        self.bytes.append(loopback() - self._base_bytes)
        if memory:
            self.peak = max(self.peak, sum(resident for _, resident in found.values()))

    def stop(self) -> None:
        """Ends the sampling; call it before the processes are ended, so that the last sample has them."""
        self._stop.set()
        self._thread.join()
        self._once(memory=True)

    def at(self, when: float, series: list) -> float:
        """A figure at a moment, interpolated."""
        right = min(bisect.bisect_left(self.times, when), len(self.times) - 1)
        left = max(right - 1, 0)
        span = self.times[right] - self.times[left]
        share = 0.0 if span <= 0 else min(max((when - self.times[left]) / span, 0.0), 1.0)
        return series[left] + (series[right] - series[left]) * share


def end_descendants() -> None:
    """Ends everything that is left below this process, and waits for it."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            pids = descendants()
            if not pids:
                return
            for pid in pids:
                try:
                    os.kill(pid, sign)
                except ProcessLookupError:
                    pass
            reap()
            time.sleep(0.1)


def reap() -> None:
    """Waits for whatever has ended."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def spawn(command: list[str], log: Path, **options) -> subprocess.Popen:
    """Starts a command whose output goes to a file."""
    with log.open("ab") as output:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, **options)
