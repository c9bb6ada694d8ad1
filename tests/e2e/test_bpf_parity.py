"""One process, measured by the probe and by eBPF at once, each with an exporter of its own: they agree."""

import subprocess

from e2e import test_nginx, test_node, test_redis
from e2e.bpf_test import BpfTest
from e2e.harness import BUILD, PROBE, PROGRAMS, PYTHON, wait_until
from e2e.native_histograms import native_histograms

LOOP = ('process', 'pid', 'loop', 'thread')
BUCKETS_OF_AN_OCTAVE = 32  # schema 5
# Of the kernel, in seconds: eBPF counts it to the iteration, the probe to the wait. 1 to 6 us in the mean, the most after a
# sleep, when nothing is in the caches. From 0.6 ms on a bucket is wider.
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

    def assert_native_parity(self, name, least, strays=0.01):
        """The native histograms agree bucket by bucket, which are 2.2 % wide: up to each bound lie as many observations
        as up to the bound before or behind it; or, where buckets are narrower than the way into the kernel and out of
        it takes, up to a bound that is as far away. strays: the part of the observations that may lie elsewhere, as
        their threads lost the processor between the two looks at the clock."""
        def at_rest():
            before, by_bpf, by_probe = (native_histograms(metrics, name) for metrics in
                                        (self.by_probe, self.by_bpf, self.by_probe))
            return before and by_probe and by_bpf and (by_probe, by_bpf) if {
                key: each.count for key, each in before.items()} == {
                key: each.count for key, each in by_probe.items()} == {
                key: each.count for key, each in by_bpf.items() if key in before} else None
        by_probe, by_bpf = wait_until(at_rest, 'the program is at rest for a moment')
        self.assertGreaterEqual(sum(each.count for each in by_probe.values()), least)
        for key, expected in by_probe.items():
            measured = by_bpf[key]
            self.assertEqual((measured.schema, measured.zero_threshold), (5, expected.zero_threshold))
            few = max(3, expected.count * strays)
            for bound in sorted({*measured.bounds, *expected.bounds}):
                width = bound * (2 ** (1 / BUCKETS_OF_AN_OCTAVE) - 1)
                off = max(width, WAY_IN_AND_OUT)
                self.assertLessEqual(expected.at_most(bound - off) - few, measured.at_most(bound), (key, bound))
                self.assertLessEqual(measured.at_most(bound), expected.at_most(bound + off) + few, (key, bound))

    def test_native_buckets_of_redis(self):
        test_redis.Redis.drive(self, [PROBE])
        self.assert_native_parity('eventloop_iteration_seconds', 1000)

    def test_native_buckets_of_a_program_that_works_and_sleeps(self):
        """Iterations of 1 ms and more, where a bucket is wider than whatever lies between the two looks at the
        clock; and waits that time out."""
        program = self.start([BUILD / 'tests/victims/waits_when_told', 300], [PROBE], stdin=subprocess.PIPE)
        wait_until(lambda: 'ready' in program.out, f'{program} is ready')
        program.say('')
        wait_until(lambda: 'waited' in program.out, f'{program} has waited')
        self.assert_native_parity('eventloop_iteration_seconds', 299)
        # Delays are as short as that way: what a busy machine does to it moves them by many buckets.
        self.assert_native_parity('eventloop_wakeup_delay_seconds', 300, strays=0.05)

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
