"""A real Prometheus that scrapes exporters."""

import json
import urllib.parse

from e2e.harness import LooptapTest, find_program, free_port, request, wait_until

CONFIGURATION = '''
global:
  scrape_interval: 1s
scrape_configs:
  - job_name: looptap
    static_configs:
      - targets: ['127.0.0.1:{port}']
'''


class PrometheusTest(LooptapTest):

    def scrape_with_prometheus(self, metrics, *flags):
        """Starts a Prometheus that scrapes the exporter each second."""
        self.start_prometheus(CONFIGURATION.format(port=metrics.port), *flags)
        wait_until(lambda: self.query('up') == [1], 'it has scraped')

    def start_prometheus(self, configuration, *flags):
        program = find_program('prometheus')
        path = self.folder / 'prometheus.yml'
        path.write_text(configuration)
        for _ in range(3):  # somebody else may take the port first
            self.port = free_port()
            server = self.start([program, f'--config.file={path}',
                                 f'--storage.tsdb.path={self.folder / "data"}',
                                 f'--web.listen-address=127.0.0.1:{self.port}', *flags])
            wait_until(lambda: self.is_ready() or server.process.poll() is not None,
                       f'{server} is ready')
            if server.process.poll() is None:
                return
        self.fail(f'{server} does not start')

    def is_ready(self):
        try:
            return request(self.port, '/-/ready').status == 200
        except OSError:
            return False

    def ask(self, path, **parameters):
        """What an endpoint of its API answers."""
        answer = json.loads(request(self.port, f'{path}?{urllib.parse.urlencode(parameters)}').body)
        self.assertEqual(answer['status'], 'success', answer)
        return answer['data']

    def query(self, expression):
        """The values of an instant query."""
        return [float(sample['value'][1])
                for sample in self.ask('/api/v1/query', query=expression)['result']]
