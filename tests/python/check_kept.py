"""Checks outputs kept by `breakeven run --keep` with other people's programs.

usage: check_kept.py FOLDER...   (one folder per case × implementation × device)

numpy recomputes products and convolutions in float64; parasail recomputes alignments. Prints one
line a folder and exits 1 at the first disagreement.
"""

import pathlib
import sys

import numpy as np
import parasail


def close(name, out, exact, scale):
    """Same bounds as the project's own check, on numpy's float64 result."""
    error = np.linalg.norm(out - exact) / max(np.linalg.norm(exact), 1e-300)
    if not np.isfinite(out).all() or error > scale:
        sys.exit(f"{name}: relative error {error:.3e} is above {scale:.3e}")
    return f"relative error {error:.1e}"


def matmul(folder, key):
    a, b, c = (np.load(folder / f"{x}.npy").astype(np.float64) for x in "abc")
    bound = {"f32": 5e-7 * a.shape[-1] ** 0.5, "tf32": 5e-4, "bf16": 4e-3}[key["dtype"]]
    return close(folder, c, a @ b, bound)


def convolution(folder, key):
    x, w, y = (np.load(folder / f"{n}.npy").astype(np.float64) for n in "xwy")
    stride, pad = int(key.get("stride", 1)), int(key.get("padding", 0))
    dilation, groups = int(key.get("dilation", 1)), int(key.get("groups", 1))
    if key.get("layout") == "nhwc":
        x, y = x.transpose(0, 3, 1, 2), y.transpose(0, 3, 1, 2)
    x = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    batch, c_in, height, width = x.shape
    c_out, per_group, kh, kw = w.shape
    out_h = (height - dilation * (kh - 1) - 1) // stride + 1
    out_w = (width - dilation * (kw - 1) - 1) // stride + 1
    exact = np.zeros((batch, c_out, out_h, out_w))
    share = c_out // groups
    for g in range(groups):
        xs = x[:, g * per_group : (g + 1) * per_group]
        ws = w[g * share : (g + 1) * share]
        for r in range(kh):
            for s in range(kw):
                top, left = r * dilation, s * dilation
                view = xs[
                    :, :, top : top + stride * (out_h - 1) + 1 : stride,
                    left : left + stride * (out_w - 1) + 1 : stride,
                ]
                exact[:, g * share : (g + 1) * share] += np.einsum("bchw,oc->bohw", view, ws[:, :, r, s])
    bound = {"f32": 5e-7 * (per_group * kh * kw) ** 0.5, "tf32": 5e-4, "bf16": 4e-3}[key["dtype"]]
    return close(folder, y, exact, bound)


def read_fasta(path):
    sequences, current = [], None
    for line in path.read_text().splitlines():
        if line.startswith(">"):
            current = []
            sequences.append(current)
        else:
            current.append(line.strip())
    return ["".join(s).upper() for s in sequences]


def alignment(folder, key):
    if key["alphabet"] == "protein":
        matrix = parasail.blosum62
        opening, extend = int(key.get("gap_open", 11)), int(key.get("gap_extend", 1))
    else:
        match, mismatch = int(key["match"]), int(key["mismatch"])
        # N never matches, not even itself.
        matrix = parasail.matrix_create("ACGTN", match, mismatch)
        matrix[4, 4] = mismatch
        opening, extend = int(key["gap_open"]), int(key["gap_extend"])
    run = {"local": parasail.sw_striped_sat, "global": parasail.nw_striped_sat, "semi-global": parasail.sg_dx_striped_sat}[key["mode"]]
    queries, targets = read_fasta(folder / "queries.fasta"), read_fasta(folder / "targets.fasta")
    rows = [line.split("\t") for line in (folder / "alignments.tsv").read_text().splitlines()]
    if rows[0] != ["query", "target", "score", "query_end", "target_end"]:
        sys.exit(f"{folder}: columns are {rows[0]}")
    if not len(rows) - 1 == len(queries) == len(targets):
        sys.exit(f"{folder}: {len(rows) - 1} rows for {len(queries)} queries and {len(targets)} targets")
    ends = 0
    for row, query, target in zip(rows[1:], queries, targets):
        result = run(query, target, opening, extend, matrix)
        if int(row[2]) != result.score:
            sys.exit(f"{folder}: {row}: parasail's score is {result.score}")
        ends += (int(row[3]), int(row[4])) == (result.end_query, result.end_ref)
    return f"{len(queries)} scores equal, {ends} end positions equal too"


FAMILIES = {"matmul": matmul, "convolution": convolution, "alignment": alignment}

for argument in sys.argv[1:]:
    folder = pathlib.Path(argument)
    family, *pairs = (folder / "case.txt").read_text().split()
    key = dict(pair.split("=", 1) for pair in pairs)
    print(f"{folder.name}: {FAMILIES[family](folder, key)}")
