"""LOOPTAP_DISABLE=1: the probe does nothing at all."""

import os
import re
from collections import Counter

from e2e.harness import PLAIN_EPOLL, PROBE, LooptapTest, find_program

# What the loader does to open and map a library.
LOADING = {'access', 'openat', 'read', 'pread64', 'fstat', 'newfstatat', 'statx', 'mmap', 'mprotect',
           'munmap', 'close'}


class KillSwitch(LooptapTest):

    def run_victim(self, **variables):
        program = self.run_program([PLAIN_EPOLL, '20'],
                                   environment=self.environment([PROBE], **variables))
        self.assertEqual((program.wait(), program.out, program.err), (0, '20\n', ''))

    def trace(self, *assignments):
        """The program's system calls before its first own one, and from there on, as (name, line)."""
        report = self.folder / 'strace'
        program = self.run_program(
            [find_program('strace'), '-o', report,
             *(part for assignment in assignments for part in ('-E', assignment)),
             PLAIN_EPOLL, '20'])
        if 'ptrace' in program.err:
            self.skipTest(f'strace may not trace here: {program.err.strip()}')
        self.assertEqual((program.wait(), program.out), (0, '20\n'), program)
        lines = report.read_text().splitlines()
        random = re.compile(r'0x[0-9a-f]+|(?<=getrandom\()".*"')
        calls = [(match[0], random.sub('...', line)) for line in lines
                 if (match := re.match(r'\w+(?=\()', line))]
        first = next(i for i, (name, _) in enumerate(calls) if name == 'epoll_create1')
        return calls[:first], calls[first:]

    def test_makes_no_segment(self):
        self.run_victim(LOOPTAP_DISABLE='1')
        self.assertEqual(os.listdir(self.segments), [])

    def test_segment_is_made_without_it(self):
        self.run_victim()
        self.assertEqual(len(os.listdir(self.segments)), 1)

    def test_segment_is_made_with_another_value(self):
        self.run_victim(LOOPTAP_DISABLE='0')
        self.assertEqual(len(os.listdir(self.segments)), 1)

    def test_makes_no_system_call_in_the_program(self):
        _, without = self.trace()
        _, switched_off = self.trace(f'LD_PRELOAD={PROBE}', 'LOOPTAP_DISABLE=1')
        self.assertEqual([line for _, line in switched_off], [line for _, line in without])

    def test_makes_no_system_call_before_the_program(self):
        without, _ = self.trace()
        switched_off, _ = self.trace(f'LD_PRELOAD={PROBE}', 'LOOPTAP_DISABLE=1')
        names = Counter(name for name, _ in switched_off) - Counter(name for name, _ in without)
        self.assertLessEqual(set(names), LOADING)
        self.assertEqual(names['openat'], 1, 'the loader opens the probe itself')

    def test_system_calls_of_the_probe_would_be_seen(self):
        _, without = self.trace()
        _, measured = self.trace(f'LD_PRELOAD={PROBE}', f'LOOPTAP_DIR={self.segments}')
        self.assertGreater(len(measured), len(without))
