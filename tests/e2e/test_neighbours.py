"""What else lives in the process: other preloaded libraries, and programs that have no libc for them to stand in
front of."""

import glob
import os
import subprocess
import time

from e2e.harness import BUILD, COUNT_WAITS, PROBE, PROGRAMS, PYTHON, LooptapTest, find_program

needs = ('time',)  # two clocks of one program agree to a tenth

TICKS = [PYTHON, PROGRAMS / 'asyncio_ticks.py', 200]
CLOCK = [PYTHON, PROGRAMS / 'clock_ticks.py']


class NeighbourTest(LooptapTest):

    def find_library(self, name):
        found = glob.glob(f'/usr/lib/*-linux-gnu/{name}')
        if not found:
            self.skipTest(f'{name} is not installed')
        return found[0]


class Jemalloc(NeighbourTest):
    """It prints its statistics at the end, if it was used."""

    def setUp(self):
        super().setUp()
        self.jemalloc = self.find_library('libjemalloc.so.2')

    def run_ticks(self, preload):
        """What it said of itself, and the figures of the program."""
        metrics = self.serve()
        program = self.run_program(TICKS, environment=self.environment(
            preload, MALLOC_CONF='stats_print:true'))
        self.assertEqual(program.wait(), 0, program)
        self.assertGreaterEqual(self.returned_waits(), 200)
        return program.err, metrics.scrape()

    def assert_both_work(self, preload):
        said, scrape = self.run_ticks(preload)
        self.assertIn('Begin jemalloc statistics', said)
        self.assertRegex(said, r'\nAllocated: [1-9]')
        self.assertEqual(scrape.value('eventloop_waits_total'), self.returned_waits())

    def test_before_the_probe(self):
        self.assert_both_work([self.jemalloc, PROBE, COUNT_WAITS])

    def test_after_the_probe(self):
        self.assert_both_work([PROBE, self.jemalloc, COUNT_WAITS])

    def test_without_the_probe(self):
        said, scrape = self.run_ticks([self.jemalloc, COUNT_WAITS])
        self.assertIn('Begin jemalloc statistics', said)
        self.assertEqual(scrape.total('looptap_processes'), 0)

    def test_probe_without_it(self):
        said, scrape = self.run_ticks([PROBE, COUNT_WAITS])
        self.assertEqual(said, '')
        self.assertEqual(scrape.total('looptap_processes'), 1)


class Faketime(NeighbourTest):
    """The program lives in 2001, and ten times as fast; looptap does not."""

    def setUp(self):
        super().setUp()
        self.faketime = self.find_library('faketime/libfaketime.so.1')

    def run_clock(self, preload, waits=100):
        """The year of the program, how long its waits took by its own clock, how long it ran by the real
        one, and its figures."""
        metrics = self.serve()
        environment = self.environment(preload, FAKETIME='@2001-01-01 00:00:00 x10')
        start = time.monotonic()
        program = self.run_program([*CLOCK, waits], environment=environment)
        real = time.monotonic() - start
        self.assertEqual((program.wait(), program.err), (0, ''), program)
        year, took = program.out.split()
        return int(year), float(took), real, metrics.scrape()

    def assert_program_is_fooled_and_looptap_is_not(self, preload):
        year, took, real, scrape = self.run_clock(preload)
        self.assertEqual(year, 2001)
        self.assertGreater(took, real)
        observed = (scrape.value('eventloop_busy_seconds_total')
                    + scrape.value('eventloop_wait_seconds_total'))
        self.assertLess(observed, real)
        self.assertAlmostEqual(took / observed, 10, delta=1)
        self.assertEqual(scrape.value('eventloop_waits_total'), 100)

    def test_before_the_probe(self):
        self.assert_program_is_fooled_and_looptap_is_not([self.faketime, PROBE])

    def test_after_the_probe(self):
        self.assert_program_is_fooled_and_looptap_is_not([PROBE, self.faketime])

    def test_without_the_probe(self):
        year, took, real, scrape = self.run_clock([self.faketime])
        self.assertEqual(year, 2001)
        self.assertGreater(took, real)
        self.assertEqual(scrape.total('looptap_processes'), 0)

    def test_probe_without_it(self):
        year, took, real, scrape = self.run_clock([PROBE], waits=20)
        self.assertGreater(year, 2001)
        self.assertLess(took, real)
        observed = (scrape.value('eventloop_busy_seconds_total')
                    + scrape.value('eventloop_wait_seconds_total'))
        self.assertAlmostEqual(took / observed, 1, delta=0.1)


class Go(LooptapTest):
    """Go's PIE binaries are started by the loader, which preloads the probe into them, but link no libc."""

    def build(self):
        program = BUILD / 'tests/go/pipe_ticks'
        compiler = find_program('go')
        program.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run([compiler, 'build', '-buildmode=pie', '-o', program, PROGRAMS / 'pipe_ticks.go'],
                       check=True, env={**os.environ, 'GOCACHE': str(BUILD.resolve() / 'go-cache'),
                                        'GO111MODULE': 'off', 'GOFLAGS': '', 'CGO_ENABLED': '0'})
        return program

    def run_ticks(self, preload):
        program = self.run_program([self.build()], preload=preload)
        return program.wait(), program.out, program.err

    def test_binary_is_started_by_the_loader_and_needs_no_libc(self):
        program = self.run_program([find_program('readelf'), '-hldW', self.build()])
        self.assertRegex(program.out, r'Type: +DYN')
        self.assertIn('Requesting program interpreter', program.out)
        self.assertNotIn('NEEDED', program.out)

    def test_keeps_running(self):
        metrics = self.serve()
        self.assertEqual(self.run_ticks([PROBE]), (0, '10\n', ''))
        self.assert_no_loops(metrics)

    def test_runs_without_the_probe(self):
        self.assertEqual(self.run_ticks([]), (0, '10\n', ''))

    def test_probe_is_in_it(self):
        report = self.folder / 'strace'
        program = self.run_program([find_program('strace'), '-f', '-e', 'trace=openat', '-o', report,
                                    '-E', f'LD_PRELOAD={PROBE}', self.build()])
        if 'ptrace' in program.err:
            self.skipTest(f'strace may not trace here: {program.err.strip()}')
        self.assertEqual(program.out, '10\n', program)
        self.assertIn(f'"{PROBE}"', report.read_text())


class OpenFiles(LooptapTest):

    def list(self, preload):
        program = self.run_program([PYTHON, PROGRAMS / 'open_files.py'], preload=preload)
        self.assertEqual((program.wait(), program.err), (0, ''), program)
        return program.out

    def test_are_the_same_with_the_probe(self):
        metrics = self.serve()
        self.assertEqual(self.list([PROBE]), self.list([]))
        self.assertEqual(metrics.scrape().total('eventloop_waits_total'), 2)

    def test_one_more_would_be_seen(self):
        before, waiting, child, after = self.list([]).splitlines()
        self.assertEqual(len(waiting.split()), len(before.split()) + 1)
        self.assertEqual(child.split()[1:], waiting.split()[1:])
        self.assertEqual(after.split()[1:], before.split()[1:])

    def test_nothing_is_left_beside_the_segments(self):
        self.list([PROBE])
        names = os.listdir(self.segments)
        self.assertEqual(len(names), 2, 'the parent and its child')
        for name in names:
            self.assertRegex(name, r'^\d+-\d+-\d+$')
