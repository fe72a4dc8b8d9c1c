"""How the programs here time, count memory and say what they ran with. A measurement is one line of JSON; see run.py."""

import json
import os
import pathlib
import re
import statistics
import sys
import time


def use_threads(threads):
    """Before anything else is imported: JAX has a thread for every processor that the process may use."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = str(threads)


def median_seconds(once, budget, least=3, most=50):
    """Median of calls after one that warms up; stops when the budget of seconds is spent, but has `least` calls."""
    once()
    seconds, start = [], time.perf_counter()
    while len(seconds) < least or (len(seconds) < most and time.perf_counter() - start < budget):
        before = time.perf_counter()
        once()
        seconds.append(time.perf_counter() - before)
    return statistics.median(seconds), len(seconds)


def memory(what):
    """Bytes that the process holds (VmRSS), or the most that it held (VmHWM)."""
    return 1024 * int(re.search(what + r":\s*(\d+)", pathlib.Path("/proc/self/status").read_text())[1])


memory_of_inputs = 0


def inputs_are_made():
    """What the process holds beyond this point is extra."""
    global memory_of_inputs
    memory_of_inputs = memory("VmRSS")


def report(once, budget, **what):
    """Times `once`; prints the line. Extra memory is the peak of the timed calls, results and the library's own included."""
    pathlib.Path("/proc/self/clear_refs").write_text("5")  # forgets the peak so far
    median, calls = median_seconds(once, budget)
    what |= {"median": median, "calls": calls, "extra_memory": memory("VmHWM") - memory_of_inputs}
    json.dump(what, sys.stdout)
    print()
