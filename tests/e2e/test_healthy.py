"""/-/healthy: false when the monitor hangs. One thread of the exporter is stopped by a tracer, as a hung file system would stop it."""

import ctypes
import os
import pathlib

from e2e.harness import LooptapTest, wait_until

PTRACE_SEIZE, PTRACE_INTERRUPT, PTRACE_DETACH = 0x4206, 0x4207, 17
WALL = 0x40000000
HANGS_SECONDS = 10  # MonitorThread::kHangs_ns

libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]


def ptrace(request, thread):
    if libc.ptrace(request, thread, None, None) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def thread_of(pid, name):
    [thread] = [int(task.name) for task in pathlib.Path(f'/proc/{pid}/task').iterdir()
                if (task / 'comm').read_text() == name + '\n']
    return thread


class Healthy(LooptapTest):

    def setUp(self):
        super().setUp()
        self.exporter = self.serve()

    def status(self):
        return self.exporter.request('/-/healthy').status

    def stop_thread(self, thread):
        try:
            ptrace(PTRACE_SEIZE, thread)
        except PermissionError as error:
            self.skipTest(f'ptrace is not allowed here: {error}')
        ptrace(PTRACE_INTERRUPT, thread)
        os.waitpid(thread, WALL)

    def test_it_is_while_the_monitor_runs(self):
        response = self.exporter.request('/-/healthy')
        self.assertEqual((response.status, response.body), (200, b'looptap is healthy\n'))

    def test_it_is_not_where_the_monitor_hangs_and_is_again_when_it_goes_on(self):
        thread = thread_of(self.exporter.program.pid, 'monitor')
        self.stop_thread(thread)
        self.assertEqual(self.status(), 200)  # not at once: a busy machine is no hang
        wait_until(lambda: self.status() == 503, 'it says that it hangs', HANGS_SECONDS + 30)
        ptrace(PTRACE_DETACH, thread)
        wait_until(lambda: self.status() == 200, 'it is healthy again')
