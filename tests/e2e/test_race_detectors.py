"""helgrind and drd under the probe, with the suppressions that are shipped; gcc's AddressSanitizer, with what docs/limits.md
says."""

import re
import subprocess

from e2e.harness import PROBE, ROOT, find_program
from e2e.own_records import VictimTest

SUPPRESSIONS = ROOT / 'deploy/valgrind/looptap.supp'
WAITS = 3 * 20 * 2

OVERFLOWS = '''
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
int main(int argc, char** argv) {
  struct epoll_event event;
  char* block = malloc(10);
  (void)argv;
  epoll_wait(epoll_create1(0), &event, 1, 1);
  if (argc > 1) block[10 + argc] = 'x';
  puts("done");
  free(block);
  return 0;
}
'''


class RaceDetectors(VictimTest):

    def races(self, tool, *arguments, preload=(PROBE,), suppressions=True):
        """(how many are reported, the report)."""
        report = self.folder / f'{tool}.report'
        report.unlink(missing_ok=True)
        flags = [f'--suppressions={SUPPRESSIONS}'] if suppressions else []
        checked = self.start([find_program('valgrind'), f'--tool={tool}', *flags, f'--log-file={report}',
                              self.victim('shared_counter'), *arguments], preload)
        self.assertEqual(checked.wait(60), 0, checked)
        text = report.read_text()
        return int(re.search(r'ERROR SUMMARY: (\d+) errors', text)[1]), text

    def assert_quiet_and_right(self, tool):
        metrics = self.serve()
        found, report = self.races(tool)
        self.assertEqual(found, 0, report)
        self.assertEqual(metrics.scrape().total('eventloop_waits_total'), WAITS)  # the probe was there
        # The program's own race is told all the same, and as its own.
        found, report = self.races(tool, 'race')
        self.assertGreater(found, 0)
        innermost = re.findall(r'^==\d+==    at 0x\w+: (.*)$', report, re.M)
        self.assertTrue([one for one in innermost if 'shared_counter.c' in one], report)
        self.assertEqual([one for one in innermost if 'looptap' in one], [])
        # Null control: the probe without suppressions, and suppressions without the probe.
        self.assertGreater(self.races(tool, suppressions=False)[0], 0)
        self.assertEqual(self.races(tool, preload=())[0], 0)

    def test_helgrind(self):
        self.assert_quiet_and_right('helgrind')

    def test_drd(self):
        self.assert_quiet_and_right('drd')


class AddressSanitizer(VictimTest):

    def setUp(self):
        super().setUp()
        self.program = self.folder / 'overflows'
        compiled = subprocess.run([find_program('gcc'), '-g', '-fsanitize=address', '-o', self.program, '-x', 'c', '-'],
                                  input=OVERFLOWS, text=True, stderr=subprocess.PIPE)
        if compiled.returncode:
            self.skipTest(f'cannot compile with AddressSanitizer: {compiled.stderr.strip()}')
        linked = subprocess.run(['ldd', self.program], stdout=subprocess.PIPE, text=True, check=True).stdout
        self.libasan = re.search(r'libasan\S* => (\S+)', linked)[1]

    def run_sanitized(self, preload, *arguments, options=''):
        run = self.run_program([self.program, *arguments], environment=self.environment(
            preload, ASAN_OPTIONS=f'detect_leaks=0:{options}'))
        return run.wait(), run.out, run.err

    def test_refuses_to_come_second(self):
        status, out, err = self.run_sanitized([PROBE])
        self.assertEqual((status, out), (1, ''))
        self.assertIn('ASan runtime does not come first', err)
        self.assertEqual(self.run_sanitized([])[:2], (0, 'done\n'))

    def assert_works(self, preload, options):
        metrics = self.serve()
        self.assertEqual(self.run_sanitized(preload, options=options), (0, 'done\n', ''))
        self.assertEqual(metrics.scrape().total('eventloop_waits_total'), 1)
        # It does its work all the same.
        status, out, err = self.run_sanitized(preload, 'overflow', options=options)
        self.assertEqual((status, out), (1, ''))
        self.assertIn('heap-buffer-overflow', err)

    def test_by_its_option(self):
        self.assert_works([PROBE], 'verify_asan_link_order=0')

    def test_with_its_library_first(self):
        self.assert_works([self.libasan, PROBE], '')
