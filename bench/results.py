"""Puts what the benchmarks and the peers printed into bench/results/MACHINE.json: whole or not at all. Standard library only.

  python bench/results.py --command './run bench --peers' --cpp build/bench/*.json --peers build/bench/peers.json"""

import argparse
import datetime
import json
import os
import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent


def output_of(*command):
    try:
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def machine():
    text = pathlib.Path("/proc/cpuinfo").read_text()
    model = re.search(r"model name\s*:\s*(.*)", text)
    caches = {}
    for index in sorted(pathlib.Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        level, kind, size = ((index / name).read_text().strip() for name in ("level", "type", "size"))
        caches[f"L{level} {kind}"] = size
    numbers = [re.search(rf"^{name}\s*:\s*(\d+)", text, re.M) for name in ("cpu family", "model")]  # virtual machines hide the name
    return {"processor": model[1] if model else "unknown", "family_and_model": " ".join(found[1] for found in numbers if found),
            "cores": os.cpu_count(), "caches": caches, "compiler": output_of("c++", "--version").partition("\n")[0]}


def measurements(paths):
    """One entry a benchmark: its name and its counters."""
    found = []
    for path in paths:
        for run in json.loads(path.read_text())["benchmarks"]:
            left_out = {"family_index", "per_family_instance_index", "run_name", "run_type", "repetitions", "repetition_index", "threads"}
            found.append({key: value for key, value in run.items() if key not in left_out})
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--command", required=True)
    parser.add_argument("--cpp", nargs="*", type=pathlib.Path, default=[])
    parser.add_argument("--peers", nargs="*", type=pathlib.Path, default=[])
    asked = parser.parse_args()
    about = machine()
    peers = {"versions": {}, "measurements": []}
    for path in asked.peers:
        one = json.loads(path.read_text())
        peers["versions"] |= one["versions"]
        peers["measurements"] += one["measurements"]
    dirty = "+" if output_of("git", "status", "--porcelain", "--", "include", "bench/*.cpp", "bench/*.hpp", "bench/peers") else ""
    result = {"date": datetime.date.today().isoformat(), "commit": output_of("git", "rev-parse", "HEAD") + dirty,
              "command": asked.command, "machine": about, "benchmarks": measurements(asked.cpp), "peers": peers}
    name = re.sub(r"[^a-z0-9]+", "-", f"{about['processor']} {about['cores']} cores".lower()).strip("-")
    target = ROOT / "bench" / "results" / f"{name}.json"
    target.parent.mkdir(exist_ok=True)
    unfinished = target.with_suffix(".unfinished")
    unfinished.write_text(json.dumps(result, indent=1) + "\n")
    unfinished.replace(target)
    print(f"written: {target.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
