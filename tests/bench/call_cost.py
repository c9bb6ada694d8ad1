"""What looptap adds to one epoll_wait, and which part of it adds how much."""

import collections
import subprocess
import tempfile

from bench.quartiles import Quartiles, quieter_half

SETTINGS = {
    'stub': 'a stub that returns at once',
    'real': 'the real call, an event ready',
    'apart': 'the same, 1.5 us of work between the waits',
}

WRAPPERS = {
    'empty': '(a) an empty wrapper',
    'tsc': '(b) two readings of the TSC',
    'looptap': '(c) looptap',
}

# Each contains those before it: builds of the probe that lack a part (probe_stage.h).
STAGES = {
    'empty': 'being called: any preload pays this',
    'logic': 'finding the loop, deciding on the transition, ticks to ns',
    'clock': 'two readings of the TSC',
    'swaps': 'two atomic compare-and-swaps of the loop\'s state',
    'looptap': 'counting: wait, events, times, histogram',
}


class CallCost:
    """rounds: {setting: [{way: ns per call}]}; of each, the quieter half."""

    def __init__(self, rounds):
        self.rounds = {setting: quieter_half(times) for setting, times in rounds.items()}

    def call(self, setting):
        """The call without any wrapper, in ns."""
        return Quartiles(times['none'] for times in self.rounds[setting])

    def added(self, setting, way, to='none'):
        """What a way to wait adds to another, in ns: the difference, round by round."""
        return Quartiles(times[way] - times[to] for times in self.rounds[setting])

    def share(self, setting, way):
        """What it adds to the bare call, as a part of that."""
        return self.added(setting, way).median / self.call(setting).median

    def times_tsc(self, setting):
        """What looptap adds, as a multiple of what two readings of the TSC add."""
        return self.added(setting, 'looptap').median / self.added(setting, 'tsc').median

    def stages(self, setting):
        """What each part adds to those before it: [(stage, ns)]."""
        names = ['none', *STAGES]
        return [(name, self.added(setting, name, before)) for before, name in zip(names, names[1:])]


def measure(build, cpu, rounds):
    """Runs wait_cost. Ends with an error when a probe has not measured what it was given."""
    probes = {'looptap': build / 'liblooptap.so'}
    for stage in ('logic', 'clock', 'swaps'):
        probes[stage] = build / f'bench/stages/{stage}.so'
    with tempfile.TemporaryDirectory(prefix='looptap-bench-') as segments:
        output = subprocess.run(
            [build / 'bench/wait_cost', segments, str(cpu), str(rounds),
             *(f'{name}={library}' for name, library in probes.items())],
            check=True, stdout=subprocess.PIPE, text=True).stdout
    times = collections.defaultdict(lambda: [{} for _ in range(rounds)])
    for line in output.splitlines():
        kind, name, *numbers = line.split()
        if kind != 'waits':
            times[kind][int(numbers[0])][name] = float(numbers[1])
        elif name == 'looptap' and numbers[0] != numbers[1]:
            raise RuntimeError(f'{numbers[0]} calls went through looptap, it says {numbers[1]}')
    return CallCost(times)


def tables(cost):
    """The two tables, in Markdown."""
    lines = ['| ns added to one `epoll_wait` | ' + ' | '.join(SETTINGS.values()) + ' |',
             '|---|' + '---|' * len(SETTINGS)]
    lines.append('| the call itself | '
                 + ' | '.join(cost.call(s).format('{:.1f}') for s in SETTINGS) + ' |')
    for way, what in WRAPPERS.items():
        cells = [cost.added(s, way).format('{:.1f}')
                 + (f', {cost.share(s, way):.1%}' if s != 'stub' else '') for s in SETTINGS]
        lines.append(f'| {what} | ' + ' | '.join(cells) + ' |')
    lines += ['', '| where each nanosecond goes | ' + ' | '.join(SETTINGS) + ' |',
              '|---|' + '---|' * len(SETTINGS)]
    stages = {setting: dict(cost.stages(setting)) for setting in SETTINGS}
    for stage, what in STAGES.items():
        lines.append(f'| {what} | '
                     + ' | '.join(f'{stages[s][stage].median:.1f}' for s in SETTINGS) + ' |')
    lines.append('| together | '
                 + ' | '.join(f"{cost.added(s, 'looptap').median:.1f}" for s in SETTINGS) + ' |')
    return '\n'.join(lines)


def as_json(cost):
    return {
        setting: {
            'meaning': SETTINGS[setting],
            'call_ns': cost.call(setting).as_json(),
            'added_ns': {way: cost.added(setting, way).as_json() for way in WRAPPERS},
            'stages_ns': {stage: ns.as_json() for stage, ns in cost.stages(setting)},
        } for setting in SETTINGS
    }
