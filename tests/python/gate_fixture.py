"""Writes the rounds of tests/fixtures/gate/*.json: python3 gate_fixture.py regression|uninterpretable

Log ratios are normal, 1 % a round; the rows of regression.json have true changes of +15 %, +8 %,
-12 % and none, and the control none. In uninterpretable.json no row has one and the control moves
by +9 %. The verdicts in the stored files are those of `breakeven gate --judge` on this output.
"""

import json
import math
import random
import sys

kind = sys.argv[1]
draw = random.Random({"regression": 5, "uninterpretable": 6}[kind])
moved = kind == "regression"

# Case, implementation, metric, class, base in seconds, true change.
ROWS = [
    ("matmul dtype=f32 m=256 n=256 k=256 batch=1", "cpu/simd", "kernel_warm", "cpu", 1.1e-3, 0.15),
    ("matmul dtype=f32 m=256 n=256 k=256 batch=1", "cpu/simd", "end_to_end", "end-to-end", 1.2e-3, 0.0),
    ("matmul dtype=bf16 m=256 n=256 k=256 batch=1", "cpu/simd", "kernel_warm", "cpu", 4.2e-3, 0.0),
    ("convolution n=1 c=64 h=28 w=28 k=64 r=3 s=3", "cpu/simd", "kernel_warm", "cpu", 2.7e-3, 0.08),
    ("convolution n=1 c=64 h=28 w=28 k=64 r=3 s=3", "cpu/simd", "end_to_end", "end-to-end", 2.9e-3, 0.0),
    ("alignment mode=local pairs=500", "cpu/simd", "kernel_warm", "cpu", 3.3e-3, -0.12),
    ("alignment mode=local pairs=500", "cpu/simd", "end_to_end", "end-to-end", 3.5e-3, 0.0),
    ("transcode codec=mjpeg frames=2", "cpu/simd", "kernel_warm", "cpu", 6.1e-3, 0.0),
    ("transcode codec=mjpeg frames=2", "cpu/simd", "end_to_end", "end-to-end", 6.4e-3, 0.0),
    ("peak kind=memory bytes=50331648", "cpu/simd", "kernel_warm", "cpu", 5.0e-3, 0.0),
]


def pairs(first_round, rounds, base, change):
    """Rounds in blocks of two orders, base first and candidate first."""
    made = []
    for index in range(rounds):
        drift = math.exp(draw.gauss(0, 0.01))
        ratio = (1 + change) * math.exp(draw.gauss(0, 0.01))
        made.append(
            {
                "round": first_round + index,
                "first": ["base", "cand"][index % 2],
                "base": base * drift,
                "cand": base * drift * ratio,
                "cycles": None,
            }
        )
    return made


def row(case_key, implementation, metric, klass, base, change):
    change = change if moved else 0.0
    return {
        "id": {
            "case_key": case_key,
            "implementation": implementation,
            "device": "cpu",
            "metric": metric,
        },
        "class": klass,
        "screen": pairs(1, 8, base, change),
        # Fresh rounds are there for the rows that moved.
        "confirm": pairs(9, 16, base, change) if change else [],
        "fault": None,
    }


def arm(name, digit):
    return {"name": name, "sha256": digit * 64, "commit": digit * 40}


report = {
    "schema": {"name": "breakeven-gate", "major": 1, "minor": 0},
    "mode": "paired",
    "subject": "suite ci",
    "base": arm("main", "a"),
    "cand": arm("HEAD", "b"),
    "overall": "uninterpretable",
    "headline": "not judged yet",
    "rows": [],
    "control_ratio": None,
    "false_alarm": 0.01,
    "remarks": [],
    "seed": 7,
    "wall_s": 312.4,
    "started_at": "2026-11-26T16:00:00Z",
    "machine": "made by tests/python/gate_fixture.py",
    "measured": {
        "rows": [row(*r) for r in ROWS],
        "control": pairs(1, 24 if moved else 8, 1e-3, 0.0 if moved else 0.09),
        "cut_short": None,
    },
}
json.dump(report, sys.stdout, indent=1)
