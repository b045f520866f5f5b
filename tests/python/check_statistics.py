"""Recomputes statistics with scipy and numpy and compares them with what breakeven found.

usage: check_statistics.py < cases.jsonl

Every line is a case: its inputs and what breakeven made of them. Prints one line a kind with the
number of cases and the largest difference; exits 1 at the first case further off than 1e-12
(relative where the size is above 1).
"""

import itertools
import json
import sys
import warnings

import numpy as np
from scipy import stats

worst = {}


def same(kind, what, ours, theirs, case):
    if (ours is None) != (theirs is None):
        sys.exit(f"{kind} {what}: {ours} against {theirs} for {case}")
    if ours is None:
        return
    off = abs(ours - theirs) / max(1.0, abs(theirs))
    if not off <= 1e-12:
        sys.exit(f"{kind} {what}: {ours!r} against {theirs!r}, off by {off:.2e}, for {case}")
    count, most = worst.get(kind, (0, 0.0))
    worst[kind] = (count + 1, max(most, off))


def p_values(values):
    """scipy without ties and zeros; with them every sign of every rank is tried."""
    values = np.array([v for v in values if v != 0.0])
    names = ["greater", "less", "two-sided"]
    if len(values) == 0:
        return 0.0, [1.0, 1.0, 1.0]
    ranks = stats.rankdata(abs(values))
    t_plus = ranks[values > 0].sum()
    if len(set(abs(values))) == len(values):
        found = [stats.wilcoxon(values, alternative=a, method="exact").pvalue for a in names]
        return t_plus, [float(p) for p in found]
    signs = np.array(list(itertools.product([0, 1], repeat=len(values))))
    sums = signs @ ranks
    greater, less = np.mean(sums >= t_plus), np.mean(sums <= t_plus)
    return t_plus, [greater, less, min(1.0, 2 * min(greater, less))]


def signed_rank(case):
    t_plus, found = p_values(case["values"])
    same("signed_rank", "t_plus", case["t_plus"], t_plus, case)
    for name, theirs in zip(["p_greater", "p_less", "p_two_sided"], found):
        same("signed_rank", name, case[name], theirs, case)


def walsh(case):
    values = np.array(case["values"])
    n = len(values)
    i, j = np.triu_indices(n)
    averages = np.sort((values[i] + values[j]) / 2)
    same("walsh", "estimate", case["estimate"], np.median(averages), case)
    # The exact null distribution, from the generating function: the product of (1 + x^rank) / 2.
    counts = [1]
    for rank in range(1, n + 1):
        counts = [
            (counts[t] if t < len(counts) else 0) + (counts[t - rank] if t >= rank else 0)
            for t in range(len(counts) + rank)
        ]
    within = [t for t, tail in enumerate(itertools.accumulate(counts)) if tail <= case["alpha"] * 2**n]
    if not within:
        same("walsh", "lower", case["lower"], None, case)
        same("walsh", "upper", case["upper"], None, case)
        return
    k = within[-1]
    same("walsh", "lower", case["lower"], averages[k], case)
    same("walsh", "upper", case["upper"], averages[-1 - k], case)


def equivalence(case):
    values = np.array(case["values"])
    above = p_values(values - case["low"])[1][0]
    below = p_values(values - case["high"])[1][1]
    same("equivalence", "p", case["p"], max(above, below), case)


def proportion(case):
    side = {"Both": "two-sided", "Lower": "greater", "Upper": "less"}[case["side"]]
    test = stats.binomtest(case["successes"], case["trials"], alternative=side)
    theirs = test.proportion_ci(case["confidence"], method="exact")
    same("proportion", "low", case["low"], float(theirs.low), case)
    same("proportion", "high", case["high"], float(theirs.high), case)


def student(case):
    same("student", "t", case["t"], float(stats.t.ppf(case["p"], case["freedom"])), case)


def many(case):
    p = np.array(case["p_values"])
    for ours, theirs in zip(case["bonferroni"], np.minimum(1, p * len(p))):
        same("many", "bonferroni", ours, theirs, case)
    # Holm by its definition: the largest over all smaller p-values.
    rank = stats.rankdata(p, method="ordinal")
    for ours, own in zip(case["holm"], rank):
        steps = [min(1.0, q * (len(p) - r + 1)) for q, r in zip(p, rank) if r <= own]
        same("many", "holm", ours, max(steps), case)


warnings.simplefilter("error")
for line in sys.stdin:
    case = json.loads(line)
    globals()[case["kind"]](case)
for kind, (count, most) in sorted(worst.items()):
    print(f"{kind}: {count} numbers, largest difference {most:.1e}")
