"""Programs for i386 and x32, whose system calls have other numbers, or the same ones for other calls: what they do is
not taken for what it is not.

i386 programs are not measured. x32 ones share their functions with x86-64: fentry measures them, tracepoints do not.
"""

import platform
import re
import subprocess

from e2e.bpf_test import BpfTest, skip_if_refused
from e2e.harness import BUILD, find_program
from e2e.own_records import VictimTest, own_records

needs = ('bpf',)

VICTIMS = BUILD / 'tests/bpf_victims'
BARE_WAITS = 300


class Abis:
    """The tests of one hook; see the classes below."""

    def setUp(self):
        if platform.machine() != 'x86_64':
            self.skipTest('only x86-64 has other ABIs beside it')
        super().setUp()
        try:
            self.metrics = self.measure()
        except AssertionError as error:
            skip_if_refused(self, self.hook, error)

    def waits_of(self, program):
        return self.metrics.scrape().total('eventloop_waits_total', pid=str(program.pid))

    def run_bare(self, abi):
        """A program for that ABI, and what is measured of it."""
        victim = VICTIMS / f'bare_loop_{abi}'
        if subprocess.run([find_program('sh'), '-c', f'exec {victim} 2>/dev/null']).returncode == 126:
            self.skipTest(f'this kernel does not run programs for {abi}')
        program = self.run_program([victim])
        self.assertEqual(program.wait(), 0, program)
        return self.waits_of(program)

    def run_with_calls(self, *abi):
        """One for x86-64 that also makes such calls: what is measured, its own record, and how many of those waits
        returned. It stays one loop, and its end is its own."""
        program = self.run_program([VICTIMS / 'foreign_calls', *abi])
        if program.wait() == 77:
            self.skipTest(f'this kernel has no calls for {abi[0]}')
        self.assertEqual((program.wait(), program.err), (0, ''), program)
        scrape, own = self.metrics.scrape(), own_records(program)['main']
        self.assertEqual(scrape.label_values('loop', pid=str(program.pid)), {'0'})
        self.assertEqual(scrape.value('eventloop_blocked_seconds', pid=str(program.pid)), 0)
        return scrape, own, int(re.search(r'foreign (\d+)', program.out)[1])

    def test_programs_of_x86_64(self):
        self.assertEqual(self.run_bare('x86_64'), BARE_WAITS)
        scrape, own, _ = self.run_with_calls()
        self.assert_figures(scrape, own, process='foreign_calls')

    def test_i386_program(self):
        self.assertEqual(self.run_bare('i386'), 0)

    def test_i386_calls_of_an_x86_64_program(self):
        scrape, own, foreign = self.run_with_calls('i386')
        self.assertEqual(foreign, own.waits)
        # Nothing is added, nothing ended.
        self.assert_figures(scrape, own, process='foreign_calls')

    def test_x32_program(self):
        self.assertEqual(self.run_bare('x32'), BARE_WAITS if self.hook == 'fentry' else 0)

    def test_x32_calls_of_an_x86_64_program(self):
        scrape, own, foreign = self.run_with_calls('x32')
        self.assertEqual(foreign, own.waits)
        self.assertEqual(scrape.value('eventloop_waits_total', process='foreign_calls'),
                         own.waits + (foreign if self.hook == 'fentry' else 0))


class Tracepoint(Abis, BpfTest, VictimTest):
    hook = 'tracepoint'


class Fentry(Abis, BpfTest, VictimTest):
    hook = 'fentry'
