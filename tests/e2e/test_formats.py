"""The formats of /metrics, as a scraper's Accept header asks for them."""

import gzip

from e2e.harness import PLAIN_EPOLL, PROBE, LooptapTest

OPENMETRICS = 'application/openmetrics-text; version=1.0.0; charset=utf-8'
PROTOBUF = ('application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; '
            'encoding=delimited')


class Formats(LooptapTest):

    def setUp(self):
        super().setUp()
        self.run_program([PLAIN_EPOLL, '5'], preload=[PROBE])
        self.metrics = self.serve()

    def fetch(self, **headers):
        return self.metrics.request('/metrics', headers={name.replace('_', '-'): value
                                                         for name, value in headers.items()})

    def test_text_is_what_anybody_gets(self):
        answer = self.fetch()
        self.assertEqual(answer.headers['Content-Type'], 'text/plain; version=0.0.4; charset=utf-8')
        self.assertIn(b'\neventloop_waits_total{', answer.body)
        self.assertIn(b'le="1.0"', answer.body)
        self.assertNotIn(b'# EOF', answer.body)

    def test_openmetrics_has_an_end(self):
        answer = self.fetch(Accept='application/openmetrics-text;version=1.0.0,text/plain;q=0.5')
        self.assertEqual(answer.headers['Content-Type'], OPENMETRICS)
        self.assertTrue(answer.body.endswith(b'\n# EOF\n'))
        self.assertIn(b'# TYPE eventloop_waits counter\n', answer.body)

    def test_protobuf_is_for_those_who_ask(self):
        answer = self.fetch(Accept=PROTOBUF + ';q=0.9, text/plain;q=0.5')
        self.assertEqual(answer.headers['Content-Type'], PROTOBUF)
        self.assertIn(b'eventloop_latency_seconds', answer.body)

    def test_gzip_holds_the_same(self):
        answer = self.fetch(Accept_Encoding='gzip')
        self.assertEqual(answer.headers['Content-Encoding'], 'gzip')
        self.assertIn(b'\neventloop_waits_total{', gzip.decompress(answer.body))

    def test_no_gzip_unasked(self):
        self.assertIsNone(self.fetch().headers['Content-Encoding'])
