"""Thousands of threads and of epoll instances: a bounded segment, and drops that are counted."""

import re

from e2e.own_records import VictimTest
from e2e.segment import OWNER_GONE, read_segments

SLOTS = 16


class Many(VictimTest):

    def run_many(self, name, *arguments, **variables):
        """What a victim says of its waits, what looptap does of its drops, and the segment."""
        metrics = self.serve()
        program = self.run_victim(name, *arguments, variables=variables)
        segment, = read_segments(self.segments)
        scrape = metrics.scrape()
        self.assertEqual(scrape.value('looptap_dropped_loops_total', reason='no_slot'), segment.loops_dropped)
        self.assertEqual(scrape.total('eventloop_waits_total'),
                         sum(loop.waits for loop in segment.loops))
        self.assertEqual(scrape.total('eventloop_blocked_seconds'), 0)
        self.assertEqual(scrape.value('looptap_inconsistent_reads_total'), 0)
        return int(re.search(r'\d+', program.out)[0]), segment

    def assert_small(self, segment, slots=SLOTS):
        self.assertLessEqual(len(segment.loops), slots)
        self.assertLessEqual(segment.path.stat().st_size, (slots + 1) * 24576)

    def assert_measured_or_dropped(self, waits, segment, waits_of_one):
        """Every instance is one or the other, and each that is measured is measured wholly."""
        measured = sum(loop.instances for loop in segment.loops)
        self.assertEqual(measured + segment.loops_dropped, waits / waits_of_one)
        for loop in segment.loops:
            self.assertEqual(loop.waits, waits_of_one * loop.instances)
            self.assertEqual((loop.waiters, loop.dormant, loop.ended), (0, True, True))

    def test_threads_one_after_the_other_share_a_slot(self):
        waits, segment = self.run_many('many_threads', 10000, 1)
        self.assertEqual([(loop.waits, loop.instances, loop.owner) for loop in segment.loops],
                         [(waits, 10000, OWNER_GONE)])
        self.assertEqual(segment.loops_dropped, 0)
        self.assert_small(segment)

    def test_threads_whose_instances_are_closed_by_another(self):
        waits, segment = self.run_many('many_threads', 10000, 2, 'keep')
        self.assert_measured_or_dropped(waits, segment, 3)
        self.assertEqual((len(segment.loops), segment.loops_dropped), (2, 0))

    def test_threads_by_the_dozen_are_measured_or_dropped(self):
        waits, segment = self.run_many('many_threads', 10016, 32)
        self.assert_measured_or_dropped(waits, segment, 3)
        self.assert_small(segment)

    def test_threads_that_begin_at_once_lose_no_wait(self):
        waits, segment = self.run_many('many_threads', 12, 12)
        self.assert_measured_or_dropped(waits, segment, 3)
        self.assertEqual(segment.loops_dropped, 0)

    def test_instances_one_after_the_other_share_a_slot(self):
        waits, segment = self.run_many('many_instances', 'in_turn', 10000)
        self.assertEqual([(loop.waits, loop.instances) for loop in segment.loops], [(waits, 10000)])
        self.assertEqual(segment.loops_dropped, 0)
        self.assert_small(segment)

    def test_more_instances_than_slots_are_dropped(self):
        waits, segment = self.run_many('many_instances', 'at_once', 200)
        self.assertEqual((len(segment.loops), segment.loops_dropped), (SLOTS, 200 - SLOTS))
        self.assert_measured_or_dropped(waits, segment, 2)
        self.assert_small(segment)

    def test_as_many_instances_as_slots_are_not_dropped(self):
        waits, segment = self.run_many('many_instances', 'at_once', 2, LOOPTAP_LOOPS='2')
        self.assertEqual((len(segment.loops), segment.loops_dropped), (2, 0))
        self.assert_measured_or_dropped(waits, segment, 2)

    def test_number_of_slots_is_what_was_asked_for(self):
        waits, segment = self.run_many('many_instances', 'at_once', 5, LOOPTAP_LOOPS='2')
        self.assertEqual((len(segment.loops), segment.loops_dropped), (2, 3))
        self.assert_measured_or_dropped(waits, segment, 2)
        self.assert_small(segment, 2)


class ManyOnMusl(Many):
    libc = 'musl'
