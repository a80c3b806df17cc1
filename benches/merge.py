"""From a push to the first call that meets the new configuration, by a server and the emulated Bitbucket."""

import json
import subprocess

BUILD = ["cargo", "bench", "--quiet", "-p", "gw", "--bench", "merge", "--"]
GOALS = {1_000: "p99 <= 0.25 s"}


def run(binary, root):
    measured = subprocess.run([*BUILD, binary], cwd=root, check=True, stdout=subprocess.PIPE, text=True)
    rows = json.loads(measured.stdout.strip().splitlines()[-1])
    return [{**row, "goal": GOALS.get(row["apis"], "")} for row in rows]
