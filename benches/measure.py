"""What a process used: CPU seconds, wall time, the largest memory; and counters of a running one."""

import os
import pathlib
import resource
import subprocess
import time

TICKS = os.sysconf("SC_CLK_TCK")


def command(arguments, accepted=(0,), **options):
    """Runs a command to its end and returns what it used."""
    begin = time.monotonic()
    process = subprocess.Popen(
        [str(argument) for argument in arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **options,
    )
    # The pipes are read to the end first, so that a talkative command cannot block.
    out, err = process.stdout.read(), process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in accepted:
        raise SystemExit(
            f"{' '.join(map(str, arguments))} ended with {process.returncode}:\n"
            f"{out.decode()[-2000:]}{err.decode()[-2000:]}"
        )
    return {
        "cpu_s": round(usage.ru_utime + usage.ru_stime, 3),
        "wall_s": round(time.monotonic() - begin, 3),
        "memory_mib": round(usage.ru_maxrss / 1024, 1),
    }


def cpu_seconds(pids):
    """User and system time of processes that still run, all their threads together."""
    total = 0
    for pid in pids:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICKS


def memory_mib(pids):
    total = 0
    for pid in pids:
        for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                total += int(line.split()[1])
    return round(total / 1024, 1)


def children(pid):
    listed = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False)
    return [int(line) for line in listed.stdout.split()]


def raise_file_limit():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 65536)), hard))
