"""What the probe costs, as far as it can be told without a clock: instructions, system calls and
allocations. `make bench-probe` measures the nanoseconds."""

import unittest

from bench import instruction_count, quiet_waits
from e2e.harness import BUILD, COUNT_WAITS, PROBE, find_program

COUNTED_BATCHES = BUILD / 'bench/counted_batches'
UNCOUNTING_PROBE = BUILD / 'bench/stages/swaps.so'  # the probe, but for its counters
QUIET_WAITS = BUILD / 'bench/quiet_waits'


class InstructionsPerWait(unittest.TestCase):

    def setUp(self):
        self.valgrind = find_program('valgrind')
        find_program('readelf')
        kind = instruction_count.kind_of(PROBE)
        self.record = instruction_count.recorded(kind)
        if not self.record:
            self.skipTest(f'no figure on record for {kind}: make record-instructions')

    def count(self, library, enough):
        return instruction_count.count(self.valgrind, COUNTED_BATCHES, library, enough)

    def test_are_at_most_those_on_record_and_5_percent(self):
        limit = instruction_count.limit(self.record)
        self.assertLessEqual(self.count(PROBE, limit), limit,
                             f'{self.record} are on record; if the probe is to cost more from now on, '
                             f'make record-instructions')

    def test_a_few_less_are_noticed(self):
        self.assertLess(self.count(UNCOUNTING_PROBE, 0.9 * self.record), 0.9 * self.record)


class AfterTheFirstWait(unittest.TestCase):

    def trace(self, probe=None):
        return quiet_waits.trace(find_program('strace'), QUIET_WAITS, probe)

    def test_the_program_itself_only_waits(self):
        trace = self.trace()
        self.assertEqual(trace.timed_out, {'epoll_wait': quiet_waits.TIMED_OUT})
        self.assertEqual(trace.ready, {'epoll_wait': quiet_waits.READY})
        self.assertEqual(trace.allocations, 0)

    def test_the_probe_makes_no_system_call(self):
        trace = self.trace(PROBE)
        self.assertIn('ftruncate', trace.set_up)  # it was there, and strace saw it make its segment
        self.assertEqual(trace.timed_out, {'epoll_wait': quiet_waits.TIMED_OUT})
        self.assertEqual(trace.ready, {'epoll_wait': quiet_waits.READY})

    def test_the_probe_allocates_nothing(self):
        trace = self.trace(PROBE)
        self.assertGreater(trace.allocations_ever, 0)  # they are counted
        self.assertEqual(trace.allocations, 0)

    def test_system_calls_of_a_preload_are_noticed(self):
        trace = self.trace(COUNT_WAITS)
        self.assertEqual(trace.ready['getpid'], quiet_waits.READY)
