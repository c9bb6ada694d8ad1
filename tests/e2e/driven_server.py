"""What holds for any server with one loop, when a load generator has driven it."""

from e2e.harness import COUNT_WAITS, PROBE


class DrivenServer:
    """For a LooptapTest with drive(preload), which returns a server that is still running; its `process` label; and how
    many `events` it has had at least."""

    def test_has_a_series_with_its_name_and_pid(self):
        metrics = self.serve()
        server = self.drive([PROBE])
        scrape = metrics.scrape()
        self.assertEqual(scrape.label_values('process'), {self.process})
        self.assertEqual(scrape.label_values('pid'), {str(server.pid)})
        self.assertGreaterEqual(scrape.total('eventloop_events_total'), self.events)

    def test_without_the_probe_has_no_series(self):
        metrics = self.serve()
        server = self.drive([COUNT_WAITS])
        self.assertGreater(self.returned_waits(server.pid), 100)
        self.assert_no_loops(metrics)
