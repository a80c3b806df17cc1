"""The control plane: check, plan and apply over 10 to 10,000 generated APIs."""

import os
import pathlib
import tempfile

import measure
import workspaces

COUNTS = [10, 1_000, 10_000]
GOALS = {("check", 10_000): "<= 1 s, linear", ("no-change plan", 10_000): "<= 1 s, no writes"}
# No gateway runs here, so an apply ends with 6: applied, not verified.
APPLIED = (0, 6)


def steps(binary, folder):
    run = [binary, "--no-input", "--workspace", folder]
    environment = ["--env", "dev"]
    yield "check", [*run, "check"], (0,)
    yield "first plan", [*run, "plan", *environment], (0,)
    yield "apply", [*run, "apply", *environment], APPLIED
    yield "no-change plan", [*run, "plan", *environment], (0,)
    workspaces.change_one(folder)
    yield "one changed: plan", [*run, "plan", *environment], (0,)
    yield "one changed: apply", [*run, "apply", *environment], APPLIED


def run(binary, rounds):
    rows = []
    with tempfile.TemporaryDirectory() as home:
        environment = {**os.environ, "HOME": home, "XDG_STATE_HOME": str(pathlib.Path(home, "state"))}
        for count in COUNTS:
            samples = {}
            for number in range(rounds):
                folder = workspaces.write(pathlib.Path(home, f"apis-{count}-{number}"), count)
                measure.command([binary, "--workspace", folder, "init", "--id"], env=environment)
                for step, arguments, accepted in steps(binary, folder):
                    used = measure.command(arguments, accepted, env=environment)
                    samples.setdefault(step, []).append(used)
            for step, used in samples.items():
                middle = sorted(used, key=lambda sample: sample["cpu_s"])[len(used) // 2]
                rows.append({"step": step, "apis": count, **middle, "goal": GOALS.get((step, count), "")})
                print(f"  {step:20} {count:6} APIs  {middle['cpu_s']:8.3f} CPU s  {middle['memory_mib']:7.1f} MiB")
    return rows
