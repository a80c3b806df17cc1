"""The ledger: entries that are durable one by one, and the verification of a million of them."""

import json
import subprocess
import tempfile

import measure

BUILD = ["cargo", "bench", "--quiet", "-p", "gw-control", "--bench", "ledger", "--"]


def run(binary, root):
    with tempfile.TemporaryDirectory() as folder:
        made = subprocess.run([*BUILD, folder], cwd=root, check=True, capture_output=True, text=True)
        told = json.loads(made.stdout.strip().splitlines()[-1])
        verify = [binary, "audit", "verify", "--ledger", told["ledger"], "--key", told["key"]]
        used = sorted((measure.command(verify) for _ in range(3)), key=lambda sample: sample["cpu_s"])[1]
    unmeasured = {"cpu_s": None, "memory_mib": None}
    rows = [
        {"step": "durable appends", "entries": told["appends"], "wall_s": told["append_s"], **unmeasured},
        {"step": "files written behind them", "entries": told["appends"], "wall_s": told["publish_s"], **unmeasured},
        {"step": "verification", "entries": told["entries"], **used},
    ]
    for row in rows:
        print(f"  {row['step']:28} {row['entries']:8} entries  {row['wall_s']:8.2f} s")
    return rows
