"""The recording rules and alerts, on series that were recorded from real programs (tests/rules)."""

import json
import re
import subprocess
import unittest

from e2e.harness import ROOT, LooptapTest, find_program

try:
    import yaml
except ImportError:
    raise unittest.SkipTest('needs Python\'s yaml (python3-yaml)') from None

RULES = ROOT / 'deploy/prometheus/rules.yml'
RECORDING = ROOT / 'tests/rules/recording.yml'
EXPECTED = ROOT / 'tests/rules/expected_alerts.yml'

QUANTILE = 'workload_quantile:eventloop_latency_seconds:histogram_quantile_rate5m'

# (time, expression, what it is): true, and one series.
EXPECTED_RECORDS = [
    # A millisecond of arrivals per millisecond, and two replicas.
    ('9m', 'workload:eventloop_latency_seconds_bucket:rate5m{process="checkout", le="+Inf"} > bool 1900', 1),
    ('9m', 'workload:eventloop_latency_seconds_bucket:rate5m{process="checkout", le="+Inf"} > bool 2010', 0),
    ('9m', 'workload:eventloop_latency_seconds_bucket:rate5m{process="redis", le="+Inf"} > bool 1010', 0),
    # A replica of two blocks for 0.4 s of each second: a tenth of the arrivals waits for more than 0.2 s.
    ('9m', QUANTILE + '{process="checkout", quantile="0.99"} > bool 0.25', 1),
    ('9m', QUANTILE + '{process="checkout", quantile="0.99"} > bool 0.5', 0),
    ('9m', QUANTILE + '{process="checkout", quantile="0.5"} > bool 0.001', 0),
    ('9m', QUANTILE + '{process="redis", quantile="0.99"} > bool 0.1', 0),
    ('9m', 'workload:eventloop_utilization:ratio_rate5m{process="feed"} > bool 0.9', 1),
    ('9m', 'workload:eventloop_utilization:ratio_rate5m{process="checkout"} > bool 0.15', 1),
    ('9m', 'workload:eventloop_utilization:ratio_rate5m{process="checkout"} > bool 0.5', 0),
    ('9m', 'workload:eventloop_stalls:rate5m{process="checkout"} > bool 0.8', 1),
    # Away for over ten minutes: left out. Back again: counted.
    ('11m45s', 'absent(workload:eventloop_utilization:ratio_rate5m{process="worker"}) or vector(0)', 0),
    ('12m45s', 'absent(workload:eventloop_utilization:ratio_rate5m{process="worker"}) + 0', 1),
    ('14m', 'workload:eventloop_utilization:ratio_rate5m{process="worker"} > bool 0.5', 1),
]


def alerts():
    """The alerts of rules.yml by name."""
    return {rule['alert']: rule for group in yaml.safe_load(RULES.read_text())['groups']
            for rule in group['rules'] if 'alert' in rule}


def expected_alerts():
    """With the pids of the recording and the runbooks of the rules."""
    # The first of a name, which for checkout is the replica that blocks.
    pids = {}
    for pid, process in re.findall(r'pid="(\d+)",.* process="(\w+)"', RECORDING.read_text()):
        pids.setdefault(process, pid)
    text = re.sub(r'\{pid of ([a-z]+)\}', lambda match: pids[match[1]], EXPECTED.read_text())
    tests = yaml.safe_load(text)
    for test in tests:
        for alert in test['exp_alerts']:
            alert['exp_annotations']['runbook'] = alerts()[test['alertname']]['annotations']['runbook']
    return tests


