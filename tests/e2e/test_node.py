"""An unmodified node HTTP server, driven by wrk."""

from e2e.driven_server import DrivenServer
from e2e.harness import COUNT_WAITS, PROBE, PROGRAMS, LooptapTest, find_program, wait_until


class Node(DrivenServer, LooptapTest):

    process = 'node'
    events = 100

    def drive(self, preload):
        """A server that wrk has driven, still running."""
        node, wrk = find_program('node'), find_program('wrk')
        server = self.start([node, PROGRAMS / 'http_server.js'], preload)
        wait_until(lambda: server.out.endswith('\n') or server.process.poll() is not None,
                   f'{server} listens')
        self.assertIsNone(server.process.poll(), server)
        driven = self.run_program(
            [wrk, '-t', '1', '-c', '8', '-d', '1', f'http://127.0.0.1:{server.out.strip()}/'])
        self.assertEqual(driven.wait(), 0, driven)
        return server

    def test_waits_equal_the_calls(self):
        metrics = self.serve()
        server = self.drive([PROBE, COUNT_WAITS])
        scrape, returned = self.at_rest(metrics)
        self.assertGreater(returned, 100)
        self.assertEqual(scrape.total('eventloop_waits_total', pid=str(server.pid)), returned)

    def test_final_waits_of_a_killed_server_equal_the_calls(self):
        metrics = self.serve()
        server = self.drive([PROBE, COUNT_WAITS])
        self.at_rest(metrics)
        server.stop()
        scrape = metrics.scrape()
        self.assertEqual(scrape.value('looptap_processes', state='ended'), 1)
        self.assertEqual(scrape.total('eventloop_waits_total'), self.returned_waits())
