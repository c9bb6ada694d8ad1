"""Rules, dashboard and relabeling on a real Prometheus that scrapes real exporters of real programs:
every expression that deploy/ ships returns series."""

import json
import re
import subprocess
import unittest

from e2e.harness import (PROBE, PROGRAMS, PYTHON, ROOT, SHARED_MEMORY, find_program, free_port,
                         make_folder, wait_until)
from e2e.prometheus_test import PrometheusTest

try:
    import yaml
except ImportError:
    raise unittest.SkipTest('needs Python\'s yaml (python3-yaml)') from None

DEPLOY = ROOT / 'deploy'
RULES = DEPLOY / 'prometheus/rules.yml'
DASHBOARD = DEPLOY / 'grafana/looptap.json'

# Alerts about what goes wrong, and does not here.
NOTHING_WRONG = {'EventLoopAway', 'EventLoopDiedInStall', 'LooptapDown', 'LooptapAbsent',
                 'LooptapProbeMissing', 'LooptapProbesGone', 'LooptapSegmentsRejected',
                 'LooptapLoopsDropped'}
# Expressions for native histograms, and for processes in pods' cgroups: here is none of either.
NATIVE = {'workload:eventloop_latency_seconds:rate5m', 'process:looptap_target_info:pod'}

POD = {'namespace': 'shop', 'workload': 'web', 'pod': 'web-1', 'container': 'looptap',
       'instance': '10.0.0.1:10064'}
HOST = {'instance': 'host-1:10064'}
ANY = dict.fromkeys(('namespace', 'workload', 'process', 'pod', 'instance'), '.*')


def rules():
    return [rule for group in yaml.safe_load(RULES.read_text())['groups'] for rule in group['rules']]


def dashboard():
    return json.loads(DASHBOARD.read_text())


def targets():
    """The dashboard's: [(panel's title, expression)]."""
    return [(panel['title'], target['expr']) for panel in dashboard()['panels']
            for target in panel.get('targets', [])]


def substitute(expression, **chosen):
    """As Grafana does it."""
    values = {**ANY, **chosen, '__rate_interval': '15s', '__range': '1m'}
    return re.sub(r'\$(\w+)', lambda match: values[match[1]], expression)


