#!/usr/bin/env python3
"""Measures the error rates of `breakeven gate` on this machine, and of other tools' rules beside it.

    gate_lab.py calibrate            how much extra work is one hundredth of each case
    gate_lab.py aa N                 N gate runs of two equal programs (--rebuilt: of two builds)
    gate_lab.py doses N D,D,…        N runs for each dose in per cent; half of the cases are slowed
    gate_lab.py rivals N D           N runs at dose D of criterion, hyperfine and a t-test
    gate_lab.py table                what the raw data say, as Markdown

Every run is appended to raw.jsonl at once, so that a stopped phase loses nothing. Needs two release
builds, one with `--features inject-slowdown`; see results/README.md for the commands.
"""

import argparse
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from statistics import median
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SUITE = ROOT / "tests/fixtures/gate/lab.toml"
IMPLEMENTATION = "cpu/simd"
# Gate runs by which the steps of a hundredth are corrected.
CORRECTIONS = 2
# Wall time of a rival's run by its seconds of samples, roughly, as seen here: what it takes anyway
# (building the inputs, warming up, analysing) and what a second of samples adds.
WALL_S = {"criterion": (40.0, 0.66), "hyperfine": (40.0, 0.7), "t_test": (25.0, 0.6)}
# Slow-downs that are counted together, in per cent.
BINS = (0, 5, 8, 10, 13, 17, 100)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("phase", choices=["calibrate", "aa", "doses", "rivals", "table"])
    parser.add_argument("number", nargs="?", type=int, default=1, help="runs")
    parser.add_argument("doses", nargs="?", default="0", help="per cent, separated by commas")
    parser.add_argument("--bin", default=ROOT / "target/release/breakeven", type=Path)
    parser.add_argument("--slow-bin", type=Path, help="built with --features inject-slowdown")
    parser.add_argument("--arm", type=Path, help="bench gate_arm")
    parser.add_argument("--slow-arm", type=Path, help="the same with --features inject-slowdown")
    parser.add_argument("--rebuilt", action="store_true", help="A/A of --bin against --slow-bin")
    parser.add_argument("--seconds", type=float, default=20.0, help="samples of a rival's run")
    parser.add_argument("--wall", type=float, help="wall time of a rival's run, instead of --seconds")
    parser.add_argument("--rule", choices=sorted(WALL_S), action="append", help="only these rivals")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("-o", dest="folder", type=Path, required=True, help="folder of raw.jsonl")
    parser.add_argument("gate", nargs=argparse.REMAINDER, help="after --: options for the gate")
    return parser.parse_args()


def kept(args, entry):
    entry["load"] = round(os.getloadavg()[0], 2)
    args.folder.mkdir(parents=True, exist_ok=True)
    with open(args.folder / "raw.jsonl", "a") as raw:
        raw.write(json.dumps(entry, separators=(",", ":")) + "\n")


def steps_of_a_hundredth(args):
    lines = (args.folder / "hundredths.tsv").read_text().splitlines()
    return {key: int(steps) for steps, key in (line.split("\t", 1) for line in lines)}


def calibrate(args):
    """The steps that take one hundredth of each case's time: the median of several processes."""
    found = {}
    for _ in range(7):
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "steps"
            env = {**os.environ, "BREAKEVEN_INJECT_CALIBRATE": str(out)}
            command = [args.slow_bin, "run", SUITE, "--device", "cpu", "--no-metadata", "--quiet",
                       "--implementation", IMPLEMENTATION, "--format", "json"]
            subprocess.run(command, env=env, check=True, stdout=subprocess.DEVNULL)
            for line in out.read_text().splitlines():
                steps, key = line.split("\t", 1)
                found.setdefault(key, []).append(int(steps))
    args.folder.mkdir(parents=True, exist_ok=True)
    write_hundredths(args, {key: median(steps) for key, steps in found.items()})
    correct(args)


def write_hundredths(args, steps):
    lines = [f"{round(steps[key])}\t{key}\n" for key in sorted(steps)]
    (args.folder / "hundredths.tsv").write_text("".join(lines))


def correct(args):
    """In the gate's rounds calls follow each other and threads do not fall asleep in between, as
    they do while steps are timed: so the steps are corrected by what paired rounds see of them."""
    keys, dose, slopes = sorted(steps_of_a_hundredth(args)), 20, {}
    with tempfile.TemporaryDirectory() as folder:
        env = {"BREAKEVEN_INJECT": str(dose_file(args, folder, dose, keys))}
        for run in range(CORRECTIONS):
            _, _, report = gate(args, args.bin, args.slow_bin, 1000 + run, env)
            for row in report["measured"]["rows"]:
                pairs = row["screen"] + row["confirm"]
                slopes.setdefault(row["id"]["case_key"], []).extend(
                    (pair["cand"] / pair["base"] - 1) / (dose / 100) for pair in pairs)
    steps = steps_of_a_hundredth(args)
    for key in keys:
        print(f"{median(slopes[key]):.2f} of the dose at first, {len(slopes[key])} rounds:", key)
    write_hundredths(args, {key: steps[key] / median(slopes[key]) for key in keys})


