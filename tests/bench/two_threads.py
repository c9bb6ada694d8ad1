"""Whether two threads that wait on loops of their own get into each other's way."""

import collections
import statistics
import subprocess
import tempfile

NAMES = {
    'empty': 'an empty wrapper: the machine itself',
    'own': 'looptap, a loop for each thread',
    'shared': 'looptap, one loop for both: what contention looks like',
}


class TwoThreads:
    """batches: {(name, 'alone' or 'both', cpu): [ns per call]}."""

    def __init__(self, batches):
        self._batches = batches
        self.cpus = sorted({cpu for _, _, cpu in batches})

    def typical(self, name, setting, cpu):
        """The median of the quieter half of the batches, in ns."""
        values = sorted(self._batches[name, setting, cpu])
        return statistics.median(values[:(len(values) + 1) // 2])

    def ratio(self, name):
        """Cost of a wait beside another thread that waits, to its cost alone; the worse CPU's."""
        return max(self.typical(name, 'both', cpu) / self.typical(name, 'alone', cpu)
                   for cpu in self.cpus)


def measure(build, cpus, rounds):
    with tempfile.TemporaryDirectory(prefix='looptap-bench-') as segments:
        output = subprocess.run(
            [build / 'bench/two_threads', segments, *map(str, cpus[:2]), str(rounds),
             build / 'liblooptap.so'], check=True, stdout=subprocess.PIPE, text=True).stdout
    batches = collections.defaultdict(list)
    for line in output.splitlines():
        name, setting, cpu, ns = line.split()
        batches[name, setting, int(cpu)].append(float(ns))
    return TwoThreads(batches)


def table(threads):
    lines = ['| ns per wait on the stub | alone | beside another | ratio |', '|---|---|---|---|']
    for name, what in NAMES.items():
        alone, both = (
            ' / '.join(f'{threads.typical(name, setting, cpu):.1f}' for cpu in threads.cpus)
            for setting in ('alone', 'both'))
        lines.append(f'| {what} | {alone} | {both} | {threads.ratio(name):.2f} |')
    return '\n'.join(lines)


def as_json(threads):
    return {name: {
        'ratio': threads.ratio(name),
        'ns': {setting: {str(cpu): threads.typical(name, setting, cpu) for cpu in threads.cpus}
               for setting in ('alone', 'both')},
    } for name in NAMES}
