"""A real Prometheus reads what looptap serves."""

import json
import urllib.parse

from e2e.harness import (PLAIN_EPOLL, PROBE, PROGRAMS, PYTHON, LooptapTest, find_program, free_port,
                         request, wait_until)

CONFIGURATION = '''
global:
  scrape_interval: 1s
scrape_configs:
  - job_name: looptap
    static_configs:
      - targets: ['127.0.0.1:{port}']
'''

P99_OF_BUCKETS = ('histogram_quantile(0.99, '
                  'sum by (le) (rate(eventloop_latency_seconds_bucket[15s])))')
P99_OF_SUMMARY = 'eventloop_latency_quantile_seconds{quantile="0.99"}'


class Prometheus(LooptapTest):

    def scrape_with_prometheus(self, metrics):
        """Starts a Prometheus that scrapes the exporter each second."""
        program = find_program('prometheus')
        path = self.folder / 'prometheus.yml'
        path.write_text(CONFIGURATION.format(port=metrics.port))
        for _ in range(3):  # somebody else may take the port first
            self.port = free_port()
            server = self.start([program, f'--config.file={path}',
                                 f'--storage.tsdb.path={self.folder / "data"}',
                                 f'--web.listen-address=127.0.0.1:{self.port}'])
            wait_until(lambda: self.is_ready() or server.process.poll() is not None,
                       f'{server} is ready')
            if server.process.poll() is None:
                break
        wait_until(lambda: self.query('up') == [1], 'it has scraped')

    def is_ready(self):
        try:
            return request(self.port, '/-/ready').status == 200
        except OSError:
            return False

    def query(self, expression):
        """The values of an instant query."""
        path = '/api/v1/query?' + urllib.parse.urlencode({'query': expression})
        answer = json.loads(request(self.port, path).body)
        self.assertEqual(answer['status'], 'success', answer)
        return [float(sample['value'][1]) for sample in answer['data']['result']]

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
