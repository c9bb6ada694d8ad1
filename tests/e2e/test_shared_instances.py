"""Several threads on one epoll instance: it is away only while none of them waits."""

import re

from e2e.harness import COUNT_WAITS, PROBE
from e2e.own_records import FEW_MS, VictimTest, own_records

needs = ('time',)  # what the exporter shows is held against the program's record, to 8 ms


# How far the probe's clock may be from CLOCK_MONOTONIC (docs/design.md).
CLOCK = 0.001


def wall_seconds(program, name='wall'):
    return int(re.search(rf'^{name}_ns=(\d+)$', program.out, re.M)[1]) * 1e-9


class SharedInstance(VictimTest):

    def run_threads(self, how, waits):
        """The scrape afterwards, the victim's record, and the time that went by."""
        # None of its threads has a processor for 100 ms: that comes about by itself where many run beside.
        metrics = self.serve('--stall.threshold=1s')
        program = self.run_victim('shared_instance', how, waits)
        scrape = metrics.scrape()
        self.assertEqual(len(scrape.find('eventloop_waits_total')), 1)
        record = own_records(program)['main']
        self.assertEqual(scrape.value('eventloop_waits_total'), record.waits)
        self.assertEqual(scrape.value('eventloop_stalls_total'), 0)
        return scrape, record, wall_seconds(program)

    def test_is_never_away_while_one_thread_waits(self):
        scrape, record, wall = self.run_threads('covered', 1000000)
        self.assertEqual(record.waits, 2000001)
        self.assertEqual(scrape.value('eventloop_events_total'), 1)
        # Only the one that the instance's end has closed.
        self.assertEqual(scrape.value('eventloop_iteration_seconds_count'), 1)
        self.assertLess(scrape.value('eventloop_busy_seconds_total'), FEW_MS)
        self.assertAlmostEqual(scrape.value('eventloop_wait_seconds_total'), wall, delta=FEW_MS)

    def test_is_away_while_no_thread_waits(self):
        scrape, record, wall = self.run_threads('turns', 300)
        self.assertGreater(record.away, 0.01)
        self.assertAlmostEqual(scrape.value('eventloop_busy_seconds_total'), record.away,
                               delta=FEW_MS)
        self.assertAlmostEqual(self.times(scrape), wall, delta=FEW_MS)
        # Where two threads meet within a microsecond, only one of the two sees a gap.
        iterations = scrape.value('eventloop_iteration_seconds_count')
        self.assertGreaterEqual(iterations, record.iterations)
        self.assertLessEqual(iterations, record.iterations + 0.02 * record.waits)

    def test_all_its_time_counts_once_however_many_hammer_it(self):
        scrape, record, wall = self.run_threads('hammer', 700000)
        self.assertEqual(record.waits, 2100000)
        self.assertAlmostEqual(self.times(scrape), wall, delta=FEW_MS)
        self.assertLessEqual(scrape.value('eventloop_iteration_seconds_count'), record.waits)


class SharedInstanceOnMusl(SharedInstance):
    libc = 'musl'


class Handoff(VictimTest):

    def test_loop_that_moves_between_threads_is_one_loop(self):
        metrics = self.serve()
        program = self.run_victim('handoff', 30)
        scrape = metrics.scrape()
        self.assertEqual(len(scrape.find('eventloop_waits_total')), 1)
        self.assert_figures(scrape, own_records(program)['main'])
        self.assertEqual(scrape.value('eventloop_waits_total'), 120)


class HandoffOnMusl(Handoff):
    libc = 'musl'


class BoostAsio(VictimTest):

    def run_threads(self, threads, slow, quick):
        metrics = self.serve()
        program = self.run_victim('asio_threads', threads, slow, quick,
                                  preload=(PROBE, COUNT_WAITS))
        scrape = metrics.scrape()
        self.assertEqual(scrape.value('eventloop_waits_total'), self.returned_waits(program.pid))
        # A wait comes before the first handler, and the threads end after the last one, however busy the machine is.
        self.assertLessEqual(self.times(scrape), wall_seconds(program) + CLOCK)
        self.assertGreaterEqual(self.times(scrape), wall_seconds(program, 'inner') - CLOCK)
        return scrape

    def test_slow_handlers_of_three_threads_do_not_block_it(self):
        scrape = self.run_threads(3, 3, 0)
        self.assertEqual(scrape.value('eventloop_stalls_total'), 0)
        # Not one handler of 120 ms counts. Between a wait's return and the next thread's wait lies a wake-up, four times;
        # on a busy machine these alone are more than FEW_MS.
        self.assertLess(scrape.value('eventloop_busy_seconds_total'), 0.12)

    def test_slow_handlers_of_a_single_thread_do(self):
        scrape = self.run_threads(1, 3, 0)
        self.assertEqual(scrape.value('eventloop_stalls_total'), 3)
        self.assertGreater(scrape.value('eventloop_busy_seconds_total'), 0.36)

    def test_waits_of_three_threads_that_are_never_idle(self):
        scrape = self.run_threads(3, 0, 200000)
        self.assertLessEqual(scrape.value('eventloop_iteration_seconds_count'),
                             scrape.value('eventloop_waits_total'))
