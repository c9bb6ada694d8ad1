"""looptap run ends as its command ends: with the same status, by the same signal, with a core where there would be one."""

import concurrent.futures
import os
import pathlib
import resource
import signal
import subprocess

from e2e.harness import BUILD, DEADLINE, LOOPTAP
from e2e.run_test import RunTest

ENDS_BY = BUILD / 'tests/victims/witness'
RUN = [LOOPTAP, 'run', '--']


def status_of(command, **options):
    """Minus the number of the signal by which it has ended."""
    return subprocess.run([str(part) for part in command], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL, timeout=DEADLINE, **options).returncode


def statuses_of(commands):
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        return list(pool.map(status_of, commands))


class ExitStatus(RunTest):

    def test_is_the_commands(self):
        self.assertEqual(statuses_of([[*RUN, 'sh', '-c', f'exit {code}'] for code in range(256)]), list(range(256)))

    def test_is_the_commands_signal(self):
        # Those by which it does not end say so by a status, 5.
        stop = {signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU}
        commands = [[ENDS_BY, self.folder / str(number), 'signal', number]
                    for number in range(1, 65) if number not in stop]
        alone = statuses_of(commands)
        self.assertEqual({status for status in alone if status >= 0}, {5})
        self.assertGreater(len([status for status in alone if status < 0]), 50)
        self.assertEqual(statuses_of([RUN + command for command in commands]), alone)

    def test_as_a_shell_shows_it(self):
        program = self.run_program(['sh', '-c', '"$1" run -- sh -c "kill -TERM \\$\\$"; echo $?', 'sh', LOOPTAP])
        self.assertEqual(program.out, f'{128 + 15}\n')

    def test_of_a_command_that_is_missing(self):
        program = self.finish(['looptap-test-no-such-command'], variables={'PATH': '/usr/bin:/bin'})
        self.assertEqual(program.wait(), 127)
        self.assertIn('looptap-test-no-such-command', program.err)


class Core(RunTest):

    def cores(self, wrapper, limit):
        """Programs whose core lies in the folder after the command has died by SIGSEGV in it."""
        folder = self.folder / f'{len(wrapper)}-{limit}'
        folder.mkdir()
        status = status_of([*wrapper, ENDS_BY, folder / 'report', 'signal', signal.SIGSEGV], cwd=folder,
                           preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (limit, resource.RLIM_INFINITY)))
        self.assertEqual(status, -signal.SIGSEGV)
        return [b'witness'.ljust(16, b'\0') in core.read_bytes()[:65536]  # its NT_PRPSINFO has the name of who died
                for core in folder.iterdir() if core.name != 'report']

    def test_is_left_where_it_would_be_without_looptap(self):
        pattern = pathlib.Path('/proc/sys/kernel/core_pattern').read_text().strip()
        if pattern[0] in '|/':
            self.skipTest(f'cores go elsewhere here: {pattern}')
        if resource.getrlimit(resource.RLIMIT_CORE)[1] != resource.RLIM_INFINITY:
            self.skipTest('cores are limited here')
        self.assertEqual(self.cores([], resource.RLIM_INFINITY), [True])
        self.assertEqual(self.cores(RUN, resource.RLIM_INFINITY), [True])
        self.assertEqual(self.cores([], 0), [])
        self.assertEqual(self.cores(RUN, 0), [])
