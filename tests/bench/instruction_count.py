"""How many instructions the probe spends on one wait, by callgrind: a figure that no noise touches.

    python3 -m bench.instruction_count            prints it beside the one on record
    python3 -m bench.instruction_count --record   puts it on record
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

from e2e.harness import BUILD, PROBE

RECORD = pathlib.Path(__file__).resolve().parent / 'instructions_per_wait'
CLOCK_SOURCE = pathlib.Path('/sys/devices/system/clocksource/clocksource0/current_clocksource')
ALLOWED_GROWTH = 0.05

CALLS, BATCHES = 200, 5
MOST_RUNS = 5


def count(valgrind, program, library, enough=0):
    """Instructions that the library's epoll_wait spends on one wait of which the event is ready and
    before which some work was done.

    What disturbs only adds: until the probe's clock is calibrated, each wait reads CLOCK_MONOTONIC,
    too, and callgrind on a busy machine can put that off. So the least of several runs counts, and a
    run that finds no more than `enough` is the last.
    """
    least = None
    for _ in range(MOST_RUNS):
        figure = _count_once(valgrind, program, library)
        least = figure if least is None else min(least, figure)
        if least <= enough:
            break
    return least


def _count_once(valgrind, program, library):
    with tempfile.TemporaryDirectory(prefix='looptap-bench-') as folder:
        os.mkdir(f'{folder}/segments')
        subprocess.run(
            [valgrind, '--tool=callgrind', f'--log-file={folder}/log',
             f'--callgrind-out-file={folder}/profile', '--collect-atstart=no',
             '--toggle-collect=batch_of_waits', '--dump-after=batch_of_waits',
             program, f'{folder}/segments', library, str(CALLS), str(BATCHES)], check=True)
        # Profiles 1, 2, ...: bare, bare with twice the calls, probe, probe with twice the calls.
        totals = [int(re.search(r'^totals: (\d+)', pathlib.Path(f'{folder}/profile.{i}').read_text(),
                                re.M)[1]) for i in range(1, 4 * BATCHES + 1)]
    bare, bare_twice, probe, probe_twice = (min(totals[kind::4]) for kind in range(4))
    return round(((probe_twice - probe) - (bare_twice - bare)) / CALLS)


def compiler_of(library):
    """What compiled the library, as it says itself: 'gcc-12.2.0-x86_64'."""
    readelf = subprocess.run(['readelf', '-hp', '.comment', library], check=True,
                             stdout=subprocess.PIPE, text=True).stdout
    machine = 'x86_64' if 'X86-64' in readelf else 'aarch64' if 'AArch64' in readelf else 'other'
    for name, mark in (('gcc', 'GCC:'), ('clang', 'clang version')):
        if found := re.search(rf'{mark}.*?(\d+\.\d+\.\d+)\s*$', readelf, re.M):
            return f'{name}-{found[1]}-{machine}'
    return f'unknown-{machine}'


def kind_of(library):
    """What a figure depends on: the compiler, and the clock that the probe uses here."""
    return f'{compiler_of(library)} {CLOCK_SOURCE.read_text().strip()}'


def _records():
    records = {}
    for line in RECORD.read_text().splitlines():
        if line and not line.startswith('#'):
            kind, figure = line.rsplit(maxsplit=1)
            records[kind] = int(figure)
    return records


def recorded(kind):
    """The figure on record for such a probe; None where there is none."""
    return _records().get(kind)


def limit(record):
    return int(record * (1 + ALLOWED_GROWTH))


def put_on_record(kind, figure):
    comments = [line for line in RECORD.read_text().splitlines() if line.startswith('#')]
    records = dict(sorted({**_records(), kind: figure}.items()))
    RECORD.write_text('\n'.join(comments + [f'{name} {number}' for name, number in records.items()])
                      + '\n')


def main(arguments):
    valgrind = shutil.which('valgrind')
    if not valgrind:
        sys.exit('valgrind is not installed')
    kind = kind_of(PROBE)
    figure = count(valgrind, BUILD / 'bench/counted_batches', PROBE)
    print(f'{kind}: {figure} instructions per wait; on record: {recorded(kind)}')
    if arguments == ['--record']:
        put_on_record(kind, figure)


if __name__ == '__main__':
    main(sys.argv[1:])
