"""looptap run: the program sees of itself what it sees when it is started alone, whatever state it is started in."""

import ctypes
import fcntl
import os
import pathlib
import pty
import re
import resource
import shutil
import signal
import subprocess
import tempfile
import termios
import unittest

from e2e.harness import BUILD, DEADLINE, LOOPTAP, PROBE, LooptapTest, require_root

WITNESS = BUILD / 'tests/victims/witness'
EVERY_SIGNAL = set(range(1, 65)) - {32, 33}

# include/uapi/linux/prctl.h
PR_SET_PDEATHSIG, PR_SET_TIMERSLACK, PR_CAPBSET_DROP, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 1, 29, 24, 36, 38
CAP_SYS_TIME, ADDR_NO_RANDOMIZE, SCHED_RESET_ON_FORK, IOPRIO_IDLE = 25, 0x40000, 0x40000000, 3 << 13
SYS_IOPRIO_SET = {'x86_64': 251, 'aarch64': 30}[os.uname().machine]

libc = ctypes.CDLL(None, use_errno=True)


def prctl(*arguments):
    if libc.prctl(*(ctypes.c_ulong(argument) for argument in (*arguments, 0, 0, 0))) < 0:
        raise OSError(ctypes.get_errno(), f'prctl {arguments}')


def ignore(*numbers):
    for number in numbers:
        signal.signal(number, signal.SIG_IGN)


def limit(which, soft, hard):
    resource.setrlimit(getattr(resource, which), (soft, hard))


def write(path, text):
    with open(path, 'w') as file:
        file.write(text)


def open_at(*numbers):
    for number in numbers:
        os.dup2(os.open('/etc/passwd', os.O_RDONLY), number)
        os.lseek(number, number, os.SEEK_SET)


def close(*numbers):
    for number in numbers:
        os.close(number)


def real_time():
    os.sched_setscheduler(0, os.SCHED_FIFO | SCHED_RESET_ON_FORK, os.sched_param(1))


def in_a_removed_folder():
    os.mkdir('gone')
    os.chdir('gone')
    os.rmdir('../gone')


def timers():
    for kind in signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF:
        signal.setitimer(kind, 3600, 7 + kind)


# How the program is started: what is done to the process before exec, in words of a test's name.
STATES = {
    'in_an_ordinary_state': lambda: None,
    'with_SIGPIPE_ignored': lambda: ignore(signal.SIGPIPE),
    'as_by_nohup': lambda: ignore(signal.SIGHUP),
    'as_a_background_job': lambda: ignore(signal.SIGINT, signal.SIGQUIT),
    'with_SIGCHLD_ignored': lambda: ignore(signal.SIGCHLD),
    'with_every_signal_ignored': lambda: ignore(*(EVERY_SIGNAL - {signal.SIGKILL, signal.SIGSTOP})),
    'with_every_signal_blocked': lambda: signal.pthread_sigmask(signal.SIG_BLOCK, EVERY_SIGNAL),
    'with_SIGTERM_and_a_real_time_signal_blocked': lambda: signal.pthread_sigmask(signal.SIG_BLOCK, {15, 40}),
    'with_umask_077': lambda: os.umask(0o077),
    'with_umask_0': lambda: os.umask(0),
    'at_nice_5': lambda: os.nice(5),
    'at_idle_disk_priority': lambda: libc.syscall(SYS_IOPRIO_SET, 1, 0, IOPRIO_IDLE),
    'with_few_descriptors': lambda: limit('RLIMIT_NOFILE', 50, 60),
    'with_a_low_soft_limit_of_descriptors': lambda: limit('RLIMIT_NOFILE', 64, 4096),
    'without_core_dumps': lambda: limit('RLIMIT_CORE', 0, 0),
    'with_core_dumps': lambda: limit('RLIMIT_CORE', 1 << 20, 1 << 21),
    'with_little_locked_memory': lambda: limit('RLIMIT_MEMLOCK', 4096, 8192),
    'with_a_limit_of_file_sizes': lambda: limit('RLIMIT_FSIZE', 1 << 20, 1 << 20),
    'with_a_small_stack': lambda: limit('RLIMIT_STACK', 1 << 20, 1 << 22),
    'with_stdin_closed': lambda: close(0),
    'with_stdin_stdout_and_stderr_closed': lambda: close(0, 1, 2),
    'with_descriptors_3_and_9_and_200': lambda: open_at(3, 9, 200),
    'with_stdin_closed_and_descriptor_4': lambda: (close(0), open_at(4)),
    'with_a_timer_slack_of_1': lambda: prctl(PR_SET_TIMERSLACK, 1),
    'with_SIGUSR1_at_the_death_of_its_parent': lambda: prctl(PR_SET_PDEATHSIG, signal.SIGUSR1),
    'as_a_subreaper': lambda: prctl(PR_SET_CHILD_SUBREAPER, 1),
    'without_new_privileges': lambda: prctl(PR_SET_NO_NEW_PRIVS, 1),
    'with_timers': timers,
    'at_an_oom_score_of_500': lambda: write('/proc/self/oom_score_adj', '500'),
    'with_another_coredump_filter': lambda: write('/proc/self/coredump_filter', '0x7'),
    'without_random_addresses': lambda: libc.personality(ADDR_NO_RANDOMIZE),
    'on_one_CPU': lambda: os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}),
    'in_a_removed_folder': in_a_removed_folder,
}
FOR_ROOT = {
    'at_nice_minus_5': lambda: os.nice(-5),
    'at_real_time_priority_that_no_child_inherits': real_time,
    'with_a_capability_less': lambda: prctl(PR_CAPBSET_DROP, CAP_SYS_TIME),
    'as_nobody': lambda: (os.setgroups([1, 2]), os.setresgid(3, 3, 3), os.setresuid(65534, 65534, 65534)),
}

