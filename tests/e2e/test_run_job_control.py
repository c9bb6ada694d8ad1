"""looptap run as a job of an interactive bash: Ctrl-Z gives the prompt, `fg` and `bg` go on, as without looptap."""

import collections
import fcntl
import os
import pathlib
import pty
import re
import signal
import termios

from e2e.harness import LOOPTAP, PYTHON, LooptapTest, find_program, wait_until
from e2e.run_test import TELLS

# Suspends itself as a program does that has the keyboard for itself and finds Ctrl-Z among its keys.
SUSPENDS_ITSELF = 'import os, signal; print("begun", flush=True); os.kill(os.getpid(), signal.SIGTSTP); print("done", flush=True)'
# Puts things in order at Ctrl-Z, and then stops.
STOPS_LATER = '''
import os, signal
def stop(*_):
    print("in order", flush=True)
    os.kill(os.getpid(), signal.SIGSTOP)
    print("back", flush=True)
signal.signal(signal.SIGTSTP, stop)
print("begun", flush=True)
input()
'''


class Shell:
    """An interactive bash on a terminal of its own."""

    def __init__(self, test):
        try:
            self.terminal, its_end = pty.openpty()
        except OSError as error:
            test.skipTest(f'no terminal can be made here: {error}')
        test.addCleanup(os.close, self.terminal)
        os.set_blocking(self.terminal, False)
        self.screen = ''
        self.seen = 0    # how much of the screen has been waited for
        environment = test.environment(PS1='PROMPT-\\#>', TERM='dumb', HISTFILE='/dev/null', LC_ALL='C',
                                       RUN=f'{LOOPTAP} run --')
        del environment['LOOPTAP_DIR']
        try:
            self.program = test.start([find_program('bash'), '--norc', '--noediting', '-i'], stdin=its_end, environment=environment,
                                      preexec_fn=lambda: (fcntl.ioctl(0, termios.TIOCSCTTY, 0), os.dup2(0, 1), os.dup2(0, 2)))
        finally:
            os.close(its_end)
        test.addCleanup(self.kill_jobs)
        self.expect('PROMPT-1>')

    def kill_jobs(self):
        """Each job has a process group of its own."""
        for process in processes():
            if process.session == self.program.pid:
                os.kill(process.pid, signal.SIGKILL)

    def read(self):
        try:
            while more := os.read(self.terminal, 65536):
                self.screen += more.decode(errors='replace').replace('\r', '')
        except (BlockingIOError, OSError):
            pass

    def expect(self, pattern):
        """Waits until this stands on the screen, after all that has been waited for. Returns the match."""
        def find():
            self.read()
            return re.compile(pattern).search(self.screen, self.seen)
        try:
            match = wait_until(find, pattern)
        except AssertionError:
            raise AssertionError(f'{pattern!r} did not come: {self.screen!r}') from None
        self.seen = match.end()
        return match

    def type(self, text):
        os.write(self.terminal, text.encode())

    def command(self, line):
        """Types a line, and waits for its echo."""
        self.type(line + '\n')
        self.expect(re.escape(line) + '\n')

    def ask(self, line):
        """What a command prints, of one line."""
        self.command(line)
        return self.expect(r'([^\n]*)\nPROMPT-\d+>')[1]

    def wait_for_foreground(self, name):
        """Waits until a process of that name, which is not stopped, is in the foreground."""
        def found():
            group = os.tcgetpgrp(self.terminal)
            return any((process.name, process.group) == (name, group) and process.state != 'T' for process in processes())
        wait_until(found, f'{name} is in the foreground')


Process = collections.namedtuple('Process', 'pid name state group session')


def processes():
    for pid in os.listdir('/proc'):
        if pid.isdigit():
            try:
                comm, _, rest = pathlib.Path(f'/proc/{pid}/stat').read_text().partition('(')[2].rpartition(') ')
            except OSError:
                continue
            state, _, group, session = rest.split()[:4]
            yield Process(int(pid), comm, state, int(group), int(session))