def samples(arm, env, each_s):
    """Times of every case in one process of an arm."""
    done = subprocess.run([arm, "--samples", "100", f"{each_s:.3f}"], env=env, check=True,
                          capture_output=True, text=True)
    return [[float(t) for t in line.split("\t")[1].split()]
            for line in done.stdout.strip().splitlines()]


def dose_file(args, folder, dose, chosen):
    """Writes the extra work of the chosen cases and returns the file."""
    hundredth = steps_of_a_hundredth(args)
    path = Path(folder) / "doses.tsv"
    path.write_text("".join(f"{round(hundredth[key] * dose)}\t{key}\n" for key in chosen))
    return path


def gate(args, base, cand, seed, env, extra=()):
    """One gate run; returns its exit status, wall time and report."""
    with tempfile.TemporaryDirectory() as folder:
        command = [args.bin, "gate", SUITE, "--base", base, "--cand", cand, "--device", "cpu",
                   "--implementation", IMPLEMENTATION, "--seed", str(seed), "--quiet", "-o", folder,
                   *extra, *[a for a in args.gate if a != "--"]]
        begin = time.monotonic()
        done = subprocess.run(command, env={**os.environ, **env}, capture_output=True, text=True)
        wall_s = time.monotonic() - begin
        path = Path(folder) / "gate.json"
        if not path.exists():
            sys.exit(f"no gate.json; exit {done.returncode}: {done.stderr[-2000:]}")
        return done.returncode, wall_s, json.loads(path.read_text())


def short(value):
    return float(f"{value:.5g}")


def condensed(report, chosen, dose):
    """The rows of a report with their rounds, in few bytes."""
    measured = {key_of(row): row for row in report["measured"]["rows"]}
    rows = []
    for row in report["rows"]:
        rounds = measured[key_of(row)]
        pairs = {stage: [[short(p["base"]), short(p["cand"])] for p in rounds[stage]]
                 for stage in ("screen", "confirm")}
        key = row["id"]["case_key"]
        rows.append({"case": key, "dose": dose if key in chosen else 0, "verdict": row["verdict"],
                     "ratio": row["ratio"], "lo": row["ratio_lo"], "hi": row["ratio_hi"],
                     "detectable": row["detectable"], **pairs})
    return rows


def key_of(row):
    return (row["id"]["case_key"], row["id"]["metric"])


def aa(args):
    cand = args.slow_bin if args.rebuilt else args.bin
    for index in range(args.number):
        code, wall_s, report = gate(args, args.bin, cand, args.seed + index, {}, ["--aa"])
        rows = condensed(report, (), 0)
        kind = "aa-rebuilt" if args.rebuilt else "aa"
        kept(args, {"kind": kind, "seed": args.seed + index, "exit": code,
                    "wall_s": round(wall_s, 1), "control": report["control_ratio"], "rows": rows})
        verdicts = [row["verdict"] for row in rows]
        print(index, code, f"{wall_s:.1f} s", verdicts, flush=True)


