"""What an epoll instance's number stands for: closed and reused, duplicated, inherited."""

import ctypes
import os
import platform
import time

from e2e.harness import wait_until
from e2e.own_records import VictimTest, own_records
from e2e.segment import read_segments

needs = ('time',)  # what the exporter shows is held against the program's record, to 8 ms


class Replacing(VictimTest):

    def replace(self, how, what):
        """Runs the victim; what looptap says of its end and, meanwhile, of its lifetime."""
        metrics = self.serve()
        program = self.start_victim('reused_number', how, what)
        self.wait_for(program, 'replaced')
        start, time_before = time.monotonic(), self.times(metrics.scrape())
        scrape = self.assert_never_blocked(metrics, lambda _: time.monotonic() > start + 0.15)
        self.assertEqual(self.times(scrape), time_before)
        self.go_on(program)
        scrape = metrics.scrape()
        self.assertEqual(len(scrape.find('eventloop_waits_total')), 1)
        self.assert_figures(scrape, own_records(program)['main'])
        self.assertEqual(scrape.value('eventloop_stalls_total'), 0)
        self.assertEqual(scrape.total('looptap_dropped_loops_total'), 0)
        self.assert_instances(1 if what == 'socket' else 2)

    def assert_instances(self, count):
        segment, = read_segments(self.segments)
        self.assertEqual([(loop.instances, loop.ended) for loop in segment.loops], [(count, True)])


class ReusedNumber(Replacing):

    def keep(self, how):
        metrics = self.serve()
        program = self.start_victim('reused_number', how, 'epoll')
        self.wait_for(program, 'replaced')
        wait_until(lambda: metrics.scrape().value('eventloop_blocked_seconds') > 0.15, 'it is blocked')
        self.go_on(program)
        scrape = metrics.scrape()
        self.assert_figures(scrape, own_records(program)['main'])
        self.assertEqual(scrape.value('eventloop_stalls_total'), 1)

    def test_number_that_still_stands_for_it_is_blocked(self):
        self.keep('keep')

    def test_number_that_a_failing_dup2_left_alone_is_blocked(self):
        self.keep('failing_dup2')

    def test_number_that_a_failing_dup3_left_alone_is_blocked(self):
        self.keep('failing_dup3')

    def test_close_and_a_socket(self):
        self.replace('close', 'socket')

    def test_close_and_another_instance(self):
        self.replace('close', 'epoll')

    def test_system_call_and_a_socket(self):
        self.replace('syscall', 'socket')

    def test_system_call_and_another_instance(self):
        self.replace('syscall', 'epoll')

    def test_socket_put_over_it_by_dup2(self):
        self.replace('dup2', 'socket')

    def test_another_instance_put_over_it_by_dup2(self):
        self.replace('dup2', 'epoll')

    def test_another_instance_put_over_it_by_dup3(self):
        self.replace('dup3', 'epoll')


class ReusedNumberOnMusl(ReusedNumber):
    libc = 'musl'


class ReusedNumberOfGlibc(Replacing):
    """By functions that musl does not have."""

    def test_close_range_and_a_socket(self):
        self.replace('close_range', 'socket')

    def test_close_range_and_another_instance(self):
        self.replace('close_range', 'epoll')

    def test_closefrom_and_another_instance(self):
        self.replace('closefrom', 'epoll')


def kcmp_works():
    """Whether the kernel tells that two numbers stand for one thing; containers may forbid it."""
    number = {'x86_64': 312, 'aarch64': 272}[platform.machine()]
    return ctypes.CDLL(None).syscall(number, os.getpid(), os.getpid(), 0, 0, 0) == 0


class Duplicates(VictimTest):

    def run_duplicates(self, *arguments):
        metrics = self.serve()
        program = self.start_victim('duplicates', *arguments)
        self.wait_for(program, 'ended')
        start, before = time.monotonic(), metrics.scrape()
        scrape = self.assert_never_blocked(metrics, lambda _: time.monotonic() > start + 0.15)
        self.assertEqual(self.times(scrape), self.times(before))
        self.go_on(program)
        scrape = metrics.scrape()
        self.assertEqual(len(scrape.find('eventloop_waits_total')), 1)
        self.assert_figures(scrape, own_records(program)['main'])
        return scrape, [loop.instances for loop in read_segments(self.segments)[0].loops]

    def test_are_one_loop_until_both_are_closed(self):
        if not kcmp_works():
            self.skipTest('kcmp is not allowed here, by which a duplicate is known')
        scrape, instances = self.run_duplicates()
        self.assertEqual(scrape.value('eventloop_stalls_total'), 1)
        self.assertEqual(instances, [1])

    def test_are_one_series_where_the_first_is_closed_first(self):
        scrape, instances = self.run_duplicates('first')
        self.assertEqual(scrape.value('eventloop_stalls_total'), 0)
        self.assertEqual(instances, [2])


class DuplicatesOnMusl(Duplicates):
    libc = 'musl'


class Inherited(VictimTest):

    def run_both(self, *arguments):
        metrics = self.serve()
        records = own_records(self.run_victim('inherited', *arguments))
        scrape = metrics.scrape()
        self.assertEqual(len(scrape.find('eventloop_waits_total')), 2)
        for record in records.values():
            self.assert_figures(scrape, record, pid=str(record.pid))
        self.assertEqual(len(read_segments(self.segments)), 2)

    def test_instance_is_a_loop_of_its_own_in_the_child(self):
        self.run_both()

    def test_instance_on_which_the_parent_has_not_waited(self):
        self.run_both('unwaited')


class InheritedOnMusl(Inherited):
    libc = 'musl'
