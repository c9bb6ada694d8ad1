"""Clients that are idle, slow, many or mad: a scrape beside them is answered within a second."""

import os
import socket
import struct
import threading
import time

from e2e.harness import DEADLINE, PLAIN_EPOLL, PROBE, LooptapTest, request, wait_until

needs = ('time',)  # a scrape beside mad clients takes at most a second

MOST_SECONDS = 1
PID = 28  # in the header of a segment, see preload/segment_layout.h


class Clients(LooptapTest):

    def setUp(self):
        super().setUp()
        self.run_program([PLAIN_EPOLL, '5'], preload=[PROBE])
        self.make_more_loops()
        self.metrics = self.serve('--segments.linger=10m')
        self.metrics.scrape()

    def make_more_loops(self):
        pass

    def connect(self):
        connection = socket.create_connection(('127.0.0.1', self.metrics.port), DEADLINE)
        self.addCleanup(connection.close)
        return connection

    def answer_to(self, text):
        """What the exporter says until it hangs up; b'' where it only hangs up."""
        connection = self.connect()
        try:
            connection.sendall(text)
            return b''.join(iter(lambda: connection.recv(65536), b''))
        except (ConnectionResetError, BrokenPipeError):
            return b''

    def scrape_seconds(self):
        """The longest of a few scrapes."""
        longest = 0
        for _ in range(3):
            start = time.monotonic()
            self.assertEqual(self.metrics.request('/metrics').status, 200)
            longest = max(longest, time.monotonic() - start)
        return longest

    def assert_is_well(self):
        self.assertLessEqual(self.scrape_seconds(), MOST_SECONDS)
        self.assertIsNone(self.metrics.program.process.poll(), self.metrics.program)

    def test_nobody_else(self):
        self.assert_is_well()

    def test_20_readers_that_do_not_read(self):
        for _ in range(20):
            connection = self.connect()
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            connection.sendall(b'GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n')
        self.assert_is_well()

    def test_30_scrapes_at_once(self):
        seconds, failures = [], []

        def scrape():
            start = time.monotonic()
            try:
                status = request(self.metrics.port, '/metrics').status
                if status != 200:
                    failures.append(status)
            except OSError as error:
                failures.append(repr(error))
            seconds.append(time.monotonic() - start)

        threads = [threading.Thread(target=scrape) for _ in range(30)]
        for thread in threads:
            thread.start()
        self.assertLessEqual(self.scrape_seconds(), MOST_SECONDS)
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])
        self.assertEqual(len(seconds), 30)


class ClientsOfALargeBody(Clients):
    """The same, where an answer is larger than all buffers between the exporter and a reader that does not read."""

    LOOPS = 300

    def make_more_loops(self):
        [good] = self.segments.iterdir()
        content = bytearray(good.read_bytes()[:40_000])  # the header and the first loop
        for pid in range(1, self.LOOPS):
            struct.pack_into('=I', content, PID, pid)
            copy = self.segments / f'copy-{pid}'
            copy.write_bytes(content)
            os.truncate(copy, good.stat().st_size)

    def test_is_large(self):
        body = self.metrics.request('/metrics').body
        self.assertGreater(len(body), self.LOOPS * 5000)


class HostileHttp(Clients):

    def test_60_idle_connections(self):
        for _ in range(60):
            self.connect()
        self.assert_is_well()

    def test_60_half_requests(self):
        for _ in range(60):
            self.connect().sendall(b'GET /metrics HTTP/1.1\r\nHost: x\r\nX-Half: ')
        self.assert_is_well()

    def test_giant_headers(self):
        for text in (b'GET /metrics HTTP/1.1\r\nHost: x\r\nX: ' + b'a' * 1_000_000 + b'\r\n\r\n',
                     b'GET /' + b'a' * 1_000_000 + b' HTTP/1.1\r\nHost: x\r\n\r\n',
                     b'GET /metrics HTTP/1.1\r\nHost: x\r\n' + b'X: y\r\n' * 100_000 + b'\r\n'):
            answer = self.answer_to(text)
            self.assertNotIn(b' 200 ', answer[:20])
        self.assert_is_well()

    def test_header_of_usual_size(self):
        answer = self.answer_to(b'GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX: '
                                + b'a' * 1000 + b'\r\n\r\n')
        self.assertTrue(answer.startswith(b'HTTP/1.1 200 '), answer[:100])

    def test_requests_that_are_none(self):
        for text in (b'\r\n\r\n', b'\0' * 100 + b'\r\n\r\n', b'GET\r\n\r\n', b'GET /metrics\r\n\r\n',
                     b'GET /metrics HTTP/9.9\r\n\r\n', b'get /metrics HTTP/1.1\r\nHost: x\r\n\r\n',
                     b'GET http://[::1 HTTP/1.1\r\nHost: x\r\n\r\n',
                     b'GET /metrics HTTP/1.1\r\nContent-Length: -1\r\n\r\n',
                     b'POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\nx'):
            answer = self.answer_to(text)
            # It may hang up, and it may refuse.
            self.assertFalse(answer.startswith(b'HTTP/1.1 5') and b' 505 ' not in answer[:20], answer[:100])
        self.assert_is_well()

    def test_paths_outside(self):
        for path in '/../../etc/passwd', '/metrics/../../etc/passwd', '/%2e%2e/etc/passwd', '/metrics%2f':
            status = request(self.metrics.port, path).status
            self.assertIn(status, (400, 404), path)

    def test_other_methods(self):
        for method in 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH':
            response = self.metrics.request('/metrics', method)
            self.assertEqual((method, response.status), (method, 405))

    def test_method_that_is_allowed(self):
        self.assertEqual(self.metrics.request('/metrics').status, 200)

    def test_descriptors_are_given_back(self):
        def descriptors():
            return len(os.listdir(f'/proc/{self.metrics.program.pid}/fd'))

        before = descriptors()
        for _ in range(200):
            self.answer_to(b'nonsense\r\n\r\n')
        wait_until(lambda: descriptors() <= before + 2, 'the connections are closed')