class JobControl(LooptapTest):
    wrapper = '$RUN '

    def setUp(self):
        super().setUp()
        self.shell = Shell(self)

    def job(self, command):
        self.shell.command(self.wrapper + command)

    def test_ctrl_z_and_fg(self):
        self.job('cat')
        self.shell.command('one')
        self.shell.expect('one\n')
        for word in 'two', 'three':
            self.shell.type('\x1a')
            self.shell.expect(r'Stopped .*cat\n')
            self.shell.expect(r'PROMPT-\d+>')
            self.assertEqual(self.shell.ask('echo $(jobs -s)').count('Stopped'), 1)
            self.shell.command('fg')
            self.shell.command(word)
            self.shell.expect(f'{word}\n')
        self.shell.type('\x04')
        self.shell.expect(r'PROMPT-\d+>')
        self.assertEqual(self.shell.ask('echo $?'), '0')

    def test_background_job_that_reads_is_stopped(self):
        self.job('cat &')
        self.shell.expect(r'PROMPT-\d+>')
        wait_until(lambda: 'Stopped' in self.shell.ask('echo $(jobs)'), 'it is stopped')
        self.shell.command('fg')
        self.shell.command('word')
        self.shell.expect('word\n')
        self.shell.type('\x03')
        self.shell.expect(r'PROMPT-\d+>')
        self.assertEqual(self.shell.ask('echo $?'), '130')

    def test_bg(self):
        self.job('sleep 60')
        self.shell.wait_for_foreground('sleep')
        self.shell.type('\x1a')
        self.shell.expect('Stopped')
        self.shell.expect(r'PROMPT-\d+>')
        self.shell.command('bg')
        self.shell.expect(r'PROMPT-\d+>')
        self.assertIn('Running', self.shell.ask('echo $(jobs)'))
        self.assertEqual(self.shell.ask('pgrep -g $(jobs -p) -x sleep -r S | wc -l'), '1')
        self.shell.command('kill %1; wait %1; echo status $?')
        self.shell.expect('status 143\n')

    def test_program_that_suspends_itself(self):
        self.job(f"{PYTHON} -c '{SUSPENDS_ITSELF}'")
        self.shell.expect('begun\n')
        self.shell.expect('Stopped')
        self.shell.expect(r'PROMPT-\d+>')
        self.shell.command('fg')
        self.shell.expect('done\n')
        self.shell.expect(r'PROMPT-\d+>')

    def test_program_that_stops_later(self):
        (self.folder / 'script').write_text(STOPS_LATER)
        self.job(f'{PYTHON} {self.folder}/script')
        self.shell.expect('begun\n')
        self.shell.type('\x1a')
        self.shell.expect('in order\n')
        self.shell.expect('Stopped')
        self.shell.expect(r'PROMPT-\d+>')
        self.shell.command('fg')
        self.shell.expect('back\n')
        self.shell.type('\n')
        self.shell.expect(r'PROMPT-\d+>')

    def test_fg_continues_it_once(self):
        self.job(f'{TELLS} stop')
        self.shell.expect('ready\n')
        self.shell.type('\x1a')
        self.shell.expect(r'PROMPT-\d+>')
        self.shell.command('fg')
        self.shell.expect('18 by')
        before = self.shell.seen
        self.shell.command('group 10')
        self.shell.expect('10 by')
        self.shell.command('group 15')
        self.shell.expect(r'PROMPT-\d+>')
        self.assertNotIn('18 by', self.shell.screen[before:])

    def test_shell_within(self):
        self.job('bash --norc --noediting -i')
        self.shell.expect('PROMPT-1>')
        self.shell.command('sleep 60')
        self.shell.wait_for_foreground('sleep')
        self.shell.type('\x1a')
        self.shell.expect('Stopped')
        self.shell.expect('PROMPT-2>')
        self.shell.command('suspend -f; echo within')
        self.shell.expect('Stopped.*bash')
        self.shell.expect(r'PROMPT-\d+>')
        self.shell.command('fg')
        self.shell.expect('within\n')
        self.shell.command('fg')
        self.shell.wait_for_foreground('sleep')
        self.shell.type('\x03')
        self.shell.expect(r'PROMPT-\d+>')
        self.shell.command('exit 5')
        self.shell.expect(r'PROMPT-\d+>')
        self.assertEqual(self.shell.ask('echo $?'), '5')


class JobControlAlone(JobControl):
    """Null control: what is expected is what bash and the programs do without looptap."""
    wrapper = ''


class StoppedAlone(LooptapTest):

    def test_by_SIGSTOP_the_program_is_stopped_and_looptap_is_not(self):
        shell = Shell(self)
        shell.command('$RUN sh -c \'echo "pid $$ of $PPID"; exec sleep 60\'')
        program, looptap = (int(number) for number in shell.expect(r'pid (\d+) of (\d+)\n').groups())
        os.kill(program, signal.SIGSTOP)
        wait_until(lambda: state_of(program) == 'T', 'it is stopped')
        self.assertNotEqual(state_of(looptap), 'T')
        os.kill(program, signal.SIGCONT)
        wait_until(lambda: state_of(program) == 'S', 'it goes on')
        shell.type('\x03')
        shell.expect(r'PROMPT-\d+>')
        self.assertNotIn('Stopped', shell.screen)


def state_of(pid):
    return next(process.state for process in processes() if process.pid == pid)
