"""Makes the table of README's section Speed from bench/results/*.json; the peer stands beside every ratio. Standard library only.

  python bench/readme_table.py            writes README.md
  python bench/readme_table.py --check    says whether it is up to date (exit status 1 when not)
  python bench/readme_table.py --linear   how far the times of bench_objective are from linear in M and K"""

import argparse
import json
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
BEGIN, END = "<!-- speed: made by bench/readme_table.py -->", "<!-- speed: end -->"

# peers' task -> the benchmark of the library
LIBRARY = {"objective": "objective/library", "truncated_logistic": "truncated_logistic/library", "linear_head": "linear_head/library",
           "ordinal_step": "ordinal_step/draw/library", "sampler_step": "sampler_step/absorbing/library"}
# peers that do another step of the library
LIBRARY_OF_PEER = {("ordinal_step", "torch.summed"): "ordinal_step/sum/library",
                   ("ordinal_step", "torch.authors_summed"): "ordinal_step/sum/library"}
NO_PEERS = {"torch.maximum"}  # a bound
AXES = {"objective": "B, M, K, D, S", "truncated_logistic": "B, M, K, D, S", "linear_head": "B, M, K, D, H, S", "ordinal_step": "B, D, S",
        "sampler_step": "B, D, S"}
# benchmark, its counter, what that says
BOUNDS = [("sampler_step/draws/library", "over_maximum", "a token drawn from every row: time over that of a pass which only finds the maximum"),
          ("ordinal_step/sum/library", "of_gemm", "ordinal step with x_0 summed out: multiply-adds over the rate of Eigen's product"),
          ("objective/library", "extra_memory", "objective: memory beside inputs and gradient"),
          ("truncated_logistic/library", "extra_memory", "objective under truncated logistic: memory beside inputs and gradient"),
          ("linear_head/library", "extra_memory", "objective of a linear head: memory beside inputs and gradients")]
LARGE = {"objective": [(2, 16, 16, 3072, 256), (1, 4, 4, 128, 50258)], "truncated_logistic": [(2, 16, 16, 3072, 256)],
         "linear_head": [(1, 4, 4, 128, 256, 50258)], "ordinal_step": [(8, 3072, 256)], "sampler_step": [(4, 256, 50258), (16, 3072, 256)]}


def shape_of(name):
    """(what, sizes, threads) of a benchmark's name"""
    parts = name.split("/")
    axes = dict(part.split(":") for part in parts if ":" in part)
    threads = int(axes.pop("threads", 1))
    axes.pop("iterations", None)
    what = "/".join(part for part in parts if ":" not in part and part != "real_time")
    return what, {axis: int(size) for axis, size in axes.items()}, threads


def time_text(seconds):
    return f"{1e3 * seconds:.3g} ms" if seconds < 1 else f"{seconds:.2f} s"


def rows_of(result):
    ours = {}
    for one in result["benchmarks"]:
        what, sizes, threads = shape_of(one["name"])
        if "median" in one:
            ours[what, tuple(sizes.values()), threads] = one
    peers = {}
    for one in result["peers"]["measurements"]:
        if "median" in one and "error" not in one:
            peers.setdefault((one["task"], tuple(one["shape"]), one["threads"]), []).append(one)
    def beside(task, shape, threads):
        """Whether the library was measured at this shape, and at none of the task's that is at least as large in everything."""
        at = {s for t, s, n in peers if (t, n) == (task, threads) and (LIBRARY[task], s, n) in ours}
        return shape in at and not any(s != shape and all(a >= b for a, b in zip(s, shape)) for s in at)

    for (task, shape, threads), measured in peers.items():
        if not beside(task, shape, threads):
            continue
        best = {}
        for one in measured:
            if one["peer"] in NO_PEERS:
                continue
            if one["peer"] not in best or one["median"] < best[one["peer"]]["median"]:
                best[one["peer"]] = one
        for peer, one in sorted(best.items(), key=lambda item: item[1]["median"]):
            own = ours.get((LIBRARY_OF_PEER.get((task, peer), LIBRARY[task]), shape, threads))
            if own is None:
                continue
            ratio, library = f"{one['median'] / own['median']:.1f}", time_text(own["median"])
            most = f"{one['median'] / own['floor']:.1f}" if "floor" in own else ""
            floor = f"{own['over_floor']:.2f}" if "over_floor" in own else ""
            yield f"| {task} ({AXES[task]}) | {shape} | {threads} | {library} | {floor} | {peer} | {time_text(one['median'])} | {ratio} | {most} |"


