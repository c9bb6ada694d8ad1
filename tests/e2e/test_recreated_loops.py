"""Loops that are made and closed again and again: asyncio.run, uvloop, node's execSync."""

import json
import re
import subprocess
import time

from e2e.harness import COUNT_WAITS, PROBE, PROGRAMS, PYTHON, find_program, wait_until
from e2e.own_records import VictimTest
from e2e.segment import read_segments

RUNS = PROGRAMS / 'repeated_runs.py'


class AsyncioRuns(VictimTest):

    options = []

    def start_runs(self, count, *options, preload=(PROBE,)):
        return self.start([PYTHON, RUNS, count, *self.options, *options], preload,
                          stdin=subprocess.PIPE)

    def spent(self, program):
        self.assertEqual((program.wait(60), program.err), (0, ''), program)
        return float(re.search(r'^spent (\S+)$', program.out, re.M)[1])

    def test_time_between_them_does_not_count(self):
        metrics = self.serve()
        program = self.start_runs(3, 'held')
        for number in range(1, 4):
            self.wait_for(program, f'ran {number}')
            # Plain work: nothing is blocked, and no time goes by for the loop.
            start, began = metrics.scrape(), time.monotonic()
            later = self.assert_never_blocked(metrics, lambda _: time.monotonic() > began + 0.4)
            self.assertEqual(self.times(later), self.times(start))
            self.assertEqual(later.value('eventloop_waits_total'),
                             start.value('eventloop_waits_total'))
            program.say('')
        spent = self.spent(program)
        scrape = metrics.scrape()
        self.assertEqual(len(scrape.find('eventloop_waits_total')), 1)
        self.assertEqual(scrape.value('eventloop_stalls_total'), 0)
        self.assertLessEqual(self.times(scrape), spent)

    def test_time_within_one_counts(self):
        metrics = self.serve()
        program = self.start(
            [PYTHON, '-c', 'import asyncio, time\n'
             'async def main():\n await asyncio.sleep(0.001)\n time.sleep(0.3)\n'
             ' await asyncio.sleep(0.001)\n'
             'asyncio.run(main())'], [PROBE])
        self.assertEqual(program.wait(), 0, program)
        self.assertEqual(metrics.scrape().value('eventloop_stalls_total'), 1)

    def test_ten_thousand_are_one_series(self):
        metrics = self.serve()
        program = self.start_runs(10000, preload=[PROBE, COUNT_WAITS])
        spent = self.spent(program)
        scrape = metrics.scrape()
        self.assertEqual(len(scrape.find('eventloop_waits_total')), 1)
        returned = self.returned_waits(program.pid)
        self.assertGreaterEqual(returned, 20000)
        self.assertEqual(scrape.value('eventloop_waits_total'), returned)
        # Each wait is followed by an iteration: closed by the next wait, or with the instance.
        self.assertEqual(scrape.value('eventloop_iteration_seconds_count'), returned)
        self.assertEqual(scrape.total('looptap_dropped_loops_total'), 0)
        self.assertLessEqual(self.times(scrape), spent)
        segment, = read_segments(self.segments)
        self.assertEqual([(loop.instances, loop.ended) for loop in segment.loops], [(10000, True)])


class UvloopRuns(AsyncioRuns):

    options = ['uvloop']

    def setUp(self):
        super().setUp()
        if subprocess.run([PYTHON, '-c', 'import uvloop'], stderr=subprocess.DEVNULL).returncode:
            self.skipTest(f'{PYTHON} has no uvloop (python3-uvloop)')

    test_time_within_one_counts = None  # the same program


class NodeExecSync(VictimTest):

    def run_calls(self, *arguments):
        """How long each call took, and the scrape while the program rests."""
        node = find_program('node')
        metrics = self.serve('--stall.threshold=500ms')  # a busy machine makes shorter ones by itself
        program = self.start([node, PROGRAMS / 'exec_sync.js', *arguments], [PROBE, COUNT_WAITS],
                             stdin=subprocess.PIPE)
        wait_until(lambda: program.out.endswith('\n') or program.process.poll() is not None,
                   f'{program} rests')
        self.assertIsNone(program.process.poll(), program)
        scrape, returned = self.at_rest(metrics)
        self.assertEqual(scrape.total('eventloop_waits_total'), returned)
        self.assertEqual(scrape.total('eventloop_blocked_seconds'), 0)
        self.assertEqual(len(read_segments(self.segments)), 1, 'of node, not of what it runs')
        return [milliseconds / 1000 for milliseconds in json.loads(program.out)], scrape

    def test_nested_loops_are_one_series(self):
        took, scrape = self.run_calls('3', 'sleep 0.6')
        main, = [labels['loop'] for labels, stalls in scrape.find('eventloop_stalls_total')
                 if stalls == 3]
        long = self.iterations_longer_than(scrape, 0.5, loop=main)
        self.assertEqual(long, len(took))
        instances = [loop.instances for loop in read_segments(self.segments)[0].loops]
        self.assertIn(3, instances, 'the instances of execSync, in one slot')

    def test_without_it_there_is_no_nested_loop(self):
        _, scrape = self.run_calls('3')
        self.assertEqual(scrape.total('eventloop_stalls_total'), 0)
        instances = [loop.instances for loop in read_segments(self.segments)[0].loops]
        self.assertNotIn(3, instances)
