"""A real Prometheus reads what looptap serves."""

from e2e.harness import PLAIN_EPOLL, PROBE, PROGRAMS, PYTHON, wait_until
from e2e.prometheus_test import PrometheusTest

P99_OF_BUCKETS = ('histogram_quantile(0.99, '
                  'sum by (le) (rate(eventloop_latency_seconds_bucket[15s])))')
P99_OF_SUMMARY = 'eventloop_latency_quantile_seconds{quantile="0.99"}'


class Prometheus(PrometheusTest):

    def test_quantile_of_its_histogram_is_in_the_bucket_of_the_summary(self):
        metrics = self.serve('--latency.window=15s')
        self.scrape_with_prometheus(metrics)
        self.assertEqual(self.query(P99_OF_BUCKETS), [], 'nothing is measured yet')

        # 0.4 s in each second: 1 % of the arrivals wait for more than 0.39 s.
        self.start([PYTHON, PROGRAMS / 'asyncio_period.py', '0.4', '1'], [PROBE])
        wait_until(lambda: metrics.scrape().find('eventloop_latency_seconds_count'), 'it is measured')
        bounds = [bound for bound, _ in metrics.scrape().buckets('eventloop_latency_seconds')]
        seen = []  # what the two said, once for each scrape

        def bucket_of(seconds):
            return next((bound for bound in bounds if seconds <= bound), None)  # None for NaN

        def agree():
            pair = self.query(P99_OF_BUCKETS) + self.query(P99_OF_SUMMARY)
            if len(pair) == 2 and pair not in seen:
                seen.append(pair)
            return len(seen) >= 3 and all(bucket_of(first) == bucket_of(second) == 0.5
                                          for first, second in seen[-3:])

        wait_until(agree, 'both p99 are in the bucket up to 0.5 s, for three scrapes in a row', 40)

    def test_sees_the_loops_of_a_process_that_starts_later(self):
        metrics = self.serve()
        self.scrape_with_prometheus(metrics)
        self.assertEqual(self.query('eventloop_waits_total'), [])
        self.run_program([PLAIN_EPOLL, '5'], preload=[PROBE])
        wait_until(lambda: self.query('eventloop_waits_total{process="plain_epoll"}') == [5],
                   'Prometheus has the five waits')