class AlertRules(LooptapTest):

    def promtool(self, *arguments):
        run = subprocess.run([find_program('promtool'), *arguments], capture_output=True, text=True,
                             cwd=self.folder)
        return run.returncode, run.stdout + run.stderr

    def run_tests(self, tests, rules=RULES):
        """What `promtool test rules` says."""
        file = self.folder / 'test.yml'
        file.write_text(json.dumps({'rule_files': [str(rules)], 'evaluation_interval': '15s',
                                    'tests': tests}))
        return self.promtool('test', 'rules', str(file))

    def with_recording(self, **tests):
        return [{**yaml.safe_load(RECORDING.read_text()), **tests}]

    def assert_passes(self, tests, rules=RULES):
        status, said = self.run_tests(tests, rules)
        self.assertEqual(status, 0, said)

    def test_promtool_has_nothing_to_say(self):
        status, said = self.promtool('check', 'rules', '--lint=all', '--lint-fatal', str(RULES))
        self.assertEqual((status, said.count('\n')), (0, 3), said)

    def test_promtool_would_say_something(self):
        twice = self.folder / 'twice.yml'
        rules = yaml.safe_load(RULES.read_text())
        rules['groups'][0]['rules'].append(rules['groups'][0]['rules'][0])
        twice.write_text(json.dumps(rules))
        self.assertNotEqual(self.promtool('check', 'rules', '--lint=all', '--lint-fatal', str(twice))[0], 0)

    def test_alerts_fire_and_do_not_fire(self):
        self.assert_passes(self.with_recording(alert_rule_test=expected_alerts()))

    def test_each_alert_is_seen_firing_and_not_firing(self):
        seen = {(test['alertname'], bool(test['exp_alerts'])) for test in expected_alerts()}
        by_itself = {('LooptapAbsent', True)}                      # below
        always = {('LooptapSegmentsRejected', False)}              # below
        self.assertEqual(seen | by_itself | always,
                         {(name, firing) for name in alerts() for firing in (True, False)})

    def test_nothing_to_scrape_is_an_alert(self):
        alert = alerts()['LooptapAbsent']
        self.assert_passes([{'interval': '15s', 'input_series': [], 'alert_rule_test': [
            {'eval_time': '14m', 'alertname': 'LooptapAbsent', 'exp_alerts': []},
            {'eval_time': '16m', 'alertname': 'LooptapAbsent', 'exp_alerts': [
                {'exp_labels': {'severity': 'warning'}, 'exp_annotations': alert['annotations']}]}]}])

    def test_exporter_without_a_program_is_no_alert_on_a_host(self):
        series = [{'series': series, 'values': '0+0x120'} for series in (
            'looptap_processes{job="looptap", instance="new", state="live"}',
            'looptap_rejected_segments_total{job="looptap", instance="new", reason="foreign"}',
            'looptap_dropped_loops_total{job="looptap", instance="new"}',
            'looptap_deaths_in_stall_total{job="looptap", instance="new"}')]
        series.append({'series': 'up{job="looptap", instance="new"}', 'values': '1+0x120'})
        self.assert_passes([{'interval': '15s', 'input_series': series, 'alert_rule_test': [
            {'eval_time': '29m', 'alertname': name, 'exp_alerts': []} for name in alerts()]}])

    def test_loop_that_is_merely_not_run_is_not_frozen(self):
        labels = '{job="looptap", instance="host", process="sync", pid="1", loop="0", thread="t"}'
        series = [{'series': f'eventloop_blocked_seconds{labels}', 'values': '605+15x40'},
                  {'series': f'eventloop_busy_seconds_total{labels}', 'values': '605+15x40'},
                  {'series': f'eventloop_wait_seconds_total{labels}', 'values': '1+0x40'},
                  {'series': 'eventloop_latency_quantile_seconds' + labels[:-1] + ', quantile="0.95"}',
                   'values': '605+15x40'},
                  {'series': 'eventloop_latency_seconds_bucket' + labels[:-1] + ', le="+Inf"}',
                   'values': '0+15000x40'},
                  {'series': 'eventloop_latency_seconds_bucket' + labels[:-1] + ', le="10"}',
                   'values': '0+0x40'}]
        loops = [name for name in alerts() if name.startswith('EventLoop') and name != 'EventLoopAway']
        self.assert_passes([{'interval': '15s', 'input_series': series, 'alert_rule_test': [
            {'eval_time': time, 'alertname': name, 'exp_alerts': []}
            for name in loops for time in ('1m', '10m')]}])

    def test_records(self):
        self.assert_passes(self.with_recording(promql_expr_test=[
            {'eval_time': time, 'expr': f'sum({expression})',
             'exp_samples': [{'labels': '{}', 'value': value}]}
            for time, expression, value in EXPECTED_RECORDS]))

    def test_quantiles_are_not_averaged(self):
        """The p99 of two replicas is that of all their arrivals, and so more than the mean of theirs."""
        of_each = ('avg(histogram_quantile(0.99, sum by (instance, le) '
                   '(rate(eventloop_latency_seconds_bucket{process="checkout"}[5m]))))')
        of_all = f'sum({QUANTILE}{{process="checkout", quantile="0.99"}})'
        self.assert_passes(self.with_recording(promql_expr_test=[
            {'eval_time': '9m', 'expr': f'{of_all} > bool 1.5 * {of_each}',
             'exp_samples': [{'labels': '{}', 'value': 1}]}]))

    def test_false_expectations_fail(self):
        firing = next(test for test in expected_alerts() if test['exp_alerts'])
        status, said = self.run_tests(self.with_recording(alert_rule_test=[{**firing, 'exp_alerts': []}]))
        self.assertNotEqual(status, 0, said)

    def test_threshold_that_is_never_met_is_noticed(self):
        """For each alert."""
        rules = yaml.safe_load(RULES.read_text())
        for group in rules['groups']:
            for rule in group['rules']:
                if 'alert' in rule:
                    rule['expr'] = f'({rule["expr"]}) > 1e9'
        changed = self.folder / 'changed.yml'
        changed.write_text(json.dumps(rules))
        firing = [test for test in expected_alerts() if test['exp_alerts']]
        said = self.run_tests(self.with_recording(alert_rule_test=firing), changed)[1]
        self.assertEqual(set(re.findall(r'alertname: (\w+), time', said)),
                         {test['alertname'] for test in firing})

    def test_operator_gets_the_same_rules(self):
        written = subprocess.run([RULES.parent / 'write_prometheusrule'], capture_output=True, text=True,
                                 check=True).stdout
        self.assertEqual((RULES.parent / 'prometheusrule.yaml').read_text(), written,
                         'make monitoring writes it anew')
        self.assertEqual(yaml.safe_load(written)['spec'], yaml.safe_load(RULES.read_text()))
