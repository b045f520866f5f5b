"""Scores each query with each target, timed here: a request as JSON, then numbers of runs."""

import json
import sys
import time
from multiprocessing.pool import ThreadPool


def stringzilla(request):
    import numpy
    import stringzilla
    import stringzillas

    engines = {"local": "SmithWatermanScores", "global": "NeedlemanWunschScores"}
    if request["mode"] not in engines:
        raise NotImplementedError(f"it has no {request['mode']} mode")
    classes = numpy.full(256, 31, numpy.uint8)
    for code, letter in enumerate(request["letters"]):
        classes[ord(letter)] = code
    costs = numpy.zeros((32, 32), numpy.int8)
    size = len(request["letters"])
    costs[:size, :size] = request["matrix"]
    scope = stringzillas.DeviceScope(cpu_cores=request["threads"])
    engine = getattr(stringzillas, engines[request["mode"]])(
        classes, costs, open=-request["open"], extend=-request["extend"], capabilities=scope
    )
    queries = stringzilla.Strs(request["queries"])
    targets = stringzilla.Strs(request["targets"])
    out = numpy.zeros((len(request["queries"]), len(request["targets"])), numpy.int64)
    return (
        lambda: engine(queries, targets, device=scope, out=out),
        lambda: out.T.flatten().tolist(),
    )


def opal(request):
    import pyopal
    from scoring_matrices import ScoringMatrix

    algorithm = {"local": "sw", "global": "nw", "semi-global": "hw"}[request["mode"]]
    matrix = ScoringMatrix(request["matrix"], request["letters"])
    aligner = pyopal.Aligner(matrix, gap_open=request["open"], gap_extend=request["extend"])
    database = pyopal.Database(request["targets"], pyopal.Alphabet(request["letters"]))
    threads, count = request["threads"], len(request["targets"])
    pool = ThreadPool(threads) if threads > 1 else None
    cuts = [count * part // threads for part in range(threads + 1)]
    results = []

    def part(span):
        return [
            aligner.align(query, database, algorithm=algorithm, start=span[0], end=span[1])
            for query in request["queries"]
        ]

    def run():
        spans = list(zip(cuts, cuts[1:]))
        results[:] = pool.map(part, spans) if pool else [part(spans[0])]

    def scores():
        by_query = [
            [result.score for part in results for result in part[query]]
            for query in range(len(request["queries"]))
        ]
        return [row[target] for target in range(count) for row in by_query]

    return run, scores


def main():
    request = json.loads(sys.stdin.readline())
    try:
        run, scores = {"stringzilla": stringzilla, "opal": opal}[request["peer"]](request)
        run()
    except Exception as error:
        print(f"{type(error).__name__}: {error}".replace("\n", " "), flush=True)
        return
    print("ready", flush=True)
    for line in sys.stdin:
        if line.strip() == "scores":
            print(json.dumps(scores()), flush=True)
            continue
        begin = time.perf_counter()
        for _ in range(int(line)):
            run()
        print(time.perf_counter() - begin, flush=True)


main()
