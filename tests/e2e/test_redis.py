"""An unmodified redis-server, driven by redis-benchmark."""

from e2e.harness import COUNT_WAITS, PROBE, LooptapTest, find_program, free_port, wait_until


class Redis(LooptapTest):

    def drive(self, preload):
        """A server that redis-benchmark has driven, still running."""
        redis, benchmark = find_program('redis-server'), find_program('redis-benchmark')
        for _ in range(3):  # somebody else may take the port first
            port = free_port()
            server = self.start([redis, '--bind', '127.0.0.1', '--port', port, '--save', '',
                                 '--appendonly', 'no', '--dir', self.folder], preload)
            wait_until(lambda: 'eady to accept connections' in server.out
                       or server.process.poll() is not None, f'{server} is ready')
            if server.process.poll() is None:
                break
        driven = self.run_program([benchmark, '-h', '127.0.0.1', '-p', port, '-c', '10',
                                   '-n', '20000', '-q', '-t', 'set'])
        self.assertEqual(driven.wait(), 0, driven)
        return server

    def test_has_a_series_with_its_name_and_pid(self):
        metrics = self.serve()
        server = self.drive([PROBE])
        scrape = metrics.scrape()
        self.assertEqual(scrape.label_values('process'), {'redis-server'})
        self.assertEqual(scrape.label_values('pid'), {str(server.pid)})
        self.assertGreaterEqual(scrape.total('eventloop_events_total'), 20000)

    def test_without_the_probe_has_no_series(self):
        metrics = self.serve()
        server = self.drive([COUNT_WAITS])
        self.assertGreater(self.returned_waits(server.pid), 100)
        self.assert_no_loops(metrics)

    def test_waits_equal_the_calls(self):
        metrics = self.serve()
        server = self.drive([PROBE, COUNT_WAITS])
        # Its timer never rests, so the figures are compared once it has ended.
        self.assertEqual(server.stop(), 0, server)
        returned = self.returned_waits(server.pid)
        self.assertGreater(returned, 100)
        self.assertEqual(metrics.scrape().total('eventloop_waits_total', process='redis-server'),
                         returned)