class Monitoring(PrometheusTest):

    def watch(self, labels):
        """An exporter of three programs, one of them frozen; what Prometheus needs to know of it."""
        self.segments = make_folder(self, SHARED_MEMORY, 0o1777)
        metrics = self.serve()
        frozen = self.start([PYTHON, PROGRAMS / 'asyncio_freezes.py'], stdin=subprocess.PIPE,
                            environment=self.environment([PROBE], LOOPTAP_NAME='frozen'))
        # The latency of half a second in each second is over every threshold but that of a frozen loop.
        self.start([PYTHON, PROGRAMS / 'asyncio_period.py', '0.5', '0.52'],
                   environment=self.environment([PROBE], LOOPTAP_NAME='blocking'))
        self.start([find_program('redis-server'), '--port', str(free_port()), '--save', ''],
                   environment=self.environment([PROBE], LOOPTAP_NAME='idle'))
        wait_until(lambda: 'ready' in frozen.out, f'{frozen} is ready')
        frozen.say('600')
        wait_until(lambda: metrics.scrape().total('looptap_processes', state='live') == 3, 'all are watched')
        return {'targets': [f'127.0.0.1:{metrics.port}'], 'labels': labels}

    def start_monitoring(self, *watched, flags=()):
        """Prometheus with the rules, which it evaluates each second, as it scrapes."""
        document = yaml.safe_load(RULES.read_text())
        for group in document['groups']:
            group['interval'] = '1s'
        path = self.folder / 'rules.json'
        path.write_text(json.dumps(document))
        self.start_prometheus(json.dumps({
            'global': {'scrape_interval': '1s'}, 'rule_files': [str(path)],
            'scrape_configs': [{'job_name': 'looptap', 'static_configs': list(watched)}]}), *flags)

    def numbers(self, expression):
        """The values of an instant query that are numbers."""
        return [value for value in self.query(expression) if value == value]

    def test_every_expression_returns_series(self):
        self.start_monitoring(self.watch(POD), self.watch(HOST))
        wait_until(lambda: len(self.query('ALERTS{alertname="EventLoopFrozen", alertstate="firing"}')) == 2,
                   'both frozen loops are alerts', 60)

        for rule in rules():
            with self.subTest(rule=rule.get('record') or rule['alert']):
                values = self.query(rule['expr'])
                if rule.get('alert') not in NOTHING_WRONG and rule.get('record') not in NATIVE:
                    self.assertNotEqual(values, [])
                else:
                    self.assertEqual(values, [])
                if 'record' in rule and rule['record'] not in NATIVE:
                    self.assertNotEqual(self.query(rule['record']), [])

        for labels in POD, HOST:
            chosen = {name: value for name, value in labels.items() if name in ANY}
            for title, expression in targets():
                with self.subTest(panel=title, labels=labels):
                    self.assertNotEqual(self.numbers(substitute(expression, **chosen)), [], expression)
            for variable in self.variables():
                with self.subTest(variable=variable['name'], labels=labels):
                    self.assertNotEqual(self.query(substitute(self.series_of(variable), **chosen)), [])
        annotation, = dashboard()['annotations']['list']
        self.assertEqual(len(self.query(substitute(annotation['expr'], process='frozen'))), 2)

        self.assert_that_nothing_is_returned_of_others()
        self.assert_that_only_the_frozen_loops_are_frozen()

    @staticmethod
    def variables():
        return [variable for variable in dashboard()['templating']['list'] if variable['type'] == 'query']

    @staticmethod
    def series_of(variable):
        return re.fullmatch(r'label_values\((.*), (\w+)\)', variable['definition'])[1]

    def assert_that_nothing_is_returned_of_others(self):
        for title, expression in targets():
            with self.subTest(null_control=title):
                values = self.query(substitute(expression, namespace='no-such'))
                self.assertEqual(values, [0] if expression.endswith(' or vector(0)') else [])

    def assert_that_only_the_frozen_loops_are_frozen(self):
        alerts = self.ask('/api/v1/alerts')['alerts']
        frozen = [alert['labels'] for alert in alerts if alert['labels']['alertname'] == 'EventLoopFrozen']
        self.assertEqual({labels['process'] for labels in frozen}, {'frozen'})
        about_idle = [alert for alert in alerts if alert['labels'].get('process') == 'idle']
        self.assertEqual(about_idle, [])

    def test_native_histograms_do_as_well(self):
        self.start_monitoring(self.watch(POD), flags=['--enable-feature=native-histograms'])
        p99 = ('workload_quantile:eventloop_latency_seconds:histogram_quantile_rate5m'
               '{quantile="0.99", process="%s"}')
        wait_until(lambda: [value for value in self.query(p99 % 'blocking') if 0.4 < value < 0.6],
                   'the p99 of the blocking loop is some 0.5 s', 60)
        self.assertEqual(self.query('eventloop_latency_seconds_bucket'), [], 'it has classic ones, too')
        self.assertLess(self.query(p99 % 'idle')[0], 0.1)
        quantiles = [(title, expression) for title, expression in targets()
                     if 'histogram_quantile' in expression]
        self.assertGreaterEqual(len(quantiles), 5)
        for title, expression in quantiles:
            with self.subTest(panel=title):
                self.assertNotEqual(self.numbers(substitute(expression)), [], expression)


