"""The exporter's pages, and its end."""

import os
import re
import signal
import socket
import time

from e2e.harness import DEADLINE, LooptapTest, wait_until

needs = ('time',)  # the exporter ends within a second


class Pages(LooptapTest):

    def setUp(self):
        super().setUp()
        self.metrics = self.serve()

    def test_metrics_are_the_text_format(self):
        response = self.metrics.request('/metrics')
        self.assertEqual(response.status, 200)
        self.assertEqual(response.headers['Content-Type'],
                         'text/plain; version=0.0.4; charset=utf-8')
        self.assertIn(b'looptap_build_info{', response.body)

    def test_healthy(self):
        self.assertEqual(self.metrics.request('/-/healthy').status, 200)

    def test_ready(self):
        self.assertEqual(self.metrics.request('/-/ready').status, 200)

    def test_landing_page_links_to_the_metrics(self):
        response = self.metrics.request('/')
        self.assertEqual(response.status, 200)
        self.assertIn('text/html', response.headers['Content-Type'])
        self.assertIn(b'href="/metrics"', response.body)

    def test_unknown_path_is_not_found(self):
        for path in '/nonsense', '/metrics/nonsense', '/metricsfoo':
            self.assertEqual(self.metrics.request(path).status, 404, path)

    def test_query_does_not_matter(self):
        self.assertEqual(self.metrics.request('/metrics?name[]=x').status, 200)

    def test_post_is_not_allowed(self):
        response = self.metrics.request('/metrics', 'POST')
        self.assertEqual(response.status, 405)
        self.assertIn('GET', response.headers['Allow'])

    def test_head_has_no_body(self):
        # By hand: http.client would not read a body that should not be there.
        with socket.create_connection(('127.0.0.1', self.metrics.port), DEADLINE) as connection:
            connection.sendall(b'HEAD /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
            answer = b''.join(iter(lambda: connection.recv(65536), b''))
        head, _, body = answer.partition(b'\r\n\r\n')
        self.assertTrue(head.startswith(b'HTTP/1.1 200 '), head)
        self.assertEqual(body, b'')

    def test_garbage_stops_nothing(self):
        with socket.create_connection(('127.0.0.1', self.metrics.port), DEADLINE) as connection:
            connection.sendall(b'\x16\x03\x01\x00nonsense\r\n\r\n')
            while connection.recv(65536):
                pass
        self.assertEqual(self.metrics.request('/-/healthy').status, 200)

    def test_idle_clients_do_not_keep_others_waiting(self):
        idle = [socket.create_connection(('127.0.0.1', self.metrics.port)) for _ in range(6)]
        for connection in idle:
            self.addCleanup(connection.close)
        start = time.monotonic()
        self.assertEqual(self.metrics.request('/metrics').status, 200)
        self.assertLess(time.monotonic() - start, 2.5, 'it has waited for the idle ones')

    def test_two_addresses_serve_both(self):
        exporter = self.serve('--web.listen-address=127.0.0.2:0').program
        for host in '127.0.0.1', '127.0.0.2':
            found = wait_until(lambda: re.search(f'http://{host}:(\\d+)/', exporter.err),
                               f'{exporter} prints where it serves')
            with socket.create_connection((host, int(found[1])), DEADLINE):
                pass


class End(LooptapTest):

    def assert_ends_within_a_second(self, number, prepare=lambda metrics: None):
        for tries_left in 1, 0:
            metrics = self.serve()
            metrics.scrape()
            prepare(metrics)
            start = time.monotonic()
            status = metrics.program.stop(number)
            seconds = time.monotonic() - start
            self.assertEqual(status, 0, metrics.program)
            # On a machine that has more to do than it can, once more.
            if seconds <= 1 or not tries_left or os.getloadavg()[0] < os.cpu_count():
                break
        self.assertLessEqual(seconds, 1)

    def connect(self, metrics):
        connection = socket.create_connection(('127.0.0.1', metrics.port))
        self.addCleanup(connection.close)
        return connection

    def test_sigterm_ends_it(self):
        self.assert_ends_within_a_second(signal.SIGTERM)

    def test_sigint_ends_it(self):
        self.assert_ends_within_a_second(signal.SIGINT)

    def test_sigterm_ends_it_while_a_client_is_idle(self):
        self.assert_ends_within_a_second(signal.SIGTERM, self.connect)

    def test_sigterm_ends_it_in_the_middle_of_a_request(self):
        self.assert_ends_within_a_second(
            signal.SIGTERM, lambda metrics: self.connect(metrics).sendall(b'GET /metrics HTT'))
