"""The quantiles of the loop latency against the truth: the program's own record of its blocking calls.

With blocking calls of durations d_i in an observed time T, an arrival at a random instant waits
longer than x with the probability sum(max(0, d_i - x)) / T.
"""

import json

from e2e.harness import PROBE, PROGRAMS, PYTHON, LooptapTest

needs = ('time',)  # it is held against the program's own record, to 3 ms

SECONDS = 20
SHARE = 0.2


class Truth:
    def __init__(self, record):
        self.durations = [(end - start) / 1e9 for start, end in record['calls']]
        self.observed = (record['end'] - record['start']) / 1e9

    def share_over(self, latency):
        return sum(max(0, each - latency) for each in self.durations) / self.observed

    def quantile(self, q):
        low, high = 0, max(self.durations)
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (middle, high) if self.share_over(middle) > 1 - q else (low, middle)
        return low


class Accuracy(LooptapTest):
    """One run of 20 s, looked at from several sides."""

    @classmethod
    def setUpClass(cls):
        run = cls('setUp')
        run.setUp()
        cls.addClassCleanup(run.doCleanups)
        metrics = run.serve('--latency.window=60s')
        record = run.folder / 'record'
        program = run.start([PYTHON, PROGRAMS / 'asyncio_blocks.py', SECONDS, SHARE, 2, record],
                            [PROBE])
        if program.wait(SECONDS + 20) != 0:
            raise AssertionError(f'the program failed: {program}')
        cls.scrape = metrics.scrape()
        cls.truth = Truth(json.loads(record.read_text()))

    def assert_quantile_is_true(self, q):
        truth = self.truth.quantile(q)
        self.assertGreater(truth, 0.05, 'the program should have blocked for longer')
        self.assertAlmostEqual(
            self.scrape.value('eventloop_latency_quantile_seconds', quantile=str(q)), truth,
            delta=max(0.04 * truth, 0.003))

    def test_p95_is_true(self):
        self.assert_quantile_is_true(0.95)

    def test_p99_is_true(self):
        self.assert_quantile_is_true(0.99)

    def test_p50_is_zero_where_the_loop_mostly_waits(self):
        # Null control: 80 % of the time nothing has to wait.
        self.assertEqual(self.truth.quantile(0.5), 0)
        self.assertLess(self.scrape.value('eventloop_latency_quantile_seconds', quantile='0.5'),
                        0.001)

    def test_histogram_holds_the_true_share_above_100_ms(self):
        counts = dict(self.scrape.buckets('eventloop_latency_seconds'))
        share = 1 - counts[0.1] / counts[float('inf')]
        self.assertAlmostEqual(share, self.truth.share_over(0.1), delta=0.005)

    def test_histogram_has_one_observation_per_millisecond(self):
        self.assertAlmostEqual(self.scrape.value('eventloop_latency_seconds_count') / 1000,
                               self.truth.observed, delta=0.2)

    def test_stalls_are_the_calls_over_the_threshold(self):
        threshold = self.scrape.value('looptap_stall_threshold_seconds')
        certain = sum(each > threshold for each in self.truth.durations)
        # An iteration is a little longer than the blocking call in it.
        possible = sum(each > threshold - 0.003 for each in self.truth.durations)
        stalls = self.scrape.value('eventloop_stalls_total')
        self.assertGreater(certain, 0)
        self.assertTrue(certain <= stalls <= possible, f'{certain} <= {stalls} <= {possible}')
