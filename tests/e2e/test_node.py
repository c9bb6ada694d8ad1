"""An unmodified node HTTP server, driven by wrk."""

from e2e.harness import COUNT_WAITS, PROBE, PROGRAMS, LooptapTest, find_program, wait_until


class Node(LooptapTest):

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

    def test_has_a_series_with_its_name_and_pid(self):
        metrics = self.serve()
        server = self.drive([PROBE])
        scrape = metrics.scrape()
        self.assertEqual(scrape.label_values('process'), {'node'})
        self.assertEqual(scrape.label_values('pid'), {str(server.pid)})
        self.assertGreater(scrape.total('eventloop_events_total'), 100)

    def test_without_the_probe_has_no_series(self):
        metrics = self.serve()
        server = self.drive([COUNT_WAITS])
        self.assertGreater(self.returned_waits(server.pid), 100)
        self.assert_no_loops(metrics)

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
