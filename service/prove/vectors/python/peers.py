"""usearch and faiss as contestants; one process is one measurement.

    python peers.py contestant=usearch|faiss metric=ip|l2 base=… query=… …

The files are raw little-endian rows (f32, f32, u32); see task.go, which starts
it, for the arguments, and figures.go for the JSON it prints. Inserts and
queries are handed over many at a time, so that the interpreter costs nothing,
and use one thread.
"""

import json
import resource
import sys
import threading
import time

import numpy as np

CHUNK = 10_000  # rows a call, inserting with nobody beside
PIECE = 16  # rows a call, inserting beside recalls: what a recall may wait for


class Usearch:
    """May be added to and searched at the same time."""

    locks = False

    def __init__(self, args, dim):
        from usearch.index import Index

        metric = {"ip": "ip", "l2": "l2sq"}[args["metric"]]
        self.index = Index(ndim=dim, metric=metric, dtype="f32", connectivity=int(args["m"]), expansion_add=int(args["efc"]))

    def add(self, first, rows):
        self.index.add(np.arange(first, first + len(rows), dtype=np.uint64), rows, threads=1)

    def width(self, ef):
        self.index.expansion_search = ef

    def search(self, queries, k):
        return self.index.search(queries, k, threads=1).keys


class Faiss:
    """Adding excludes searching."""

    locks = True

    def __init__(self, args, dim):
        import faiss

        faiss.omp_set_num_threads(1)
        metric = {"ip": faiss.METRIC_INNER_PRODUCT, "l2": faiss.METRIC_L2}[args["metric"]]
        self.index = faiss.IndexHNSWFlat(dim, int(args["m"]), metric)
        self.index.hnsw.efConstruction = int(args["efc"])

    def add(self, first, rows):
        self.index.add(rows)

    def width(self, ef):
        self.index.hnsw.efSearch = ef

    def search(self, queries, k):
        return self.index.search(queries, k)[1]


def cpu():
    """Seconds, user and system, of this process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def memory():
    """Bytes that are this process's own; mapped files do not count."""
    with open("/proc/self/status", encoding="ascii") as status:
        return sum(1024 * int(line.split()[1]) for line in status if line.startswith(("RssAnon", "RssShmem")))


def sweep(args, index, queries, truth, k):
    """Recall and queries per second of processor time, ef by ef."""
    points = []
    for ef in map(int, args["efs"].split(",")):
        index.width(ef)
        asked, began, used = 0, cpu(), 0.0
        while used < float(args["point_seconds"]):
            found = index.search(queries, k)
            asked += len(queries)
            used = cpu() - began
        hits = sum(len(np.intersect1d(f, t)) for f, t in zip(found, truth))
        points.append({"ef": ef, "recall": hits / truth.size, "qps": asked / used})
        if points[-1]["recall"] >= 0.995:
            break
    index.width(next((p["ef"] for p in points if p["recall"] >= 0.95), points[-1]["ef"]))
    return points


def ingest(args, index, base, first, queries, k):
    """One thread inserts as fast as it can; this one recalls, one at a time."""
    lock, wanted, done = threading.Lock(), threading.Event(), threading.Event()
    most, pause = float(args["ingest_seconds"]), int(args["pause_us"]) * 1e-6
    result, errors = {}, []

    def insert():
        began, at = time.perf_counter(), first
        try:
            while at < len(base) and time.perf_counter() - began < most:
                piece = base[at : at + PIECE]
                if index.locks:
                    while wanted.is_set():  # a lock alone would let nobody else in
                        time.sleep(0)
                    with lock:
                        index.add(at, piece)
                else:
                    index.add(at, piece)
                at += len(piece)
        except Exception as error:  # noqa: BLE001 - handed to the main thread
            errors.append(error)
        result["rate"] = (at - first) / (time.perf_counter() - began)
        done.set()

    sys.setswitchinterval(1e-4)
    writer = threading.Thread(target=insert)
    writer.start()
    times, due, i = [], time.perf_counter(), 0
    while not done.is_set():
        query = queries[i % len(queries)][None]
        began = time.perf_counter()
        if index.locks:
            wanted.set()
            with lock:
                wanted.clear()
                index.search(query, k)
        else:
            index.search(query, k)
        now = time.perf_counter()
        times.append(1e3 * (now - began))
        i += 1
        due = max(due + pause, now)
        time.sleep(max(0.0, due - time.perf_counter()))
    writer.join()
    if errors:
        raise errors[0]
    times.sort()
    how = f"{'a lock around' if index.locks else 'no lock,'} each call of {PIECE} rows"
    return {"how": how, **result, "p50": times[len(times) // 2], "p99": times[int(0.99 * len(times))], "recalls": len(times)}


def main():
    args = dict(word.split("=", 1) for word in sys.argv[1:])
    dim, rows, extra, k = (int(args[name]) for name in ("dim", "rows", "extra", "k"))
    base = np.memmap(args["base"], dtype=np.float32, mode="r").reshape(-1, dim)[: rows + extra].view(np.ndarray)
    queries = np.fromfile(args["query"], dtype=np.float32).reshape(-1, dim)
    truth = np.fromfile(args["truth"], dtype=np.uint32).reshape(-1, k)
    index = {"usearch": Usearch, "faiss": Faiss}[args["contestant"]](args, dim)

    before, began = memory(), cpu()
    for first in range(0, rows, CHUNK):
        index.add(first, base[first : min(first + CHUNK, rows)])
    figures = {"inserts": rows / (cpu() - began), "bytes": (memory() - before) / rows}
    figures["points"] = sweep(args, index, queries, truth, k)
    figures["ingest"] = [ingest(args, index, base, rows, queries, k)] if extra > 0 else []
    print(json.dumps(figures))


main()
