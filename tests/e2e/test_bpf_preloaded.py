"""eBPF skips preloaded processes whose segment is where the exporter does not look, as in a pod with a sidecar."""

import os
import subprocess

from e2e.bpf_test import BpfTest
from e2e.harness import PROBE, PROGRAMS, PYTHON, SHARED_MEMORY, find_program, make_folder, wait_until
from e2e.own_records import VictimTest

needs = ('bpf',)


# Of the PID namespace in which a machine starts.
FIRST_PID_NAMESPACE = 0xEFFFFFFC


def skipped(metrics):
    return metrics.scrape().value('looptap_bpf_skipped_processes_total', reason='preloaded_elsewhere')


class Preloaded(BpfTest, VictimTest):

    def setUp(self):
        if os.stat('/proc/self/ns/pid').st_ino != FIRST_PID_NAMESPACE:
            self.skipTest('in a PID namespace of its own looptap does not find segments elsewhere (docs/ebpf.md)')
        super().setUp()

    def ticks(self, *command, preload=(PROBE,), **variables):
        """asyncio, which ticks a thousand times a second, with a segment directory of its own: as in a pod."""
        elsewhere = make_folder(self, SHARED_MEMORY, 0o1777)
        program = self.start(command or [PYTHON, PROGRAMS / 'asyncio_ticks.py', '1000000'],
                             environment=self.environment(preload, **{'LOOPTAP_DIR': str(elsewhere), **variables}),
                             stdin=subprocess.PIPE)
        program.segments = elsewhere
        return program

    def wait_until_measured(self, metrics, *programs):
        for program in programs:
            wait_until(lambda: metrics.scrape().total('eventloop_waits_total', pid=str(program.pid)) > 10,
                       f'{program} is measured')

    def wait_until_skipped(self, metrics, count):
        wait_until(lambda: skipped(metrics) == count, f'{count} are skipped')

    def assert_unseen(self, metrics, *programs):
        for program in programs:
            self.assertTrue(list(program.segments.iterdir()), 'it has a segment')
            for name in 'eventloop_waits_total', 'eventloop_process_info':
                self.assertEqual(metrics.scrape().find(name, pid=str(program.pid)), [])

    def test_that_run_already(self):
        preloaded = [self.ticks(), self.ticks()]
        others = [self.ticks(preload=()), self.ticks(LOOPTAP_DISABLE='1')]
        for each in preloaded:
            wait_until(lambda: list(each.segments.iterdir()), 'it has a segment')
        metrics = self.measure()
        self.wait_until_measured(metrics, *others)
        self.wait_until_skipped(metrics, 2)
        self.assert_unseen(metrics, *preloaded)

    def test_that_come_later_with_all(self):
        metrics = self.measure(targets=['all'])
        skipped_before = skipped(metrics)
        preloaded, bare, disabled = self.ticks(), self.ticks(preload=()), self.ticks(LOOPTAP_DISABLE='1')
        self.wait_until_measured(metrics, bare, disabled)
        wait_until(lambda: skipped(metrics) > skipped_before, 'one is skipped')
        self.assert_unseen(metrics, preloaded)

    def test_one_whose_probe_can_make_no_segment_is_measured(self):
        metrics = self.measure()
        nowhere = self.ticks(LOOPTAP_DIR='/proc/looptap')
        self.wait_until_measured(metrics, nowhere)
        self.assertEqual(skipped(metrics), 0)

    def test_one_that_first_waits_in_a_way_that_no_probe_sees(self):
        metrics = self.measure()
        program = self.ticks(PYTHON, '-c', RAW_WAITS_FIRST)
        self.wait_until_measured(metrics, program)
        self.assertEqual(skipped(metrics), 0)
        program.say('')
        self.wait_until_skipped(metrics, 1)
        self.assert_unseen(metrics, program)

    def test_one_that_execs_something_without_the_probe_is_measured_then(self):
        metrics = self.measure()
        unloads = ('import asyncio, os, sys\n'
                   'async def main():\n'
                   ' asyncio.get_running_loop().add_reader(0, told.set)\n'
                   ' while not told.is_set(): await asyncio.sleep(0.001)\n'
                   'told = asyncio.Event()\n'
                   'asyncio.run(main())\n'
                   'del os.environ["LD_PRELOAD"]\n'
                   'os.execv(sys.argv[1], sys.argv[1:])\n')
        program = self.ticks(PYTHON, '-c', unloads, PYTHON, PROGRAMS / 'asyncio_ticks.py', '1000000')
        self.wait_until_skipped(metrics, 1)
        self.assert_unseen(metrics, program)
        program.say('')
        self.wait_until_measured(metrics, program)

    def test_one_that_is_named_by_its_pid_is_measured(self):
        preloaded, other = self.ticks(), self.ticks()
        metrics = self.measure(targets=[f'pid:{preloaded.pid}', f'cgroup:{self.cgroup}'])
        self.wait_until_measured(metrics, preloaded)
        self.wait_until_skipped(metrics, 1)
        self.assert_unseen(metrics, other)

    def test_are_measured_if_that_is_asked_for(self):
        preloaded = self.ticks()
        metrics = self.measure('--bpf.include-preloaded')
        self.wait_until_measured(metrics, preloaded)
        self.assertEqual(skipped(metrics), 0)

    def test_forked_children(self):
        metrics = self.measure()
        forks = ('import asyncio, os\n'
                 'async def main():\n'
                 ' for _ in range(1000000): await asyncio.sleep(0.001)\n'
                 'for _ in range(2): os.fork()\n'
                 'asyncio.run(main())\n')
        program = self.ticks(PYTHON, '-c', forks)
        self.wait_until_skipped(metrics, 4)
        self.assertEqual(len(list(program.segments.iterdir())), 4)
        self.assertEqual(metrics.scrape().find('eventloop_waits_total'), [])

    def test_in_a_pid_namespace_of_its_own(self):
        unshare = find_program('unshare')
        if subprocess.run([unshare, '--pid', '--fork', '--mount-proc', 'true']).returncode:
            self.skipTest('no PID namespaces here')
        contained = unshare, '--pid', '--fork', '--kill-child', '--mount-proc', PYTHON, PROGRAMS / 'asyncio_ticks.py'
        metrics = self.measure()
        program, other = self.ticks(*contained, '1000000'), self.ticks(*contained, '1000000', preload=())
        wait_until(lambda: metrics.scrape().total('eventloop_waits_total', pid='1') > 10, 'the other is measured')
        self.wait_until_skipped(metrics, 1)
        self.assertEqual(len(metrics.scrape().find('eventloop_waits_total')), 1)
        self.assertIsNone(program.process.poll() or other.process.poll())


# Waits by the numbers of the calls, which the probe does not see, until it is told to go on as others do.
RAW_WAITS_FIRST = """
import ctypes, os, select, sys, threading
create, wait = {'x86_64': (291, 281), 'aarch64': (20, 22)}[os.uname().machine]  # epoll_create1, epoll_pwait
libc = ctypes.CDLL(None)
told = threading.Event()
threading.Thread(target=lambda: (sys.stdin.readline(), told.set()), daemon=True).start()
instance, events = libc.syscall(create, 0), ctypes.create_string_buffer(12)
while not told.is_set():
    libc.syscall(wait, instance, events, 1, 1, None, 8)
epoll = select.epoll()
while True:
    epoll.poll(0.001)
"""
