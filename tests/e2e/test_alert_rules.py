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
            'looptap_processes{job="looptap", instance="new", state="live", source="segments"}',
            'looptap_rejected_segments_total{job="looptap", instance="new", reason="foreign"}',
            'looptap_dropped_loops_total{job="looptap", instance="new", reason="no_slot"}',
            'looptap_deaths_in_stall_total{job="looptap", instance="new"}')]
        series.append({'series': 'up{job="looptap", instance="new"}', 'values': '1+0x120'})
        self.assert_passes([{'interval': '15s', 'input_series': series, 'alert_rule_test': [
            {'eval_time': '29m', 'alertname': name, 'exp_alerts': []} for name in alerts()]}])

    def loop_series(self, blocked, labels=''):
        """A loop whose blocked_seconds are these, in promtool's notation: late and busy for as long."""
        labels = 'job="looptap", instance="host", process="sync", pid="1", loop="0", thread="t"' + labels
        seconds = [float(value) for value in blocked.split()]
        steps = [15 if value >= 15 else value for value in seconds]
        busy = [sum(steps[:i + 1]) for i in range(len(steps))]
        arrivals = [15000 * (i + 1) for i in range(len(steps))]
        served = [1000 * (15 * (i + 1) - busy[i]) for i in range(len(steps))]
        return [{'series': f'{name}{{{labels}{more}}}', 'values': ' '.join(f'{value:g}' for value in values)}
                for name, more, values in (
                    ('eventloop_blocked_seconds', '', seconds), ('eventloop_busy_seconds_total', '', busy),
                    ('eventloop_wait_seconds_total', '', [value / 1000 for value in served]),
                    ('eventloop_latency_quantile_seconds', ', quantile="0.95"', [value / 2 for value in seconds]),
                    ('eventloop_latency_seconds_bucket', ', le="+Inf"', arrivals),
                    ('eventloop_latency_seconds_bucket', ', le="0.25"', served),
                    ('eventloop_latency_seconds_bucket', ', le="0.1"', served))]

    def firing(self, series, minutes, rules=RULES, after=0):
        """{alert of a loop: the severities with which it fires within the time, from so many seconds on}."""
        said = self.run_tests([{'interval': '15s', 'input_series': series, 'alert_rule_test': [
            {'eval_time': f'{seconds}s', 'alertname': name, 'exp_alerts': []}
            for name in alerts() if name.startswith('EventLoop') for seconds in range(after, minutes * 60, 15)]}], rules)[1]
        found = {}
        for part in said.split('alertname: ')[1:]:
            found.setdefault(re.match(r'\w+', part)[0], set()).update(re.findall(r'severity="(\w+)"', part))
        return found

    def test_frozen_loop_is_critical_then_a_warning_as_long_as_it_lasts(self):
        frozen = ' '.join(str(15 * i) for i in range(4 * 60))
        self.assertEqual({name: severities for name, severities in self.firing(self.loop_series(frozen), 59).items()
                          if name in ('EventLoopFrozen', 'EventLoopAway')},
                         {'EventLoopFrozen': {'critical'}, 'EventLoopAway': {'warning'}})
        # At any time it is one of the two, and never none.
        for minutes, name, other in ((1, 'EventLoopFrozen', 'EventLoopAway'), (9, 'EventLoopFrozen', 'EventLoopAway'),
                                     (11, 'EventLoopAway', 'EventLoopFrozen'), (59, 'EventLoopAway', 'EventLoopFrozen')):
            said = self.run_tests([{'interval': '15s', 'input_series': self.loop_series(frozen), 'alert_rule_test': [
                {'eval_time': f'{minutes}m', 'alertname': one, 'exp_alerts': []} for one in (name, other)]}])[1]
            self.assertEqual(re.findall(r'alertname: (\w+), time', said), [name])

    def test_loop_that_is_merely_not_run_is_no_more_than_away(self):
        series = self.loop_series(' '.join(str(605 + 15 * i) for i in range(40)))
        self.assertEqual(self.firing(series, 10), {'EventLoopAway': {'warning'}})

    def test_freeze_that_is_over_is_not_told_again(self):
        """The p99 of five minutes, for five minutes, would come when it is long over."""
        freeze = ['0'] * 20 + [str(15 * i) for i in range(1, 40)] + ['0'] * 40
        series = self.loop_series(' '.join(freeze))
        # The window of a minute and the rate of five go on in the figures.
        late, busy = series[3], series[1]
        self.assertIn('quantile', late['series'])
        late['values'] = late['values'].replace(' 0' * 40, ' 9' * 3 + ' 0' * 37)
        told = {'EventLoopFrozen', 'EventLoopLatencyHigh', 'EventLoopUtilizationHigh'}  # inhibit_rules.yml leaves the first
        self.assertEqual(set(self.firing(series, 25)), told)
        self.assertEqual(set(self.firing(series, 25, after=(20 + 39) * 15)), set())
        # Null control: the rules without their exceptions.
        rules = yaml.safe_load(RULES.read_text())
        for group in rules['groups']:
            for rule in group['rules']:
                if rule.get('alert', '').startswith('EventLoop'):
                    rule['expr'] = rule['expr'].split('unless')[0]
        changed = self.folder / 'changed.yml'
        changed.write_text(json.dumps(rules))
        self.assertEqual(set(self.firing(series, 25, changed, after=(20 + 39) * 15)),
                         {'EventLoopLatencyHigh', 'EventLoopLatencyP99High', 'EventLoopUtilizationHigh'})

    def frozen_under_the_daemonset(self, *more):
        """The labels and the description of EventLoopFrozen."""
        place = ', namespace="looptap-system", pod="looptap-x7z"'
        series = self.loop_series(' '.join(str(15 * i) for i in range(20)), place)
        series += [{'series': text, 'values': '1+0x20'} for text in more]
        said = self.run_tests([{'interval': '15s', 'input_series': series, 'alert_rule_test': [
            {'eval_time': '2m', 'alertname': 'EventLoopFrozen', 'exp_alerts': []}]}])[1]
        labels = dict(re.findall(r'(\w+)="([^"]*)"', re.search(r'got:.*?Labels:\{(.*?)\}', said, re.S)[1]))
        return labels, re.search(r'description="(.*?)"', said)[1]

    def test_under_the_daemonset_the_pod_is_that_of_the_process(self):
        info = ('looptap_target_info{job="looptap", instance="host", process="sync", pid="1", container_id="c", '
                'namespace="looptap-system", pod="looptap-x7z", pod_uid="%s"}')
        states = ['kube_pod_info{job="kube-state-metrics", instance="%s", namespace="shop", pod="web-1", uid="u1"}' % instance
                  for instance in ('a', 'b')]
        labels, text = self.frozen_under_the_daemonset(info % 'u1', *states)
        self.assertEqual([labels[name] for name in ('target_namespace', 'target_pod', 'pod_uid', 'pod')],
                         ['shop', 'web-1', 'u1', 'looptap-x7z'])
        self.assertTrue(text.startswith('Pod shop/web-1: sync (pid 1'), text)
        labels, text = self.frozen_under_the_daemonset(info % 'u1')  # no kube-state-metrics
        self.assertEqual((labels['pod_uid'], 'target_pod' in labels), ('u1', False))
        self.assertTrue(text.startswith('Pod looptap-system/looptap-x7z (the process is in the pod with the uid u1): sync'), text)
        # Null control: a process in no pod.
        labels, text = self.frozen_under_the_daemonset(info % '', *states)
        self.assertNotIn('pod_uid', labels)
        self.assertTrue(text.startswith('Pod looptap-system/looptap-x7z: sync'), text)

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
