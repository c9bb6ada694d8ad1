"""Proof that the probe neither makes system calls nor allocates, once a loop has waited."""

import collections
import os
import re
import subprocess
import tempfile

TIMED_OUT, READY = 40, 1000


class Trace:
    """What quiet_waits.c did in one run: the system calls of each part between its markers."""

    def __init__(self, strace_output, printed):
        self.parts = [collections.Counter()]
        for name in re.findall(r'^\d+ +(\w+)\(', strace_output, re.M):
            if name == 'getppid':
                self.parts.append(collections.Counter())
            else:
                self.parts[-1][name] += 1
        self.allocations, self.allocations_ever = map(int, printed.split())

    @property
    def set_up(self):
        """Up to the end of the first wait."""
        return self.parts[0]

    @property
    def timed_out(self):
        return self.parts[1]

    @property
    def ready(self):
        return self.parts[3]

    def extra(self):
        """System calls but for the waits themselves, and allocations, after the first wait."""
        calls = self.timed_out.total() + self.ready.total()
        if (self.timed_out['epoll_wait'], self.ready['epoll_wait']) != (TIMED_OUT, READY):
            raise RuntimeError(f'not the waits that were made: {self.timed_out}, {self.ready}')
        return calls - TIMED_OUT - READY + self.allocations


def trace(strace, program, probe=None):
    """Runs the program under strace, with the probe or without."""
    with tempfile.TemporaryDirectory(prefix='looptap-bench-') as folder:
        os.mkdir(f'{folder}/segments')
        # To the program alone, not to strace.
        preload = ['-E', f'LD_PRELOAD={probe}', '-E', f'LOOPTAP_DIR={folder}/segments'] if probe else []
        printed = subprocess.run(
            [strace, '-f', '-qq', '-o', f'{folder}/trace', *preload, program, str(TIMED_OUT),
             str(READY)], check=True, stdout=subprocess.PIPE, text=True).stdout
        with open(f'{folder}/trace') as file:
            return Trace(file.read(), printed)


def table(with_probe, without):
    def calls(part):
        return ', '.join(f'{count} {name}' for name, count in sorted(part.items())) or 'none'

    lines = ['| after the first wait | without looptap | with looptap |', '|---|---|---|']
    for what, part in (('waits that time out', 'timed_out'), ('waits that return an event', 'ready')):
        lines.append(f'| system calls of {what} | {calls(getattr(without, part))} | '
                     f'{calls(getattr(with_probe, part))} |')
    lines.append(f'| calls of the allocator | {without.allocations} | {with_probe.allocations} |')
    extra = with_probe.set_up - without.set_up
    lines.append(f'| (system calls until then | {without.set_up.total()} | '
                 f'{extra.total()} more, with those of the loader) |')
    return '\n'.join(lines)


def as_json(with_probe):
    return {'timed_out': with_probe.timed_out, 'ready': with_probe.ready,
            'allocations': with_probe.allocations}
