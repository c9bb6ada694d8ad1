"""valgrind and LeakSanitizer find nothing to say of victims under the probe."""

import re
import subprocess

from e2e.harness import PROBE, ROOT, find_program
from e2e.own_records import VictimTest

ERROR = 77  # the exit status by which they tell

LEAKY = '''
#include <stdlib.h>
#include <sys/epoll.h>
static void* volatile block;
int main(void) {
  struct epoll_event event;
  block = malloc(10);
  block = NULL;
  return epoll_wait(epoll_create1(0), &event, 1, 1);
}
'''


class CheckedVictim(VictimTest):

    def build(self, name, source, *flags):
        """Compiles a program into the test's folder."""
        path = self.folder / name
        compiled = subprocess.run([find_program('cc'), '-g', '-pthread', f'-I{ROOT}', *flags, '-o', path,
                                   '-x', 'c', '-'], input=source, text=True, stderr=subprocess.PIPE)
        if compiled.returncode:
            self.skipTest(f'cannot compile with {flags}: {compiled.stderr.strip()}')
        return path


class Memcheck(CheckedVictim):

    def check(self, program, *arguments, preload=(PROBE,)):
        """Runs a program under valgrind; its exit status and the report."""
        checked = self.start(
            [find_program('valgrind'), '--leak-check=full', '--show-leak-kinds=all',
             '--errors-for-leak-kinds=all', f'--error-exitcode={ERROR}',
             f'--log-file={self.folder}/valgrind.%p', program, *arguments], preload)
        status = checked.wait(60)
        return status, (self.folder / f'valgrind.{checked.pid}').read_text()

    def assert_clean(self, name, *arguments):
        """Returns the report."""
        metrics = self.serve()
        status, report = self.check(self.victim(name), *arguments)
        self.assertEqual(status, 0, report)
        self.assertIn('ERROR SUMMARY: 0 errors', report)
        # The probe was there.
        self.assertGreater(metrics.scrape().total('eventloop_waits_total'), 0)
        return report

    def test_nested_loops(self):
        self.assert_clean('nested_loops')

    def test_threads_that_share_an_instance(self):
        self.assert_clean('handoff', 4)

    def test_threads_that_come_and_go(self):
        self.assert_clean('many_threads', 64, 8)

    def test_fork(self):
        self.assert_clean('inherited')

    def test_probe_allocates_nothing(self):
        def allocations(report):
            return re.search(r'total heap usage: ([\d,]+) allocs', report)[1]
        report = self.assert_clean('many_instances', 'in_turn', 50)
        status, without = self.check(self.victim('many_instances'), 'in_turn', 50, preload=())
        self.assertEqual(status, 0, without)
        self.assertEqual(allocations(report), allocations(without))

    def test_leak_would_be_found(self):
        status, report = self.check(self.build('leaky', LEAKY))
        self.assertEqual(status, ERROR, report)


class LeakSanitizer(CheckedVictim):

    def run_sanitized(self, name, source, *arguments):
        metrics = self.serve()
        checked = self.run_program(
            [self.build(name, source, '-fsanitize=leak'), *arguments],
            environment=self.environment([PROBE], LSAN_OPTIONS=f'exitcode={ERROR}'))
        if 'LeakSanitizer has encountered a fatal error' in checked.err:
            self.skipTest(f'LeakSanitizer cannot work here: {checked.err.strip()}')
        self.assertGreater(metrics.scrape().total('eventloop_waits_total'), 0, checked)
        return checked

    def assert_clean(self, name, *arguments):
        source = (ROOT / 'tests/victims' / f'{name}.c').read_text()
        checked = self.run_sanitized(name, source, *arguments)
        self.assertEqual((checked.wait(), checked.err), (0, ''))

    def test_nested_loops(self):
        self.assert_clean('nested_loops')

    def test_threads_that_come_and_go(self):
        self.assert_clean('many_threads', 64, 8)

    def test_instances_that_come_and_go(self):
        self.assert_clean('many_instances', 'in_turn', 50)

    def test_leak_would_be_found(self):
        checked = self.run_sanitized('leaky', LEAKY)
        self.assertEqual(checked.wait(), ERROR, checked)
