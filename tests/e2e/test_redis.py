"""An unmodified redis-server, driven by redis-benchmark."""

from e2e.driven_server import DrivenServer
from e2e.harness import COUNT_WAITS, PROBE, LooptapTest, find_program


class Redis(DrivenServer, LooptapTest):

    process = 'redis-server'
    events = 20000

    def drive(self, preload):
        """A server that redis-benchmark has driven, still running."""
        redis, benchmark = find_program('redis-server'), find_program('redis-benchmark')
        server, port = self.start_on_a_free_port(
            lambda port: [redis, '--bind', '127.0.0.1', '--port', port, '--save', '', '--appendonly', 'no',
                          '--dir', self.folder],
            lambda server, _: 'eady to accept connections' in server.out, preload)
        driven = self.run_program([benchmark, '-h', '127.0.0.1', '-p', port, '-c', '10',
                                   '-n', '20000', '-q', '-t', 'set'])
        self.assertEqual(driven.wait(), 0, driven)
        return server

    def test_waits_equal_the_calls(self):
        metrics = self.serve()
        server = self.drive([PROBE, COUNT_WAITS])
        # Its timer never rests, so the figures are compared once it has ended.
        self.assertEqual(server.stop(), 0, server)
        returned = self.returned_waits(server.pid)
        self.assertGreater(returned, 100)
        self.assertEqual(metrics.scrape().total('eventloop_waits_total', process='redis-server'),
                         returned)