def doses(args):
    keys = sorted(steps_of_a_hundredth(args))
    schedule = [float(d) for d in args.doses.split(",")] * args.number
    random.Random(args.seed).shuffle(schedule)
    for index, dose in enumerate(schedule):
        seed = args.seed * 1000 + index
        chosen = random.Random(seed).sample(keys, len(keys) // 2)
        with tempfile.TemporaryDirectory() as folder:
            env = {"BREAKEVEN_INJECT": str(dose_file(args, folder, dose, chosen))}
            code, wall_s, report = gate(args, args.bin, args.slow_bin, seed, env)
        rows = condensed(report, chosen, dose)
        kept(args, {"kind": "dose", "dose": dose, "seed": seed, "exit": code,
                    "wall_s": round(wall_s, 1), "control": report["control_ratio"], "rows": rows})
        hits = [(row["verdict"], round(row["ratio"] or 0, 3)) for row in rows if row["dose"]]
        print(index, dose, code, f"{wall_s:.1f} s", hits, flush=True)


def rivals(args):
    """Other rules on the same programs, base first and then the candidate, in the same time."""
    keys = sorted(steps_of_a_hundredth(args))
    order = case_order(args)
    dose = float(args.doses)
    rules = {rule.__name__[3:]: rule for rule in (by_criterion, by_hyperfine, by_t_test)}
    for index in range(args.number):
        seed = args.seed * 1000 + index
        chosen = random.Random(seed).sample(keys, len(keys) // 2)
        with tempfile.TemporaryDirectory() as folder:
            env = {**os.environ, "GATE_LAB_SUITE": str(SUITE), "CRITERION_HOME": folder,
                   "BREAKEVEN_INJECT": str(dose_file(args, folder, dose, chosen))}
            for name in args.rule or rules:
                if args.wall:
                    anyway_s, a_second_s = WALL_S[name]
                    args.seconds = max(20.0, (args.wall - anyway_s) / a_second_s)
                begin = time.monotonic()
                found = rules[name](args, env, len(order))
                wall_s = time.monotonic() - begin
                rows = [{"case": key, "dose": dose if key in chosen else 0, "verdict": verdict}
                        for key, verdict in zip(order, found)]
                entry = {"kind": name, "dose": dose, "seed": seed, "seconds": round(args.seconds, 1),
                         "wall_s": round(wall_s, 1), "rows": rows}
                if args.wall:
                    entry["asked_wall_s"] = args.wall
                kept(args, entry)
                print(index, name, f"{wall_s:.1f} s", found, flush=True)


def case_order(args):
    command = [args.bin, "run", SUITE, "--dry-run", "--device", "cpu", "--no-metadata",
               "--implementation", IMPLEMENTATION, "--format", "json"]
    plan = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return [job["case_key"] for job in plan["jobs"]]


def by_criterion(args, env, cases):
    """`cargo bench -- --save-baseline`, then the candidate against it: its own verdict."""
    each_s = args.seconds / 2 / cases
    common = ["--bench", "--noplot", "--sample-size", "50",
              "--warm-up-time", f"{each_s / 4:.3f}", "--measurement-time", f"{each_s / 2:.3f}"]
    run = lambda arm, more: subprocess.run([arm, *common, *more], env=env, check=True,
                                           capture_output=True, text=True).stdout
    run(args.arm, ["--save-baseline", "base"])
    text = run(args.slow_arm, ["--baseline", "base"])
    words = {"regressed": "REGRESSED", "improved": "IMPROVED"}
    found = []
    for part in re.split(r"^case\d+\s", text, flags=re.M)[1:]:
        said = re.search(r"Performance has (regressed|improved)", part)
        found.append(words[said.group(1)] if said else "SAME")
    assert len(found) == cases, text
    return found


def by_hyperfine(args, env, cases):
    """One command after the other; Welch's t-test at 0.05, as hyperfine's own script has it."""
    from scipy.stats import ttest_ind
    each_s, found = args.seconds / cases, []
    for case in range(cases):
        once_s = seconds_of_one(args.arm, env, case)
        executions = max(1, round(0.04 / max(once_s, 1e-6)))
        runs = max(5, int(each_s / 2 / (0.04 + 0.03)))
        with tempfile.NamedTemporaryFile(suffix=".json") as out:
            commands = [f"{arm} --once {case} {executions}" for arm in (args.arm, args.slow_arm)]
            subprocess.run(["hyperfine", "-N", "--style", "none", "--warmup", "1", "--runs",
                            str(runs), "--export-json", out.name, *commands], env=env, check=True,
                           capture_output=True)
            results = json.load(open(out.name))["results"]
        found.append(by_p(ttest_ind, results[0]["times"], results[1]["times"]))
    return found


def seconds_of_one(arm, env, case):
    def once(executions):
        begin = time.monotonic()
        subprocess.run([arm, "--once", str(case), str(executions)], env=env, check=True)
        return time.monotonic() - begin
    few, many = min(once(1) for _ in range(2)), min(once(51) for _ in range(2))
    return (many - few) / 50


def by_t_test(args, env, cases):
    """Samples of one process an arm, pooled: Welch's t-test at 0.05."""
    from scipy.stats import ttest_ind
    arms = [samples(arm, env, args.seconds / 2 / cases) for arm in (args.arm, args.slow_arm)]
    return [by_p(ttest_ind, base, cand) for base, cand in zip(*arms)]


def by_p(ttest_ind, base, cand):
    p = ttest_ind(base, cand, equal_var=False).pvalue
    if p >= 0.05:
        return "SAME"
    return "REGRESSED" if sum(cand) / len(cand) > sum(base) / len(base) else "IMPROVED"


def interval(hits, number):
    """Clopper and Pearson's 95 % interval of a share."""
    from scipy.stats import binomtest
    found = binomtest(hits, number).proportion_ci(0.95, "exact")
    return f"{100 * found.low:.1f}–{100 * found.high:.1f} %"


def realised(entries):
    """What rounds saw of each case's dose, as a share of it: extra work slows a case less or more in
    a gate's rounds than while its steps were timed. Doses under 5 % drown in noise."""
    seen = {}
    for entry in entries:
        for row in entry["rows"] if entry["kind"] == "dose" else []:
            if row["dose"] >= 5:
                pairs = [cand / base - 1 for base, cand in row["screen"] + row["confirm"]]
                seen.setdefault(row["case"], []).append(median(pairs) / (row["dose"] / 100))
    return {case: median(shares) for case, shares in seen.items()}


def share_of(rows):
    hits = sum(row["verdict"] == "REGRESSED" for row in rows)
    return f"{hits}: {100 * hits / len(rows):.0f} %, {interval(hits, len(rows))}" if rows else "–"


def table(args):
    entries = [json.loads(line) for line in open(args.folder / "raw.jsonl")]
    moved = lambda row: row["verdict"] in ("REGRESSED", "IMPROVED", "BROKEN")
    print("| A/A | runs | rows | runs with a false alarm | 95 % interval | rows SAME | contaminated runs | wall time, median |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    for kind in ("aa", "aa-rebuilt"):
        runs = [e for e in entries if e["kind"] == kind]
        # A contaminated run says nothing, so it cannot count as one without a false alarm.
        judged = [e for e in runs if all(r["verdict"] != "CONTAMINATED" for r in e["rows"])]
        if judged:
            false = sum(any(map(moved, e["rows"])) or e["exit"] == 3 for e in judged)
            rows = [row for e in judged for row in e["rows"]]
            same = sum(row["verdict"] == "SAME" for row in rows)
            wall_s = median(e["wall_s"] for e in judged)
            print(f"| {kind} | {len(judged)} | {len(rows)} | {false} | {interval(false, len(judged))} | "
                  f"{100 * same / len(rows):.0f} % | {len(runs) - len(judged)} | {wall_s:.0f} s |")
    real = realised(entries)
    for key, share in sorted(real.items()):
        print(f"\n{share:.2f} of what was asked for: {key}", end="")
    print("\n\n| tool | asked for | slowed by, as rounds saw it | slowed cases | found | false alarms among the others | wall time, median |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for kind in ("dose", "criterion", "hyperfine", "t_test"):
        name = "breakeven gate" if kind == "dose" else kind
        # Rivals given more time stand in lines of their own; the first ones had 20 s of samples.
        group = lambda e: (e["dose"], e.get("asked_wall_s", e.get("seconds", 20.0)))
        for dose, seconds in sorted({group(e) for e in entries if e["kind"] == kind}):
            runs = [e for e in entries if e["kind"] == kind and group(e) == (dose, seconds)]
            others = [row for e in runs for row in e["rows"] if row["dose"] == 0]
            slowed = [row for e in runs for row in e["rows"] if row["dose"] > 0]
            false = sum(map(moved, others))
            wall_s = sorted(e["wall_s"] for e in runs)[len(runs) // 2]
            by = [row["dose"] * real.get(row["case"], 1) for row in slowed]
            span = f"{min(by):.1f}–{max(by):.1f} %" if by else "–"
            print(f"| {name} | {dose:g} % | {span} | {len(slowed)} | {share_of(slowed)} | {false} of {len(others)} ({interval(false, len(others))}) | {wall_s:.0f} s |")
    print("\n| tool | slowed by | cases | found |")
    print("|---|---:|---:|---:|")
    for kind in ("dose", "criterion", "hyperfine", "t_test"):
        rows = [row for e in entries if e["kind"] == kind for row in e["rows"] if row["dose"] > 0]
        for low, high in zip(BINS, BINS[1:]):
            there = [r for r in rows if low <= r["dose"] * real.get(r["case"], 1) < high]
            if there:
                name = "breakeven gate" if kind == "dose" else kind
                print(f"| {name} | {low:g} to {high:g} % | {len(there)} | {share_of(there)} |")
    promised = [row for e in entries if e["kind"] == "dose" for row in e["rows"]
                if row["dose"] > 0 and row["detectable"] is not None
                and row["dose"] * real[row["case"]] / 100 >= max(0.10, row["detectable"])]
    if promised:
        hits = sum(row["verdict"] == "REGRESSED" for row in promised)
        print(f"\nSlowed, as rounds saw it, by at least 10 % and by what the gate said it would see: {hits} of "
              f"{len(promised)} found ({interval(hits, len(promised))}).")


def main():
    args = arguments()
    if args.phase == "rivals" and not shutil.which("hyperfine"):
        sys.exit("hyperfine is not installed (Debian package hyperfine)")
    {"calibrate": calibrate, "aa": aa, "doses": doses, "rivals": rivals, "table": table}[args.phase](args)


if __name__ == "__main__":
    main()
