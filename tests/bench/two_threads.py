"""Whether two threads that wait on loops of their own get into each other's way."""

import collections
import statistics
import subprocess
import tempfile

from bench.quartiles import Quartiles

NAMES = {
    'empty': 'an empty wrapper: the machine itself',
    'own': 'looptap, a loop for each thread',
    'shared': 'looptap, one loop for both: what contention looks like',
}


class TwoThreads:
    """batches: {(name, 'alone' or 'both', cpu): {round: [ns per call]}}."""

    def __init__(self, batches):
        self._rounds = {key: {number: statistics.median(values) for number, values in rounds.items()}
                        for key, rounds in batches.items()}
        self.cpus = sorted({cpu for _, _, cpu in batches})

    def typical(self, name, setting, cpu):
        """The median of the rounds, in ns."""
        return statistics.median(self._rounds[name, setting, cpu].values())

    def ratio(self, name):
        """Cost of a wait beside another thread that waits, to its cost alone in the same round, since
        a CPU can be slow for some milliseconds on its own account; the median, of the worse CPU."""
        return max((self._ratios(name, cpu) for cpu in self.cpus), key=lambda ratios: ratios.median)

    def _ratios(self, name, cpu):
        both, alone = (self._rounds[name, setting, cpu] for setting in ('both', 'alone'))
        return Quartiles(both[number] / alone[number] for number in alone)


def measure(build, cpus, rounds):
    with tempfile.TemporaryDirectory(prefix='looptap-bench-') as segments:
        output = subprocess.run(
            [build / 'bench/two_threads', segments, *map(str, cpus[:2]), str(rounds),
             build / 'liblooptap.so'], check=True, stdout=subprocess.PIPE, text=True).stdout
    batches = collections.defaultdict(lambda: collections.defaultdict(list))
    for line in output.splitlines():
        name, setting, cpu, number, ns = line.split()
        batches[name, setting, int(cpu)][number].append(float(ns))
    return TwoThreads(batches)


def table(threads):
    lines = ['| ns per wait on the stub | alone | beside another | ratio |', '|---|---|---|---|']
    for name, what in NAMES.items():
        alone, both = (
            ' / '.join(f'{threads.typical(name, setting, cpu):.1f}' for cpu in threads.cpus)
            for setting in ('alone', 'both'))
        lines.append(f'| {what} | {alone} | {both} | {threads.ratio(name).format("{:.2f}")} |')
    return '\n'.join(lines)


def as_json(threads):
    return {name: {
        'ratio': threads.ratio(name).as_json(),
        'ns': {setting: {str(cpu): threads.typical(name, setting, cpu) for cpu in threads.cpus}
               for setting in ('alone', 'both')},
    } for name in NAMES}