# What differs, as docs/run.md says.
DOCUMENTED = re.compile(r'environment \d+: (LD_PRELOAD|LOOPTAP_DIR)=')
# What other tests do meanwhile: hierarchies of cgroups come and go, and with them the numbers of others.
PASSING = re.compile(r'cgroup: \d+:name=looptap-test-')
NUMBER = re.compile(r'^(?:environment|cgroup:) \d+:')


class Witness(LooptapTest):

    @classmethod
    def setUpClass(cls):
        # Nobody may not get at what is built.
        cls.programs = pathlib.Path(tempfile.mkdtemp(prefix='looptap-test-'))
        cls.addClassCleanup(shutil.rmtree, cls.programs)
        cls.programs.chmod(0o755)
        for file in WITNESS, LOOPTAP, PROBE:
            shutil.copy(file, cls.programs)

    def setUp(self):
        super().setUp()
        self.folder.chmod(0o777)
        self.report = self.folder / 'report'
        self.witness = [self.programs / WITNESS.name, self.report]
        self.run_under = [self.programs / LOOPTAP.name, 'run', '--']

    def see(self, wrapper, state, variables=None):
        """The witness' lines, sorted as it says them, and its exit status."""
        self.report.unlink(missing_ok=True)

        def enter_state():
            os.dup2(null, 1)
            os.dup2(null, 2)
            state()

        null = os.open('/dev/null', os.O_RDWR)
        try:
            environment = {'PATH': '/usr/bin:/bin', **(variables or {})}
            status = subprocess.run([*wrapper, *self.witness], stdin=null, close_fds=False,
                                    cwd=self.folder, env=environment, preexec_fn=enter_state, timeout=DEADLINE).returncode
        finally:
            os.close(null)
        lines = self.report.read_text(errors='replace').splitlines() if self.report.exists() else []
        return [NUMBER.sub('', line) for line in lines if not DOCUMENTED.match(line) and not PASSING.match(line)], status

    def assert_sees_the_same(self, state, variables=None):
        alone, status = self.see([], state, variables)
        self.assertEqual(status, 0)
        self.assertGreater(len(alone), 100)
        under_run, status = self.see(self.run_under, state, variables)
        self.assertEqual((status, under_run), (0, alone))

    def test_a_difference_is_seen(self):
        # Null control: each state is one that the witness sees.
        plain, _ = self.see([], STATES['in_an_ordinary_state'])
        self.assertEqual(plain, self.see([], STATES['in_an_ordinary_state'])[0])
        for name, state in STATES.items():
            if name not in ('in_an_ordinary_state', 'with_umask_077'):
                with self.subTest(name):
                    self.assertNotEqual(plain, self.see([], state)[0])

    def test_environment_that_names_it(self):
        """systemd's variables are for the process whose pid they hold."""
        script = 'LISTEN_PID=$$ WATCHDOG_PID=$$ OTHER_PID=$$ exec "$@" sh -c \'' \
                 'echo $((LISTEN_PID == $$)) $((WATCHDOG_PID == $$)) $((OTHER_PID == $$))\''
        said = [self.run_program(['sh', '-c', script, 'sh', *wrapper]).out
                for wrapper in ([], self.run_under)]
        self.assertEqual(said, ['1 1 1\n', '1 1 0\n'])

    def test_environment_of_others(self):
        self.assert_sees_the_same(STATES['in_an_ordinary_state'],
                                  {'LISTEN_PID': '1', 'EMPTY': '', 'TWO_LINES': 'a\nb', 'LD_PRELOADED': 'no'})

    def test_terminal(self):
        """A session's leader with a terminal starts both, one after the other."""
        terminal, its_end = pty.openpty()
        self.addCleanup(os.close, terminal)
        self.addCleanup(os.close, its_end)
        reports = [self.folder / name for name in ('alone', 'under_run')]
        script = '"$1/witness" "$2/alone" </dev/null; "$1/looptap" run -- "$1/witness" "$2/under_run" </dev/null; exit 7'
        program = self.start(['sh', '-c', script, 'sh', self.programs, self.folder], environment=self.environment(),
                             stdin=its_end, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        self.assertEqual(program.wait(), 7, program)
        alone, under_run = ([line for line in report.read_text().splitlines()
                             if re.match('terminal|session|group', line)] for report in reports)
        self.assertEqual(alone, [f'session: {program.pid}', f'group: {program.pid}',
                                 f'terminal: session {program.pid}, foreground {program.pid}'])
        self.assertEqual(under_run, alone)


def add_tests():
    def make(state, for_root):
        def test(self):
            if for_root:
                require_root('puts a process into a state that nobody else may')
            self.assert_sees_the_same(state)
        return test
    for name, state in {**STATES, **FOR_ROOT}.items():
        setattr(Witness, f'test_same_{name}', make(state, name in FOR_ROOT))


add_tests()