class Relabeling(PrometheusTest):
    """What scrape_kubernetes.yml makes of pods. Debian's Prometheus cannot ask Kubernetes: it is told."""

    META = '__meta_kubernetes_'

    def pod(self, port='looptap', **facts):
        facts = {'namespace': 'shop', 'pod_name': 'p', 'pod_phase': 'Running', 'pod_container_name': 'looptap',
                 'pod_container_port_name': port, **facts}
        return {'targets': ['127.0.0.1:1'],
                'labels': {self.META + name: value for name, value in facts.items()}}

    def relabeled(self, *pods):
        """The labels of the targets that are left."""
        configuration = yaml.safe_load((DEPLOY / 'prometheus/scrape_kubernetes.yml').read_text())
        del configuration['rule_files']
        job, = configuration['scrape_configs']
        self.assertEqual(job.pop('kubernetes_sd_configs'), [{'role': 'pod'}])
        # Each a job: Prometheus scrapes targets with the same labels once.
        configuration['scrape_configs'] = [{**job, 'job_name': f'pods-{i}', 'static_configs': [pod]}
                                           for i, pod in enumerate(pods)]
        self.start_prometheus(json.dumps(configuration))
        found = wait_until(lambda: self.ask('/api/v1/targets')['activeTargets'], 'it has targets')
        return [target['labels'] for target in sorted(found, key=lambda target: target['scrapePool'])]

    def test_workloads_have_the_names_that_people_gave_them(self):
        labels = self.relabeled(
            self.pod(pod_name='web-5d9c7b-x2x', pod_controller_kind='ReplicaSet',
                     pod_controller_name='web-5d9c7b', pod_label_pod_template_hash='5d9c7b'),
            self.pod(pod_name='db-0', pod_controller_kind='StatefulSet', pod_controller_name='db'),
            self.pod(pod_name='nightly-28374834-abc', pod_controller_kind='Job',
                     pod_controller_name='nightly-28374834'),
            self.pod(pod_name='import-7', pod_controller_kind='Job', pod_controller_name='import-7'),
            self.pod(pod_name='old-x7z', pod_controller_kind='ReplicaSet', pod_controller_name='old-rs'),
            self.pod(pod_name='alone'))
        self.assertEqual([one['workload'] for one in labels],
                         ['web', 'db', 'nightly', 'import-7', 'old-rs', 'alone'])
        self.assertEqual({name: labels[0][name] for name in ('namespace', 'pod', 'container')},
                         {'namespace': 'shop', 'pod': 'web-5d9c7b-x2x', 'container': 'looptap'})

    def test_only_ports_of_looptap_are_scraped(self):
        labels = self.relabeled(self.pod(port='http', pod_name='other'), self.pod(pod_name='ours'),
                                self.pod(pod_name='done', pod_phase='Succeeded'))
        self.assertEqual([one['pod'] for one in labels], ['ours'])

    def test_pod_monitor_relabels_alike(self):
        def snake(name):
            return re.sub(r'([A-Z])', lambda match: '_' + match[1].lower(), name)

        def about_workloads(steps):
            return [step for step in steps if step.get('target_label') == 'workload']

        monitor = yaml.safe_load((DEPLOY / 'prometheus/podmonitor.yaml').read_text())
        endpoint, = monitor['spec']['podMetricsEndpoints']
        self.assertEqual(endpoint['port'], 'looptap')
        self.assertIn({'targetLabel': 'job', 'replacement': 'looptap'}, endpoint['relabelings'])
        steps = [{snake(name): value for name, value in step.items()} for step in endpoint['relabelings']]
        configuration = yaml.safe_load((DEPLOY / 'prometheus/scrape_kubernetes.yml').read_text())
        job, = configuration['scrape_configs']
        self.assertEqual(job['job_name'], 'looptap')
        self.assertEqual(about_workloads(steps), about_workloads(job['relabel_configs']))

    def test_configuration_for_hosts_is_valid(self):
        checked = subprocess.run([find_program('promtool'), 'check', 'config',
                                  DEPLOY / 'prometheus/scrape_hosts.yml'], capture_output=True, text=True)
        self.assertEqual(checked.returncode, 0, checked.stdout + checked.stderr)
