"""One frozen loop is one page: a real Alertmanager with the inhibit rules that are shipped."""

import http.server
import json
import threading
import urllib.request
import unittest

from e2e.harness import ROOT, LooptapTest, find_program, says_ready, wait_until
from e2e.test_alert_rules import expected_alerts

try:
    import yaml
except ImportError:
    raise unittest.SkipTest('needs Python\'s yaml (python3-yaml)') from None

INHIBIT_RULES = ROOT / 'deploy/prometheus/inhibit_rules.yml'


class Pager:
    """A webhook that keeps what Alertmanager sends."""

    def __init__(self, test):
        self.pages = pages = []  # of firing alerts: (name, process)

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers['Content-Length'])))
                pages.extend((alert['labels']['alertname'], alert['labels']['process'])
                             for alert in body['alerts'] if alert['status'] == 'firing')
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
        self.url = f'http://127.0.0.1:{server.server_port}/'
        threading.Thread(target=server.serve_forever, daemon=True).start()
        test.addCleanup(server.server_close)
        test.addCleanup(server.shutdown)


def labels_of(process, *names):
    """Of the alerts with which the rules answer to the recorded programs; test_alert_rules holds them."""
    found = {}
    for test in expected_alerts():
        for alert in test['exp_alerts']:
            if test['alertname'] in names and alert['exp_labels'].get('process') == process:
                found[test['alertname']] = {**alert['exp_labels'], 'alertname': test['alertname']}
    assert set(found) == set(names), found
    return list(found.values())


class Alertmanager(LooptapTest):

    def start_alertmanager(self, rules):
        program = find_program('prometheus-alertmanager')
        self.pager = Pager(self)
        configuration = self.folder / 'alertmanager.yml'
        # Each alert is a notification of its own.
        configuration.write_text(json.dumps({
            'route': {'receiver': 'pager', 'group_by': ['...'], 'group_wait': '1s', 'group_interval': '1s'},
            'receivers': [{'name': 'pager', 'webhook_configs': [{'url': self.pager.url}]}], **rules}))
        _, self.port = self.start_on_a_free_port(
            lambda port: [program, f'--config.file={configuration}', f'--storage.path={self.folder / "data"}',
                          f'--web.listen-address=127.0.0.1:{port}', '--cluster.listen-address='],
            lambda _, port: says_ready(port))

    def fire(self, alerts):
        body = json.dumps([{'labels': labels} for labels in alerts]).encode()
        post = urllib.request.Request(f'http://127.0.0.1:{self.port}/api/v2/alerts', body,
                                      {'Content-Type': 'application/json'})
        urllib.request.urlopen(post, timeout=20).close()

    def pages_of(self, rules, frozen):
        """The pages for what the rules fire for the worker, which is frozen, and for other programs."""
        self.start_alertmanager(rules)
        self.fire(labels_of('worker', frozen, 'EventLoopLatencyHigh', 'EventLoopUtilizationHigh'))
        wait_until(lambda: (frozen, 'worker') in self.pager.pages, 'there is a page for the frozen loop')
        # What comes later is told later: then nothing of the worker is under way any more.
        self.fire(labels_of('checkout', 'EventLoopLatencyHigh') + labels_of('feed', 'EventLoopUtilizationHigh'))
        wait_until(lambda: {process for _, process in self.pager.pages} == {'worker', 'checkout', 'feed'},
                   'there are pages for the others')
        return sorted(name for name, process in self.pager.pages if process == 'worker')

    def test_one_frozen_loop_is_one_page(self):
        self.assertEqual(self.pages_of(yaml.safe_load(INHIBIT_RULES.read_text()), 'EventLoopFrozen'), ['EventLoopFrozen'])

    def test_one_that_is_away_for_long_is_one_page(self):
        self.assertEqual(self.pages_of(yaml.safe_load(INHIBIT_RULES.read_text()), 'EventLoopAway'), ['EventLoopAway'])

    def test_without_the_rules_it_is_several(self):
        self.assertEqual(self.pages_of({}, 'EventLoopFrozen'),
                         ['EventLoopFrozen', 'EventLoopLatencyHigh', 'EventLoopUtilizationHigh'])