def bounds_of(result):
    """What is held against a bound of the machine, at the large shapes and with the most threads."""
    measured = [(*shape_of(one["name"]), one) for one in result["benchmarks"] if "median" in one]
    for what, sizes, threads, one in measured:
        for benchmark, counter, meaning in BOUNDS:
            largest = max((t for w, s, t, _ in measured if (w, s) == (what, sizes)), default=0)
            if what == benchmark and counter in one and threads == largest and tuple(sizes.values()) in LARGE[what.partition("/")[0]]:
                value = f"{one[counter] / 2**20:.1f} MB" if counter == "extra_memory" else f"{one[counter]:.2f}"
                yield f"| {meaning} | {tuple(sizes.values())} | {threads} | {time_text(one['median'])} | {value} |"


def table():
    lines = []
    for path in sorted((ROOT / "bench" / "results").glob("*.json")):
        result = json.loads(path.read_text())
        about, versions = result["machine"], result["peers"]["versions"]
        model = f" (family and model {about['family_and_model']})" if about.get("family_and_model") else ""
        lines += [f"{about['processor']}{model}, {about['cores']} cores, {about['compiler']}; "
                  + ", ".join(f"{name} {version}" for name, version in versions.items())
                  + f". {result['date']}, commit {result['commit'][:10]}, `{result['command']}`"
                  + (f"; {result['note']}." if "note" in result else "."), "",
                  "| task | shape | threads | dimix | over its floor | peer | peer's time | ratio | ratio at the floor |", "|---|---|---|---|---|---|---|---|---|"]
        lines += list(rows_of(result)) + [""]
        bounds = list(bounds_of(result))
        if bounds:
            lines += ["| beside a bound | shape | threads | dimix | measured |", "|---|---|---|---|---|"] + bounds + [""]
    return "\n".join(lines)


def print_linearity():
    """Time per component, and per draw, against that of the largest."""
    for path in sorted((ROOT / "bench" / "results").glob("*.json")):
        shapes = {}
        for one in json.loads(path.read_text())["benchmarks"]:
            what, sizes, threads = shape_of(one["name"])
            if what == "objective/library" and (sizes["B"], sizes["D"], sizes["S"]) == (1, 256, 256):
                shapes[sizes["M"], sizes["K"]] = one["median"]
        for axis, picked in (("M", {m: t for (m, k), t in shapes.items() if k == 16}), ("K", {k: t for (m, k), t in shapes.items() if m == 16})):
            if len(picked) < 3:
                print(f"{path.name}: no linearity in {axis} measured (DIMIX_BENCH_LISTS=linearity)")
                continue
            # least squares of the relative error: time = a + b n
            weight = {n: 1 / t**2 for n, t in picked.items()}
            w = sum(weight.values())
            mean_n = sum(weight[n] * n for n in picked) / w
            mean_t = sum(weight[n] * t for n, t in picked.items()) / w
            slope = (sum(weight[n] * (n - mean_n) * (t - mean_t) for n, t in picked.items())
                     / sum(weight[n] * (n - mean_n) ** 2 for n in picked))
            for n, t in sorted(picked.items()):
                line = mean_t + slope * (n - mean_n)
                print(f"{path.name}: {axis} = {n}: {time_text(t)}, {100 * (t / line - 1):+.1f} % of a straight line")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--linear", action="store_true")
    asked = parser.parse_args()
    if asked.linear:
        return print_linearity()
    readme = ROOT / "README.md"
    text = readme.read_text()
    before, found, rest = text.partition(BEGIN)
    old, closed, after = rest.partition(END)
    if not (found and closed):
        sys.exit(f"README.md lacks '{BEGIN}' and '{END}'")
    new = f"{before}{BEGIN}\n{table()}{END}{after}"
    if asked.check:
        sys.exit(0 if new == text else "README.md is not up to date: python bench/readme_table.py")
    readme.write_text(new)


if __name__ == "__main__":
    main()
