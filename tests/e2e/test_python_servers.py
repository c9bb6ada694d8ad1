"""Unmodified servers that fork their workers: gunicorn with uvicorn's, celery's prefork; and a GLib program."""

import signal
import subprocess
import unittest

from e2e.harness import (COUNT_WAITS, PROBE, PROGRAMS, PYTHON, LooptapTest, find_program, free_port,
                         request, wait_until)


def require_module(name):
    if subprocess.run([PYTHON, '-c', f'import {name}'], stderr=subprocess.DEVNULL).returncode:
        raise unittest.SkipTest(f"{PYTHON} has no module {name}")


class Gunicorn(LooptapTest):

    def start_server(self, preload):
        require_module('gunicorn')
        require_module('uvicorn')
        self.port = free_port()
        return self.start(
            [PYTHON, '-m', 'gunicorn', '-k', 'uvicorn.workers.UvicornWorker', '-w', '2', '--chdir', PROGRAMS,
             '-b', f'127.0.0.1:{self.port}', 'asgi_app:app'],
            environment=self.environment(preload, LOOPTAP_NAME='api'))

    def ask(self, path='/'):
        """The pid of the worker that has answered; None while there is none."""
        try:
            return request(self.port, path).body.decode()
        except OSError:
            return None

    def workers(self, count=2, without=frozenset()):
        pids = set()

        def seen():
            pids.add(self.ask())
            return len(pids - without - {None}) >= count
        wait_until(seen, f'{count} workers answer')
        return pids - {None}

    def test_each_worker_is_a_process_and_the_blocked_one_is_seen(self):
        metrics = self.serve('--stall.threshold=500ms')
        server = self.start_server((PROBE, COUNT_WAITS))
        workers = self.workers()
        blocked = self.ask('/block?800')
        scrape, counted = self.at_rest(metrics)
        self.assertEqual(scrape.label_values('pid', process='api'), workers)
        self.assertEqual({pid: scrape.value('eventloop_stalls_total', pid=pid) for pid in workers},
                         {pid: int(pid == blocked) for pid in workers})
        self.assertEqual(scrape.total('eventloop_waits_total'), counted)
        server.process.send_signal(signal.SIGTERM)
        self.assertEqual(server.wait(), 0, server)

    def test_workers_that_follow_others_are_new_processes(self):
        metrics = self.serve('--segments.linger=1s')
        server = self.start_server((PROBE,))
        before = self.workers()
        server.process.send_signal(signal.SIGHUP)
        after = self.workers(without=before) - before
        wait_until(lambda: metrics.scrape().label_values('pid', process='api') == after,
                   'only the new workers are shown')

    def test_works_without_the_probe(self):
        self.start_server(())
        self.assertEqual(len(self.workers()), 2)


class Celery(LooptapTest):

    def start_worker(self, preload):
        require_module('celery')
        require_module('redis')
        port = free_port()
        broker = self.start([find_program('redis-server'), '--port', str(port), '--bind', '127.0.0.1',
                             '--save', ''], cwd=self.folder)
        wait_until(lambda: 'Ready to accept' in broker.out, 'the broker is ready')
        self.variables = {'BROKER': f'redis://127.0.0.1:{port}/0'}
        worker = self.start([PYTHON, '-m', 'celery', '-A', 'celery_tasks', 'worker', '-l', 'info',
                             '-P', 'prefork', '-c', '2'], cwd=PROGRAMS,
                            environment=self.environment(preload, PYTHONDONTWRITEBYTECODE='1',
                                                         LOOPTAP_NAME='celery', **self.variables))
        wait_until(lambda: 'ready.' in worker.err or worker.process.poll() is not None, 'the worker is ready')
        self.assertIsNone(worker.process.poll(), worker)
        return worker

    def results(self):
        """The pids of the children that have done the work."""
        client = self.run_program([PYTHON, PROGRAMS / 'celery_tasks.py'], cwd=PROGRAMS,
                                  environment=self.environment(PYTHONDONTWRITEBYTECODE='1', **self.variables))
        self.assertEqual(client.wait(), 0, client)
        return client.out.split()

    def stops(self, worker):
        worker.process.send_signal(signal.SIGTERM)
        self.assertEqual(worker.wait(), 0, worker)

    def test_parent_loop_is_measured_and_not_blocked_by_its_childrens_work(self):
        metrics = self.serve('--stall.threshold=500ms')
        worker = self.start_worker((PROBE, COUNT_WAITS))
        stalls = metrics.scrape().value('eventloop_stalls_total', process='celery')
        children = self.results()
        self.assertEqual(len(children), 4)
        self.assertNotIn(str(worker.pid), children)
        scrape = metrics.scrape()
        self.assertEqual(scrape.label_values('pid'), {str(worker.pid)})
        self.assertEqual(scrape.value('eventloop_stalls_total'), stalls)
        self.assertGreater(scrape.value('eventloop_waits_total'), 0)
        self.stops(worker)
        final = metrics.scrape()
        self.assertEqual(final.value('eventloop_waits_total'), self.returned_waits(worker.pid))

    def test_works_without_the_probe(self):
        worker = self.start_worker(())
        self.assertEqual(len(self.results()), 4)
        self.stops(worker)


class GLib(LooptapTest):

    def run_loop(self, **variables):
        require_module('gi.repository.GLib')
        metrics = self.serve()
        program = self.run_program([PYTHON, PROGRAMS / 'glib_ticks.py'],
                                   environment=self.environment((PROBE,), **variables))
        self.assertEqual((program.wait(), program.out), (0, '30\n'), program)
        return metrics.scrape()

    def test_main_loop_is_measured_where_poll_is_asked_for(self):
        scrape = self.run_loop(LOOPTAP_WAITS='epoll,poll')
        self.assertEqual(scrape.value('eventloop_stalls_total'), 1)
        self.assertGreaterEqual(scrape.value('eventloop_waits_total'), 30)

    def test_main_loop_is_left_alone_otherwise(self):
        self.assertEqual(self.run_loop().find('eventloop_waits_total'), [])
