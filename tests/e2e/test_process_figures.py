"""What /proc says of a process is shown beside its loops, and only the right process' figures."""

import os

from e2e.harness import PROBE, PYTHON, LooptapTest, require_mount_namespaces, require_root, wait_until

BURNS = """
import asyncio, os, time
async def main():
    end = time.process_time() + 0.5
    while time.process_time() < end:
        await asyncio.sleep(0)
    print("burnt", flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""


class ProcessFigures(LooptapTest):

    def setUp(self):
        super().setUp()
        self.metrics = self.serve()

    def test_cpu_memory_and_start_are_those_of_the_process(self):
        program = self.start([PYTHON, '-c', BURNS], [PROBE])
        wait_until(lambda: 'burnt' in program.out, 'it has burnt half a second of CPU')
        scrape = self.metrics.scrape()
        pid = str(program.pid)
        self.assertGreaterEqual(scrape.value('eventloop_process_cpu_seconds_total', pid=pid), 0.45)
        pages = int(open(f'/proc/{pid}/statm').read().split()[1])
        self.assertAlmostEqual(scrape.value('eventloop_process_resident_memory_bytes', pid=pid),
                               pages * os.sysconf('SC_PAGESIZE'), delta=4 << 20)
        self.assertAlmostEqual(scrape.value('eventloop_process_start_time_seconds', pid=pid),
                               os.stat(f'/proc/{pid}').st_ctime, delta=5)
        self.assertGreaterEqual(scrape.value('eventloop_thread_cpu_seconds_total', pid=pid), 0.45)
        self.assertGreaterEqual(scrape.value('eventloop_thread_runqueue_seconds_total', pid=pid), 0)
        self.assertEqual(scrape.value('eventloop_process_info', pid=pid,
                                      pid_namespace=str(os.stat('/proc/self/ns/pid').st_ino)), 1)

    def test_process_in_another_pid_namespace_is_found_by_its_inner_number(self):
        require_root('unshare --pid')
        require_mount_namespaces()
        program = self.start(['unshare', '--pid', '--fork', '--mount-proc', '--kill-child',
                              PYTHON, '-c', BURNS], [PROBE])
        wait_until(lambda: 'burnt' in program.out, 'it has burnt half a second of CPU')
        scrape = self.metrics.scrape()
        self.assertEqual(scrape.label_values('pid'), {'1'})
        self.assertGreaterEqual(scrape.value('eventloop_process_cpu_seconds_total', pid='1'), 0.45)
        self.assertGreaterEqual(scrape.value('eventloop_thread_cpu_seconds_total', pid='1'), 0.45)

    def test_dead_processes_have_no_figures(self):
        program = self.start([PYTHON, '-c', BURNS], [PROBE])
        wait_until(lambda: self.metrics.scrape().find('eventloop_thread_cpu_seconds_total'), 'it is found')
        program.process.kill()
        program.wait()
        scrape = self.metrics.scrape()
        self.assertEqual(len(scrape.find('eventloop_waits_total')), 1)
        self.assertEqual(scrape.find('eventloop_process_cpu_seconds_total'), [])
        self.assertEqual(scrape.find('eventloop_process_info'), [])
