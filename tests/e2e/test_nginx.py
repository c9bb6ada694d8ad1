"""An unmodified nginx with two workers, driven by wrk."""

import re
import signal

from e2e.harness import COUNT_WAITS, PROBE, LooptapTest, find_program, free_port, request, wait_until
from e2e.nginx_configuration import write_configuration


def is_nginx(port):
    try:
        return request(port, '/').body == b'hello'
    except OSError:
        return False


class Nginx(LooptapTest):

    def drive(self, preload, **variables):
        """A server that wrk has driven, still running."""
        nginx, wrk = find_program('nginx'), find_program('wrk')
        port = free_port()
        path = write_configuration(self.folder, port, workers=2)
        server = self.start([nginx, '-e', 'stderr', '-p', self.folder, '-c', path],
                            environment=self.environment(preload, **variables))
        wait_until(lambda: is_nginx(port) or server.process.poll() is not None,
                   f'{server} answers')
        self.assertIsNone(server.process.poll(), server)
        driven = self.run_program([wrk, '-t', '1', '-c', '8', '-d', '1', f'http://127.0.0.1:{port}/'])
        self.assertEqual(driven.wait(), 0, driven)
        self.workers = set(re.findall(r'start worker process (\d+)', server.err))
        self.assertEqual(len(self.workers), 2, server)
        return server

    def test_has_one_name_and_the_pids_of_its_workers(self):
        metrics = self.serve()
        self.drive([PROBE])
        scrape = metrics.scrape()
        self.assertEqual(scrape.label_values('process'), {'nginx'})
        self.assertEqual(scrape.label_values('pid'), self.workers)

    def test_without_the_probe_has_no_series(self):
        metrics = self.serve()
        self.drive([COUNT_WAITS])
        self.assertGreater(self.returned_waits(), 100)
        self.assert_no_loops(metrics)

    def test_kill_switch_holds_though_nginx_clears_its_environment(self):
        self.drive([PROBE], LOOPTAP_DISABLE='1')
        for worker in self.workers:
            with open(f'/proc/{worker}/maps') as maps:
                mapped = {line.split(maxsplit=5)[-1].strip() for line in maps}
            self.assertIn(str(PROBE), mapped)
            self.assertEqual([file for file in mapped if file.startswith('/dev/shm/')], [])

    def test_waits_of_resting_workers_equal_the_calls(self):
        metrics = self.serve()
        self.drive([PROBE, COUNT_WAITS])
        scrape, _ = self.at_rest(metrics)
        for worker in self.workers:
            returned = self.returned_waits(worker)
            self.assertGreater(returned, 0)
            self.assertEqual(scrape.total('eventloop_waits_total', pid=worker), returned)

    def test_final_waits_of_ended_workers_equal_the_calls(self):
        metrics = self.serve()
        server = self.drive([PROBE, COUNT_WAITS])
        self.assertEqual(server.stop(signal.SIGQUIT), 0, server)
        scrape = metrics.scrape()
        for worker in self.workers:
            self.assertGreater(self.returned_waits(worker), 0)
            self.assertEqual(scrape.total('eventloop_waits_total', pid=worker),
                             self.returned_waits(worker))
