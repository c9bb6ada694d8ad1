"""tests/run: what it runs side by side, and that whatever fails is counted and told."""

import os
import shutil
import signal
import sys
import unittest

from e2e.harness import ROOT, LooptapTest, wait_until
from runner import jobs, schedule

HEAD = 'import os, pathlib, signal, subprocess, sys, threading, time, unittest\nclass T(unittest.TestCase):\n'
PASSES = HEAD + ' def test_it(self): pass\n'

# Two files each of which passes if the other begins before it has ended. They wait for that for SECONDS.
MEETS = HEAD + ''' def test_meets(self):
  here = pathlib.Path(__file__)
  here.with_suffix('.began').touch()
  deadline = time.monotonic() + SECONDS
  while len(list(here.parent.glob('*.began'))) < 2:
   self.assertLess(time.monotonic(), deadline, 'nobody came')
   time.sleep(0.01)
'''


class Runner(LooptapTest):
    """Runs a copy of the runner on files of the test's own."""

    def setUp(self):
        super().setUp()
        self.tests = self.folder / 'tests'
        (self.tests / 'e2e').mkdir(parents=True)
        shutil.copy(ROOT / 'tests/run', self.tests)
        shutil.copytree(ROOT / 'tests/runner', self.tests / 'runner', ignore=shutil.ignore_patterns('durations', '__*'))

    def write(self, **files):
        for name, text in files.items():
            (self.tests / f'e2e/test_{name}.py').write_text(text)

    def start_runner(self, *arguments):
        return self.start([sys.executable, self.tests / 'run', *(arguments or ['-j2', 'e2e'])])

    def run_files(self, *arguments, **files):
        """The exit status and what was printed."""
        self.write(**files)
        runner = self.start_runner(*arguments)
        return runner.wait(60), runner.out + runner.err

    def assert_fails(self, text, *words, totals='0 passed, 1 failed, 0 skipped'):
        status, out = self.run_files(it=text)
        self.assertEqual((status, out.splitlines()[-1]), (1, totals), out)
        last = out[out.index('\nFAILED '):]
        for word in words:
            self.assertIn(word, last)
        return out


class Results(Runner):

    def test_what_passes_passes(self):
        status, out = self.run_files(a=PASSES, b=PASSES)
        self.assertEqual((status, out.splitlines()[-1]), (0, '2 passed, 0 failed, 0 skipped'), out)
        self.assertNotIn('FAILED', out)

    def test_a_failure_is_told_last_and_whole(self):
        status, out = self.run_files(
            a=PASSES, b=HEAD + ' def test_no(self):\n  self.fail("first " + "x" * 100000 + " last")\n',
            c=HEAD + ' def test_skip(self): self.skipTest("no reason")\n')
        self.assertEqual((status, out.splitlines()[-1]), (1, '1 passed, 1 failed, 1 skipped'), out[:2000])
        last = out[out.index('\nFAILED e2e.test_b.T.test_no\n'):]
        self.assertIn('first ' + 'x' * 100000 + ' last', last)
        self.assertGreater(out.index('\nFAILED'), out.index('no reason'))

    def test_an_error_is_a_failure(self):
        self.assert_fails(HEAD + ' def test_it(self): None.attribute\n', 'AttributeError', 'test_it.py')

    def test_a_file_that_cannot_be_loaded_is_a_failure(self):
        self.assert_fails('import no_such_module\n', 'no_such_module')

    def test_a_file_without_tests_is_a_failure(self):
        self.assert_fails('', 'e2e.test_it', 'there are no tests in it')

    def test_skips_are_one_line_a_reason(self):
        skips = HEAD + ''.join(f' def test_{n}(self): self.skipTest("{why}")\n'
                               for n, why in enumerate(['needs a moon', 'needs a moon', 'needs a sun']))
        status, out = self.run_files(a=skips, b=skips)
        self.assertEqual(status, 0)
        lines = [line.split('(')[0].split() for line in out.splitlines() if ' needs a ' in line]
        self.assertEqual(lines, [['4', 'needs', 'a', 'moon'], ['2', 'needs', 'a', 'sun']], out)

    def test_one_test_by_its_name(self):
        files = {'a': HEAD + ' def test_x(self): pass\n def test_y(self): self.fail("y")\n',
                 'b': HEAD + ' def test_z(self): self.fail("z")\n'}
        for name, totals in (('e2e.test_a.T.test_x', '1 passed, 0 failed'), ('e2e.test_a.T', '1 passed, 1 failed'),
                             ('e2e.test_a', '1 passed, 1 failed'), ('e2e', '1 passed, 2 failed')):
            _, out = self.run_files(name, **files)
            self.assertIn(f'\n{totals}, 0 skipped', out)

    def test_a_name_that_is_none_is_refused(self):
        status, out = self.run_files('e3e')
        self.assertEqual((status, out), (1, 'tests/run: e3e: neither unit[.FILE] nor e2e[.FILE[.CLASS[.TEST]]]\n'))


