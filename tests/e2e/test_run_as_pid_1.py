"""looptap run as PID 1, as in a container: it reaps orphans, and passes on signals and the end."""

import os
import signal
import subprocess
import unittest

from e2e.harness import DEADLINE, LOOPTAP, PROGRAMS, PYTHON, find_program, wait_until
from e2e.run_test import TELLS, RunTest, child_of

AS_PID_1 = ['unshare', '--pid', '--fork', '--mount-proc', '--kill-child']
WAITS_FOR_ITS_CHILD_ALONE = 'import subprocess, sys; sys.exit(subprocess.Popen(sys.argv[1:]).wait())'


class AsPid1(RunTest):

    @classmethod
    def setUpClass(cls):
        tried = subprocess.run([find_program('unshare'), *AS_PID_1[1:], 'true'], stderr=subprocess.PIPE, text=True)
        if tried.returncode != 0:
            raise unittest.SkipTest(f'no PID namespaces can be made here: {tried.stderr.strip()}')

    def start_as_pid_1(self, command, wrapper=(LOOPTAP, 'run', '--'), **options):
        environment = self.environment()
        del environment['LOOPTAP_DIR']
        return self.start([*AS_PID_1, *wrapper, *command], environment=environment, **options)

    def test_orphans_are_reaped(self):
        program = self.start_as_pid_1([PYTHON, PROGRAMS / 'makes_orphans.py', str(DEADLINE)])
        self.assertEqual(program.wait(2 * DEADLINE), 3, program)

    def test_orphans_stay_where_nobody_reaps(self):
        # Null control.
        program = self.start_as_pid_1([PYTHON, PROGRAMS / 'makes_orphans.py', '0.5'], (PYTHON, '-c', WAITS_FOR_ITS_CHILD_ALONE))
        self.assertEqual(program.wait(), 4, program)

    def test_the_end_is_passed_on(self):
        for script, status in ('exit 7', 7), ('kill -KILL $$', 128 + 9), ('kill -USR1 $$', 128 + 10):
            with self.subTest(script):
                program = self.start_as_pid_1(['sh', '-c', f'echo $PPID; {script}'])
                self.assertEqual((program.wait(), program.out), (status, '1\n'), program)

    def test_signals_reach_the_program(self):
        program = self.start_as_pid_1([TELLS])
        wait_until(lambda: 'ready' in program.out, 'it is ready')
        looptap = child_of(program.pid)
        os.kill(looptap, signal.SIGUSR1)
        wait_until(lambda: '10 by' in program.out, 'it has the first')
        os.kill(looptap, signal.SIGTERM)
        self.assertEqual(program.wait(), 9, program)
        self.assertEqual([line.split()[0] for line in program.out.splitlines()], ['ready', '10', '15'])

    def test_what_its_children_send_to_pid_1_is_for_the_program(self):
        """Without looptap the program would be PID 1."""
        program = self.start_as_pid_1(['sh', '-c', 'trap "exit 9" USR1; sh -c "kill -USR1 1"; sleep 20 & wait'])
        self.assertEqual(program.wait(), 9, program)
