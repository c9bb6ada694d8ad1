"""Real programs, frozen in their own ways, are seen while they are."""

import signal
import socket

from e2e.harness import (PLAIN_EPOLL, PROBE, PROGRAMS, LooptapTest, find_program, free_port, wait_until)


class FrozenPrograms(LooptapTest):

    def blocked(self, metrics, **labels):
        return [value for _, value in metrics.scrape().find('eventloop_blocked_seconds', **labels)]

    def wait_until_blocked(self, metrics, **labels):
        wait_until(lambda: max(self.blocked(metrics, **labels), default=0) > 0.5, 'it is blocked')

    def test_node_that_spins(self):
        metrics = self.serve()
        script = "setTimeout(() => { console.log('spins'); for (;;) {} }, 300)"
        node = self.start([find_program('node'), '-e', script], [PROBE])
        wait_until(lambda: 'spins' in node.out, 'node spins')
        self.wait_until_blocked(metrics, process='node')
        self.assertGreaterEqual(metrics.scrape().total('eventloop_stalls_total', process='node'), 1)

    def test_node_that_idles_is_not_blocked(self):
        metrics = self.serve()
        script = "setInterval(() => {}, 1000); console.log('idles')"
        node = self.start([find_program('node'), '-e', script], [PROBE])
        wait_until(lambda: 'idles' in node.out, 'node idles')
        wait_until(lambda: metrics.scrape().total('eventloop_waits_total', process='node') >= 2, 'it waits')
        self.assertEqual(max(self.blocked(metrics, process='node')), 0)

    def test_redis_that_sleeps(self):
        metrics = self.serve()
        port = free_port()
        self.start([find_program('redis-server'), '--port', str(port), '--save', '', '--bind', '127.0.0.1',
                    '--enable-debug-command', 'yes'], [PROBE])

        def connected():
            try:
                return socket.create_connection(('127.0.0.1', port), timeout=5)
            except OSError:
                return None

        with wait_until(connected, 'redis answers') as connection:
            wait_until(lambda: self.blocked(metrics, process='redis-server') == [0], 'redis waits')
            connection.sendall(b'DEBUG SLEEP 3\r\n')
            self.wait_until_blocked(metrics, process='redis-server')


class StoppedPrograms(LooptapTest):
    """SIGSTOP finds a program inside its wait."""

    def setUp(self):
        super().setUp()
        self.metrics = self.serve()

    def blocked(self):
        return self.metrics.scrape().value('eventloop_blocked_seconds')

    def stop_and_go(self, program):
        wait_until(lambda: self.metrics.scrape().find('eventloop_blocked_seconds'), 'it is measured')
        wait_until(lambda: self.blocked() == 0, 'it waits')
        program.process.send_signal(signal.SIGSTOP)
        wait_until(lambda: self.blocked() > 0.5, 'it is blocked')
        program.process.send_signal(signal.SIGCONT)
        wait_until(lambda: self.blocked() == 0, 'it is not blocked any more')

    def test_wait_with_a_timeout(self):
        self.stop_and_go(self.start([PLAIN_EPOLL, '100000'], [PROBE]))

    def test_wait_without_a_timeout(self):
        self.stop_and_go(self.start(['/usr/bin/python3', PROGRAMS / 'waits_for_ever.py'], [PROBE]))

    def test_wait_without_a_timeout_that_is_not_stopped(self):
        self.start(['/usr/bin/python3', PROGRAMS / 'waits_for_ever.py'], [PROBE])
        wait_until(lambda: self.metrics.scrape().total('eventloop_wait_seconds_total') > 1, 'it waits')
        self.assertEqual(self.blocked(), 0)
