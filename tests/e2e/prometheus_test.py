"""A real Prometheus that scrapes exporters."""

import json
import urllib.parse

from e2e.harness import LooptapTest, find_program, request, says_ready, wait_until

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
        _, self.port = self.start_on_a_free_port(
            lambda port: [program, f'--config.file={path}', f'--storage.tsdb.path={self.folder / "data"}',
                          f'--web.listen-address=127.0.0.1:{port}', *flags],
            lambda _, port: says_ready(port))

    def ask(self, path, **parameters):
        """What an endpoint of its API answers."""
        answer = json.loads(request(self.port, f'{path}?{urllib.parse.urlencode(parameters)}').body)
        self.assertEqual(answer['status'], 'success', answer)
        return answer['data']

    def query(self, expression):
        """The values of an instant query."""
        return [float(sample['value'][1])
                for sample in self.ask('/api/v1/query', query=expression)['result']]
