"""200 processes in a real Prometheus, with looptap's recording rules: what these say against the truth,
and what it costs.

Two Prometheus scrape the same exporter: one takes the classic histograms, the other the native ones.
"""

import contextlib
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import time
import urllib.parse

from bench_exporter.bench import SHARED_MEMORY, memory_mib
from bench_peers import outside
from bench_peers.accuracy import PROGRAMS
from bench_peers.truth import QUANTILES, Truth
from e2e.harness import PROBE, PYTHON, ROOT, find_program, free_port, request, wait_until

PROCESSES = 200
SECONDS = 60
INTERVAL = 5
RULES = ROOT / 'deploy/prometheus/rules.yml'
RECORDED = 'workload_quantile:eventloop_latency_seconds:histogram_quantile_rate5m'

CONFIGURATION = '''
global: {{scrape_interval: {interval}s, evaluation_interval: {interval}s}}
rule_files: ['{rules}']
scrape_configs:
  - job_name: looptap
    static_configs: [{{targets: ['127.0.0.1:{port}']}}]
  - job_name: prometheus
    static_configs: [{{targets: ['127.0.0.1:{own_port}']}}]
'''


class Prometheus:

    def __init__(self, stack, exporter, *flags):
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix='looptap-bench-')))
        self.port = free_port()
        configuration = folder / 'prometheus.yml'
        configuration.write_text(CONFIGURATION.format(interval=INTERVAL, rules=RULES, port=exporter.port,
                                                      own_port=self.port))
        with open(folder / 'log', 'wb') as log:
            self.process = subprocess.Popen(
                [find_program('prometheus'), f'--config.file={configuration}',
                 f'--storage.tsdb.path={folder}/data', f'--web.listen-address=127.0.0.1:{self.port}', *flags],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        stack.callback(self.process.wait)
        stack.callback(self.process.kill)
        wait_until(lambda: self.is_ready() or self.process.poll() is not None, 'Prometheus is ready', 60)
        if self.process.poll() is not None:
            raise RuntimeError((folder / 'log').read_text())
        self.empty_mib = memory_mib(self.process.pid, 'VmRSS')

    def is_ready(self):
        with contextlib.suppress(OSError):
            return request(self.port, '/-/ready').status == 200

    def query(self, expression):
        """[(labels, value)]"""
        path = '/api/v1/query?' + urllib.parse.urlencode({'query': expression})
        answer = json.loads(request(self.port, path).body)
        if answer['status'] != 'success':
            raise RuntimeError(answer)
        return [(each['metric'], float(each['value'][1])) for each in answer['data']['result']]

    def value(self, expression):
        found = self.query(expression)
        return found[0][1] if found else None

    def figures(self):
        recorded = {labels['quantile']: value
                    for labels, value in self.query(RECORDED + '{process="python3"}')}
        series = self.value('prometheus_tsdb_head_series')
        return {
            'rule': {name: recorded.get(f'{q:g}') for name, q in QUANTILES.items()},
            'samples_a_scrape': self.value('scrape_samples_scraped{job="looptap"}'),
            'scrape_seconds': self.value('scrape_duration_seconds{job="looptap"}'),
            'rule_seconds': self.value('sum(prometheus_rule_group_last_duration_seconds)'),
            'series_bytes': (memory_mib(self.process.pid, 'VmRSS') - self.empty_mib) * 2**20 / series,
        }


@contextlib.contextmanager
def running_fleet(records, environment):
    fleet = subprocess.Popen([PYTHON, PROGRAMS / 'fleet.py', str(PROCESSES), records],
                             env={**os.environ, **environment}, stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        if fleet.stdout.readline() != 'ready\n':
            raise RuntimeError('the fleet did not start')
        yield fleet
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(fleet.pid, 9)
        fleet.wait()
        fleet.stdin.close()
        fleet.stdout.close()


def fleet_truth(records, start, end):
    durations = []
    for record in pathlib.Path(records).iterdir():
        for line in record.read_text().splitlines():
            before, after = map(float, line.split())
            durations.append(min(after, end) - max(before, start))
    return Truth([each for each in durations if each > 0], PROCESSES * (end - start))


def measure():
    if not RULES.exists():
        raise outside.LeftOut('there are no deploy/prometheus/rules.yml')
    with contextlib.ExitStack() as stack:
        segments = pathlib.Path(tempfile.mkdtemp(prefix='looptap-bench-', dir=SHARED_MEMORY))
        stack.callback(shutil.rmtree, segments, ignore_errors=True)
        segments.chmod(0o1777)
        records = stack.enter_context(tempfile.TemporaryDirectory(prefix='looptap-bench-'))
        exporter = outside.Exporter(f'--segments.dir={segments}')
        stack.callback(exporter.stop)
        fleet = stack.enter_context(running_fleet(records, {'LD_PRELOAD': str(PROBE),
                                                            'LOOPTAP_DIR': str(segments)}))
        wait_until(lambda: len(exporter.scrape().find('eventloop_waits_total')) == PROCESSES,
                   'the exporter shows the fleet', 60)
        servers = {'classic': Prometheus(stack, exporter),
                   'native': Prometheus(stack, exporter, '--enable-feature=native-histograms')}
        start = time.time()
        time.sleep(SECONDS)
        end = time.time()
        figures = {name: server.figures() for name, server in servers.items()}
        fleet.stdin.close()
        fleet.wait(60)
        truth = fleet_truth(records, start, end)
    return {'processes': PROCESSES, 'seconds': SECONDS, 'truth': truth.figures(), 'prometheus': figures}
