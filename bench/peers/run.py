"""Times other systems at the work of bench/*.cpp, on the same inputs and with as many threads.

  python run.py --threads 2                       every task and peer at the usual shapes, a table at the end
  python run.py --lists usual,large --out p.json  the paper's shapes too; the measurements as JSON
  python run.py --tasks objective --peers torch.fastest --shapes 2,16,16,3072,256
  python run.py --against build.json              values checked against those of bench_objective, from its --benchmark_out

Every measurement has a process of its own, once with the C library's malloc as it is and once told to keep memory between calls
(fresh pages cost as much as a sweep): "malloc" says which. A peer whose library is not installed is skipped, and a sentence says so. Values have to agree with a reference in float64 to 1e-4; draws are checked in
the mean."""

import argparse
import importlib
import importlib.metadata
import importlib.util
import json
import os
import pathlib
import platform
import subprocess
import sys

TASKS = ["objective", "truncated_logistic", "linear_head", "ordinal_step", "sampler_step"]
KEPT = {"MALLOC_MMAP_THRESHOLD_": str(1 << 33), "MALLOC_TRIM_THRESHOLD_": str(1 << 35), "MALLOC_TOP_PAD_": str(1 << 26)}


def measure_here(task, peer, shape, threads, budget):
    import measure

    measure.use_threads(threads)
    once, value = importlib.import_module(task).make(peer, shape, threads)
    measure.report(once, budget, value=value)


def measure_in_process(task, peer, shape, malloc, asked):
    command = [sys.executable, __file__, "--one", task, peer, ",".join(map(str, shape)), "--threads", str(asked.threads)]
    environment = os.environ | {"JAX_PLATFORMS": "cpu"} | (KEPT if malloc == "kept" else {})
    what = {"task": task, "peer": peer, "shape": list(shape), "threads": asked.threads, "malloc": malloc}
    try:
        done = subprocess.run(command + ["--budget", str(asked.budget)], env=environment, capture_output=True, text=True, timeout=asked.limit)
        if done.returncode == 0:
            return what | json.loads(done.stdout.splitlines()[-1])
        reason = (done.stderr.strip() or "no message").splitlines()[-1]
    except subprocess.TimeoutExpired:
        reason = f"more than {asked.limit} s"
    return what | {"error": reason}


def check_values(results, expected):
    """Marks as an error what is not within 1e-4 of the expected value."""
    for one in results:
        value, right = one.get("value"), expected.get((one["task"], tuple(one["shape"])))
        if value is not None and not abs(value - right) <= 1e-4 * abs(right):
            one["error"] = f"value {value}, and {right} was expected"


def values_of(path):
    """Of --benchmark_out of the C++ benchmarks."""
    found = {}
    for run in json.loads(pathlib.Path(path).read_text())["benchmarks"] if path else []:
        parts = run["name"].split("/")
        if "value" in run:
            sizes = [part.split(":") for part in parts if ":" in part]
            found["/".join(parts[:2]), tuple(int(size) for axis, size in sizes if len(axis) == 1)] = run["value"]
    return found


def installed(task, peers):
    """Of a task's peers those whose library is here; says which are not."""
    missing = sorted({peer.split(".")[0] for peer in peers if not importlib.util.find_spec(peer.split(".")[0])})
    for library in missing:
        print(f"{task}: {library} is not installed, its peers are skipped", file=sys.stderr)
    return [peer for peer in peers if peer.split(".")[0] not in missing]


def print_table(results):
    print(f"{'task':20}{'shape':24}{'peer':26}{'malloc':9}{'median ms':>12}{'extra MB':>10}")
    for r in results:
        line = f"{r['task']:20}{','.join(map(str, r['shape'])):24}{r['peer']:26}{r['malloc']:9}"
        print(line + (r["error"] if "error" in r else f"{1e3 * r['median']:12.2f}{r['extra_memory'] / 2**20:10.0f}"))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", default=",".join(TASKS))
    parser.add_argument("--peers", help="some of a task's peers")
    parser.add_argument("--lists", default="usual", help="usual, large or both")
    parser.add_argument("--shapes", help="instead of the lists, separated by ';'")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--budget", type=float, default=5, help="seconds for the repetitions of one measurement")
    parser.add_argument("--limit", type=float, default=300, help="seconds after which one is given up")
    parser.add_argument("--against", help="JSON of the C++ benchmarks")
    parser.add_argument("--out")
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        task, peer, shape = asked.one
        return measure_here(task, peer, tuple(map(int, shape.split(","))), asked.threads, asked.budget)

    results, expected = [], {}
    for task in asked.tasks.split(","):
        module = importlib.import_module(task)
        shapes = [tuple(map(int, s.split(","))) for s in asked.shapes.split(";")] if asked.shapes else [
            shape for name in asked.lists.split(",") for shape in getattr(module, name.upper())]
        peers = installed(task, [peer for peer in module.PEERS if not asked.peers or peer in asked.peers.split(",")])
        for shape in shapes:
            if hasattr(module, "reference"):
                expected[task, shape] = module.reference(shape)
            for peer in peers:
                for malloc in ("default", "kept"):
                    results.append(measure_in_process(task, peer, shape, malloc, asked))
                    print(f"{task} {peer} {malloc}", file=sys.stderr)
    check_values(results, expected)
    for (what, shape), value in values_of(asked.against).items():
        right = expected.get((what.removesuffix("/library"), shape))
        if right is not None and not abs(value - right) <= 1e-4 * abs(right):
            results.append({"task": what, "shape": list(shape), "peer": "dimix", "malloc": "", "error": f"value {value}, and {right} was expected"})
    versions = {"python": platform.python_version()}
    for package in ("torch", "jax", "jaxlib", "numpy"):
        if importlib.util.find_spec(package):
            versions[package] = importlib.metadata.version(package)
    print_table(results)
    print(", ".join(f"{name} {version}" for name, version in versions.items()), f"{asked.threads} threads", sep=", ")
    if asked.out:
        pathlib.Path(asked.out).write_text(json.dumps({"versions": versions, "measurements": results}, indent=1))
    return any("error" in r for r in results)


if __name__ == "__main__":
    sys.exit(main())