class Ends(Runner):
    """Workers that die, or never end."""

    def test_a_worker_that_is_killed(self):
        self.assert_fails(HEAD + ' def test_a(self): pass\n'
                          ' def test_b(self):\n  print("I was here", flush=True)\n'
                          '  os.kill(os.getpid(), signal.SIGKILL)\n def test_c(self): pass\n',
                          'died while it ran e2e.test_it.T.test_b', 'exit status -9',
                          totals='1 passed, 1 failed, 0 skipped')

    def test_its_output_is_shown(self):
        _, out = self.run_files(it=HEAD + ' def test_b(self):\n  print("I was here", flush=True)\n  os.abort()\n')
        self.assertIn('Written by e2e.test_it:\nI was here\n', out)

    def test_a_worker_that_leaves_in_silence(self):
        self.assert_fails(HEAD + ' def test_a(self): os._exit(0)\n', 'died while it ran e2e.test_it.T.test_a')

    def test_a_worker_that_hangs(self):
        out = self.assert_fails('deadline = 1\n' + HEAD + ' def test_a(self): threading.Event().wait()\n',
                                'not done after 1 s', 'in e2e.test_it.T.test_a')
        self.assertIn('test_a(self): threading.Event().wait()', out)

    def start_that_waits(self):
        self.write(it=HEAD + ' def test_a(self):\n  child = subprocess.Popen(["sleep", "1000"])\n'
                             f'  pathlib.Path("{self.folder}/new").write_text(f"{{os.getpid()}} {{child.pid}}")\n'
                             f'  os.rename("{self.folder}/new", "{self.folder}/pids")\n  child.wait()\n')
        runner = self.start_runner()
        pids = wait_until(lambda: (self.folder / 'pids').exists() and (self.folder / 'pids').read_text().split(),
                          f'{runner} has come to the test')
        return runner, pids

    def assert_gone(self, pids):
        for pid in pids:
            wait_until(lambda: not os.path.exists(f'/proc/{pid}'), f'{pid} is gone')

    def test_an_interrupt_ends_all(self):
        runner, pids = self.start_that_waits()
        self.assertTrue(all(os.path.exists(f'/proc/{pid}') for pid in pids))
        self.assertEqual(runner.stop(signal.SIGINT), 1)
        self.assertIn('interrupted', runner.err)
        self.assert_gone(pids)

    def test_a_runner_that_is_killed_leaves_no_worker(self):
        runner, pids = self.start_that_waits()
        runner.stop(signal.SIGKILL)
        self.assert_gone(pids[:1])


class Needs(Runner):
    """What runs side by side, and what does not."""

    def meeting(self, needs_a, needs_b, seconds):
        text = MEETS.replace('SECONDS', str(seconds))
        return self.run_files(a=f'needs = {needs_a!r}\n{text}', b=f'needs = {needs_b!r}\n{text}')

    def assert_meet(self, needs_a, needs_b):
        status, out = self.meeting(needs_a, needs_b, 30)
        self.assertEqual(status, 0, out)

    def assert_do_not_meet(self, needs_a, needs_b):
        # The first one waits in vain, and the second finds that it has been there.
        status, out = self.meeting(needs_a, needs_b, 1)
        self.assertEqual(status, 1)
        self.assertIn('nobody came', out)
        self.assertIn('1 passed, 1 failed', out)

    def test_files_without_needs_run_side_by_side(self):
        self.assert_meet((), ())

    def test_needs_that_differ_run_side_by_side(self):
        self.assert_meet(('ports',), ('bpf',))

    def test_two_that_need_ports_do_not(self):
        self.assert_do_not_meet(('ports',), ('ports', 'bpf'))

    def test_nothing_runs_beside_one_that_needs_time(self):
        self.assert_do_not_meet(('time',), ())

    def test_a_need_that_nobody_knows_is_refused(self):
        status, out = self.run_files(a='needs = ("quiet",)\n' + PASSES)
        self.assertEqual(status, 1)
        self.assertIn("needs is ('quiet',)", out)


class Order(unittest.TestCase):

    def order(self, *described):
        """In which a single worker runs them."""
        waiting = [jobs.Job(name, [], needs, seconds=seconds) for name, seconds, needs in described]
        names = []
        while waiting:
            job = schedule.pick(waiting, [])
            waiting.remove(job)
            names.append(job.name)
        return names

    def test_the_longest_first(self):
        self.assertEqual(self.order(('a', 1, ()), ('b', 9, ()), ('c', 3, ())), ['b', 'c', 'a'])

    def test_those_that_wait_for_each_other_count_together(self):
        self.assertEqual(self.order(('a', 5, ()), ('b', 4, ['bpf']), ('c', 2, ['bpf'])), ['b', 'a', 'c'])

    def test_those_that_need_the_machine_last(self):
        self.assertEqual(self.order(('a', 9, ['time']), ('b', 1, ())), ['b', 'a'])

    def test_every_file_says_what_can_be_obeyed(self):
        self.assertGreater(len(jobs.all_end_to_end()), 50)  # it would raise WrongName
