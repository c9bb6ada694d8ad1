"""`make bench-peers`: how right and how cheap looptap is beside what its users would take instead.

    python3 -m bench_peers.bench_peers [PART...]     (in tests/, with BUILD naming the folder with the build)

Prints Markdown and writes the figures of each part to $BUILD/bench/peers/PART.json. BENCH_ROUNDS says
how often the cost is measured: 4 times unless told otherwise; 1 is a quick look.
"""

import json
import os
import sys
import time
import unittest

from bench.bench_probe import machine
from bench.rounds import rounds_asked_for
from bench_peers import accuracy, cost, fleet, frozen, outside, record, scale, tables, wakeups
from bench_peers.record import FIGURES

ROUNDS = 4
SIGNIFICANT = 6


def say(text):
    print(text, file=sys.stderr, flush=True)


def measure_cost(cpus, rounds):
    results = {}
    for kind in cost.PROGRAMS_DRIVEN:
        say(f'  {kind.name}')
        results[kind.name] = cost.measure(kind, cpus, rounds)
    return results


PARTS = {
    'accuracy': lambda cpus, rounds: accuracy.measure_all(cpus, say),
    'frozen': lambda cpus, rounds: frozen.measure_all(),
    'wakeups': lambda cpus, rounds: wakeups.measure_all(),
    'cost': measure_cost,
    'scale': lambda cpus, rounds: scale.measure_all(),
    'fleet': lambda cpus, rounds: fleet.measure(),
}


def rounded(value):
    """The same with floating-point numbers of a few digits."""
    if isinstance(value, float):
        return float(f'{value:.{SIGNIFICANT}g}')
    if isinstance(value, dict):
        return {name: rounded(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [rounded(each) for each in value]
    return value


def write(part, figures):
    FIGURES.mkdir(parents=True, exist_ok=True)
    (FIGURES / f'{part}.json').write_text(json.dumps(rounded(figures), indent=1) + '\n')


def main(wanted):
    if unknown := set(wanted) - set(PARTS):
        sys.exit(f'{", ".join(unknown)}: no such part; there are {", ".join(PARTS)}')
    rounds = rounds_asked_for(otherwise=ROUNDS)
    cpus = sorted(os.sched_getaffinity(0))
    write('machine', machine() | {'rounds': rounds})
    for part in wanted or PARTS:
        start = time.monotonic()
        say(f'{part}:')
        (FIGURES / f'{part}.json').unlink(missing_ok=True)
        try:
            write(part, PARTS[part](cpus, rounds))
        except (outside.LeftOut, unittest.SkipTest) as reason:
            say(f'Left out, {part}: {reason}')
        say(f'  {time.monotonic() - start:.0f} s')
    figures = record.read(FIGURES)
    print(tables.document(figures))
    if all(part in figures for part in ('accuracy', 'frozen', 'wakeups', 'cost')):
        print(f'## For docs/cost.md\n\n{tables.excerpt(figures)}')
    print(f'\nWritten to {FIGURES}.')


if __name__ == '__main__':
    main(sys.argv[1:])
