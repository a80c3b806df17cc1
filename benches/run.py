"""Measures and writes docs/benchmarks: `make bench`.

Side by side in one run, because the machine is shared: ratios mean something, times do not.
"""

import argparse
import json
import os
import pathlib
import platform
import subprocess

import control
import gateway
import ledger
import measure
import merge
import report

ROOT = pathlib.Path(__file__).resolve().parent.parent
RESULTS = ROOT / "docs" / "benchmarks"

GATES = {
    "plain 1 KB": "<= 1.00", "POST 4 KB": "<= 1.00", "plain 64 KB": "<= 1.00",
    "RS256, repeated token": "<= 0.30", "ES256, repeated token": "<= 0.16",
}


def version(*arguments):
    told = subprocess.run(arguments, capture_output=True, text=True, check=False)
    return (told.stdout + told.stderr).strip().splitlines()[0]


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--binary", required=True, help="a release build of gatewright")
    options.add_argument("--haproxy", default="haproxy", help="command line of HAProxy")
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--seconds", type=int, default=4, help="length of one load")
    options.add_argument("--only", choices=["control", "gateway", "ledger", "merge"])
    chosen = options.parse_args()
    measure.raise_file_limit()
    RESULTS.mkdir(parents=True, exist_ok=True)
    machine = {"cores": os.cpu_count(), "kernel": platform.release(), "command": "make bench"}
    if chosen.only in (None, "control"):
        print("control plane")
        rows = control.run(chosen.binary, rounds=3)
        write("control", {**machine, "gatewright": version(chosen.binary, "version"), "rows": rows})
    if chosen.only in (None, "ledger"):
        print("ledger")
        rows = ledger.run(chosen.binary, ROOT)
        write("ledger", {**machine, "gatewright": version(chosen.binary, "version"), "rows": rows})
    if chosen.only in (None, "merge"):
        print("merge")
        rows = merge.run(chosen.binary, ROOT)
        write("merge", {**machine, "gatewright": version(chosen.binary, "version"), "rows": rows})
    if chosen.only in (None, "gateway"):
        print("gateway")
        rows, memory = gateway.run(chosen.binary, chosen.haproxy, chosen.rounds, chosen.seconds)
        versions = {"gatewright": version(chosen.binary, "version"), "nginx": version("nginx", "-v"),
                    "haproxy": version(*chosen.haproxy.split(), "-v")}
        write("gateway", {**machine, "versions": versions, "rounds": chosen.rounds,
                          "seconds": chosen.seconds, "memory_mib": memory, "rows": rows})
    (RESULTS / "README.md").write_text(page())
    print(f"written to {RESULTS.relative_to(ROOT)}")


def write(name, data):
    (RESULTS / f"{name}.json").write_text(json.dumps(data, indent=1) + "\n")


def read(name):
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else None


def page():
    parts = ["# Benchmarks\n\nWritten by `make bench`. Machines are shared and noisy: compare ratios of one run, "
             "never times of two.\n"]
    if data := read("gateway"):
        rows = data["rows"]
        parts.append("## Gateway\n\nCPU seconds (user and system) per 100,000 requests, medians of "
                     f"{data['rounds']} interleaved rounds of {data['seconds']} s; one worker on one core, load and "
                     f"upstream on the other. {', '.join(data['versions'].values())}.\n")
        parts.append(report.table([
            ("workload", lambda row: row["workload"]), ("subject", lambda row: row["subject"]),
            ("CPU s / 100,000", lambda row: f"{row['cpu_s_per_100k']:.2f}"),
            ("ratio to HAProxy", lambda row: f"{row['ratio_to_haproxy']:.2f}"),
            ("gate", lambda row: GATES[row["workload"]] if row["subject"] == "gatewright" else ""),
        ], rows))
        memory = ", ".join(f"{name} {value} MiB" for name, value in data["memory_mib"].items())
        parts.append(f"Memory after the run: {memory}.\n\n![gateway](gateway.svg)\n")
        groups = [(workload, [(row["subject"], row["cpu_s_per_100k"]) for row in rows if row["workload"] == workload])
                  for workload in dict.fromkeys(row["workload"] for row in rows)]
        (RESULTS / "gateway.svg").write_text(report.bars("CPU per request", "s per 100,000", groups))
    if data := read("control"):
        rows = data["rows"]
        parts.append("## Control plane\n\nGenerated APIs of five operations each; medians of 3 runs.\n")
        parts.append(report.table([
            ("step", lambda row: row["step"]), ("APIs", lambda row: row["apis"]),
            ("CPU s", lambda row: f"{row['cpu_s']:.3f}"), ("wall s", lambda row: f"{row['wall_s']:.3f}"),
            ("memory MiB", lambda row: row["memory_mib"]),
            ("CPU ms per API", lambda row: f"{1000 * row['cpu_s'] / row['apis']:.3f}"),
            ("goal", lambda row: row["goal"]),
        ], rows))
        parts.append("![control plane](control.svg)\n")
        groups = [(f"{row['step']}, {row['apis']} APIs", [("gatewright", row["cpu_s"])])
                  for row in rows if row["apis"] == max(control.COUNTS)]
        (RESULTS / "control.svg").write_text(report.bars("CPU per command", "s", groups))
    if data := read("merge"):
        parts.append("## From a push to a call\n\nBitbucket (the emulated one) has answered a push to `main`; its "
                     "webhook is heard, the commit fetched, read, planned, judged, applied to the built-in gateway of "
                     "the server, read back and probed. Measured until the first call that the new configuration "
                     "lets in; medians of 5 pushes that change one API.\n")
        parts.append(report.table([
            ("APIs", lambda row: row["apis"]), ("wall s", lambda row: f"{row['wall_s']:.3f}"),
            ("CPU s of the server", lambda row: f"{row['cpu_s']:.2f}"),
            ("memory MiB", lambda row: row["memory_mib"]), ("goal", lambda row: row["goal"]),
        ], data["rows"]))
    if data := read("ledger"):
        parts.append("## Ledger\n\nEach entry is on disk before the next one begins, so appends tell of the disk as "
                     "much as of the program; verification reads every entry, hash and signature from files.\n")
        parts.append(report.table([
            ("step", lambda row: row["step"]), ("entries", lambda row: row["entries"]),
            ("CPU s", lambda row: "" if row["cpu_s"] is None else f"{row['cpu_s']:.2f}"),
            ("wall s", lambda row: f"{row['wall_s']:.2f}"),
            ("entries per s", lambda row: round(row["entries"] / row["wall_s"])),
            ("memory MiB", lambda row: "" if row["memory_mib"] is None else row["memory_mib"]),
        ], data["rows"]))
    return "\n".join(parts)


if __name__ == "__main__":
    main()
