"""One process, measured by the probe and by eBPF at once, each with an exporter of its own: they agree."""

import math
import subprocess
import time

from e2e import test_nginx, test_node, test_redis
from e2e.bpf_test import BpfTest
from e2e.harness import BUILD, PROBE, PROGRAMS, PYTHON, wait_until
from e2e.native_histograms import native_histograms

needs = ('bpf', 'time')

LOOP = ('process', 'pid', 'loop', 'thread')
# Two readings of CLOCK_MONOTONIC, by the vDSO or the counter here and by bpf_ktime_get_ns there, disagree in a duration by
# the error of the counter's rate, 5e-5, over the millisecond after which the probe reads the vDSO again; and by the
# steps of the kernel's own correction. In seconds:
CLOCKS = 200e-9
# Between two such readings that are up to a second apart that error has added up. One duration in a second has it all.
RATE = 5e-5
# Into the kernel and out of it, in seconds: 1 to 6 us in the mean, the most after a sleep, when nothing is in the caches.
WAY_IN_AND_OUT = 12e-6


def waits(scrape):
    return {tuple(labels[name] for name in LOOP): value
            for labels, value in scrape.find('eventloop_waits_total')}


class Parity(BpfTest):

    def setUp(self):
        super().setUp()
        self.by_bpf = self.measure('--bpf.include-preloaded')
        self.by_probe = self.serve()

    def both(self):
        """A scrape of each, between which no wait has returned."""
        def nothing_returned():
            before, by_bpf, by_probe = (metrics.scrape() for metrics in
                                        (self.by_probe, self.by_bpf, self.by_probe))
            return waits(before) == waits(by_probe) and waits(by_bpf) and (by_probe, by_bpf)
        return wait_until(nothing_returned, 'the program is at rest for a moment')

    def assert_parity(self, least):
        """All loops are the same, and have the same counts; of the histograms each observation lies in the same
        bucket or the next one, unless a thread has lost its processor between the two looks at the clock."""
        by_probe, by_bpf = self.both()
        preloaded = by_probe.label_values('pid')  # not those that have driven them, which run in the cgroup, too
        self.assertEqual({key: value for key, value in waits(by_bpf).items() if key[1] in preloaded},
                         waits(by_probe))
        self.assertGreaterEqual(sum(waits(by_probe).values()), least)
        for key in waits(by_probe):
            labels = dict(zip(LOOP, key))
            for name in ('eventloop_events_total', 'eventloop_iteration_seconds_count',
                         'eventloop_wakeup_delay_seconds_count'):
                self.assertEqual(by_bpf.value(name, **labels), by_probe.value(name, **labels), (name, key))
            for name in 'eventloop_iteration_seconds', 'eventloop_wakeup_delay_seconds':
                self.assert_within_one_bucket(by_bpf.buckets(name, **labels), by_probe.buckets(name, **labels))

    def assert_within_one_bucket(self, measured, expected):
        self.assertEqual([bound for bound, _ in measured], [bound for bound, _ in expected])
        total = expected[-1][1]
        counts = [0] + [count for _, count in expected] + [total]
        few = max(3, total / 100)
        for place, (bound, count) in enumerate(measured):
            self.assertLessEqual(counts[place] - few, count, bound)
            self.assertLessEqual(count, counts[place + 2] + few, bound)

    def native(self, name, least):
        """Pairs of native histograms by the probe and by eBPF, between which no wait has returned."""
        def at_rest():
            before, by_bpf, by_probe = (native_histograms(metrics, name) for metrics in
                                        (self.by_probe, self.by_bpf, self.by_probe))
            counts = [{key: each[key].count for key in before if key in each} for each in (before, by_bpf, by_probe)]
            return before and counts[0] == counts[1] == counts[2] and [(by_probe[key], by_bpf[key]) for key in before]
        pairs = wait_until(at_rest, 'the program is at rest for a moment')
        self.assertGreaterEqual(sum(by_probe.count for by_probe, _ in pairs), least)
        for by_probe, by_bpf in pairs:
            self.assertEqual((by_bpf.schema, by_bpf.zero_threshold), (5, by_probe.zero_threshold))
        return pairs

    def assert_contained(self, shorter, longer, seconds=0):
        """Each duration of the one is contained in one of the other, so it is no longer: up to each bound lie at least as
        many. Always, however busy the machine is.
        seconds: for which the probe may go without reading the vDSO."""
        steps = math.ceil(seconds)
        for bound in sorted({*shorter.bounds, *longer.bounds}):
            self.assertLessEqual(longer.at_most(bound), shorter.at_most_or_a_bucket_more(bound + CLOCKS) + steps, bound)
        self.assertLessEqual(shorter.sum, longer.sum + longer.count * CLOCKS + seconds * RATE)

    def assert_native_parity(self, name, least, seconds=0):
        """The probe looks at the clock before eBPF when a wait begins, and after it when it ends: its wait contains
        eBPF's, its iteration is contained. And in one half of them at least, no thread has lost its processor between
        the two: these are not further from each other than the way into the kernel and out of it."""
        for by_probe, by_bpf in self.native(name, least):
            shorter, longer = (by_bpf, by_probe) if 'delay' in name else (by_probe, by_bpf)
            self.assert_contained(shorter, longer, seconds)
            for bound in sorted({*shorter.bounds, *longer.bounds}):
                self.assertLessEqual(shorter.at_most(bound) - shorter.count / 2,
                                     longer.at_most_or_a_bucket_more(bound + WAY_IN_AND_OUT), bound)
            with self.assertRaises(AssertionError, msg='the other way round'):
                self.assert_contained(longer, shorter, seconds)

    def test_native_buckets_of_redis(self):
        begin = time.monotonic()
        test_redis.Redis.drive(self, [PROBE])
        self.assert_native_parity('eventloop_iteration_seconds', 1000, time.monotonic() - begin)

    def test_native_buckets_of_a_program_that_works_and_sleeps(self):
        """Iterations of 1 ms and more, where a bucket is wider than whatever lies between the two looks at the
        clock; and waits that time out."""
        program = self.start([BUILD / 'tests/victims/waits_when_told', 300], [PROBE], stdin=subprocess.PIPE)
        wait_until(lambda: 'ready' in program.out, f'{program} is ready')
        program.say('')
        wait_until(lambda: 'waited' in program.out, f'{program} has waited')
        self.assert_native_parity('eventloop_iteration_seconds', 299)
        self.assert_native_parity('eventloop_wakeup_delay_seconds', 300)

    def test_native_buckets_of_asyncio(self):
        program = self.start([PYTHON, PROGRAMS / 'asyncio_ticks.py', '300', 'rest'], [PROBE],
                             stdin=subprocess.PIPE)
        wait_until(lambda: 'resting' in program.out, f'{program} rests')
        self.assert_native_parity('eventloop_iteration_seconds', 300)

    def test_redis(self):
        test_redis.Redis.drive(self, [PROBE])
        self.assert_parity(1000)

    def test_node(self):
        test_node.Node.drive(self, [PROBE])
        self.assert_parity(100)

    def test_nginx(self):
        test_nginx.Nginx.drive(self, [PROBE])
        self.assert_parity(100)

    def test_asyncio(self):
        program = self.start([PYTHON, PROGRAMS / 'asyncio_ticks.py', '300', 'rest'], [PROBE],
                             stdin=subprocess.PIPE)
        wait_until(lambda: 'resting' in program.out, f'{program} rests')
        self.assert_parity(300)

    def test_boost_asio(self):
        program = self.run_program([BUILD / 'tests/victims/asio_threads', '3', '3', '20000'],
                                   preload=[PROBE])
        self.assertEqual(program.wait(), 0, program)
        self.assert_parity(4)

    def test_without_the_probe_only_ebpf_has_it(self):
        program = self.run_program([BUILD / 'tests/victims/plain_epoll', '300'])
        self.assertEqual(program.wait(), 0, program)
        self.assertEqual(sum(waits(self.by_bpf.scrape()).values()), 300)
        self.assert_no_loops(self.by_probe)
