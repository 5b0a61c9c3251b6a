"""Measures one scenario as child.ts does for the peers in JavaScript, and prints the same as one line of JSON."""

import gc
import json
import os
import resource
import sys
import time

TIMEOUT_S = 1
CONTENDERS = 100
LIMIT = 10
WORKERS = 10


class Span:
    def __init__(self):
        self.begin()

    def begin(self):
        self.wall = time.perf_counter_ns()
        self.cpu = time.process_time_ns()

    def end(self, n, result):
        cpu = time.process_time_ns() - self.cpu
        wall = time.perf_counter_ns() - self.wall
        return {"n": n, "cpuNs": cpu / n, "wallNs": wall / n, "result": result}


def sleep_s(i):
    return (50 + i % 101) / 1000


def deal(n, hands):
    return [range(n * hand // hands, n * (hand + 1) // hands) for hand in range(hands)]


def echo_load(port, n):
    """The command that loads an echo server."""
    return [*json.loads(os.environ["ECHO_LOAD"]), str(port), str(n)]


def main(scenarios, start):
    """`start(adapter, n, span)` runs one adapter to its end in a new loop."""
    name, n, warm_ms, measure_ms, max_runs = sys.argv[1], *map(int, sys.argv[2:6])
    adapter = scenarios[name]

    def once(n):
        gc.collect()
        span = Span()
        return span.end(n, start(adapter, n, span))

    warm = []
    until = time.perf_counter() + warm_ms / 1000
    while not warm or time.perf_counter() < until:
        warm.append(once(max(1000, n // 20)))
    runs = []
    until = time.perf_counter() + measure_ms / 1000
    while not runs or (time.perf_counter() < until and len(runs) < max_runs):
        runs.append(once(n))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"warm": warm, "runs": runs, "peakRssMb": peak}))
