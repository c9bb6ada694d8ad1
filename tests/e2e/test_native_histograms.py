"""Native histograms: Prometheus takes them where it is told to, and gets the classic ones where it is not."""

from e2e.harness import PROBE, PROGRAMS, PYTHON, wait_until
from e2e.prometheus_test import PrometheusTest

NATIVE_P99 = 'histogram_quantile(0.99, sum(rate(eventloop_latency_seconds[15s])))'
CLASSIC_BUCKETS = 'count(eventloop_latency_seconds_bucket)'


class NativeHistograms(PrometheusTest):

    def start_periodic_program(self, metrics):
        """0.4 s of each second are blocked, in one piece: 1 % of the arrivals wait for more than 0.39 s."""
        self.start([PYTHON, PROGRAMS / 'asyncio_period.py', '0.4', '1'], [PROBE])
        wait_until(lambda: metrics.scrape().find('eventloop_latency_seconds_count'), 'it is measured')

    def test_quantile_is_within_a_bucket_of_the_truth(self):
        metrics = self.serve('--latency.window=15s')
        self.scrape_with_prometheus(metrics, '--enable-feature=native-histograms')
        self.start_periodic_program(metrics)
        # A bucket is 2.2 % wide, and what the program calls 0.4 s takes it a little longer.
        wait_until(lambda: [value for value in self.query(NATIVE_P99) if 0.39 * 0.978 <= value <= 0.41 * 1.022],
                   'the native p99 is 0.39 s', 40)
        self.assertEqual(self.query(CLASSIC_BUCKETS), [], 'Prometheus 2.42 drops the classic ones')

    def test_without_the_feature_it_gets_the_classic_ones(self):
        metrics = self.serve()
        self.scrape_with_prometheus(metrics)
        self.start_periodic_program(metrics)
        wait_until(lambda: self.query(CLASSIC_BUCKETS) == [14], 'fourteen buckets are there')
        self.assertEqual(self.query(NATIVE_P99), [])
