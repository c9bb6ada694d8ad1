"""looptap run: every signal reaches the command, and each of them once."""

import ctypes
import fcntl
import os
import pty
import signal
import struct
import subprocess
import termios

from e2e.harness import wait_until
from e2e.run_test import TELLS, RunTest, child_of

# Those that can be caught and that libc does not keep for itself.
EVERY_SIGNAL = sorted(set(range(1, 65)) - {signal.SIGKILL, signal.SIGSTOP, 32, 33})


class SignalsTest(RunTest):

    def tell(self, **options):
        """The command under run, when it is ready."""
        program = self.run_under([TELLS], **options)
        self.wait_for(program)
        return program

    def told(self, program):
        return program.out.splitlines()

    def wait_for(self, program, *lines):
        """Waits for so many lines, and holds them against these. What comes after " by " may be left out."""
        wait_until(lambda: len(self.told(program)) >= 1 + len(lines), f'{program} tells {lines}')
        self.assertEqual([line if ' by ' in expected else line.split(' by ')[0]
                          for expected, line in zip(lines, self.told(program)[1:])], list(lines))

    def end(self, program, *lines):
        """Ends it by SIGTERM. What had been passed on twice would come before this."""
        program.process.send_signal(signal.SIGTERM)
        self.assertEqual(program.wait(), 9, program)
        self.wait_for(program, *lines, '15')
        self.assertEqual(len(self.told(program)), len(lines) + 2, program)


class Signals(SignalsTest):

    def test_of_each_kind_reach_the_command_once(self):
        program = self.tell()
        sent = []
        for number in EVERY_SIGNAL:
            if number != signal.SIGTERM:
                sent.append(str(number))
                program.process.send_signal(number)
                self.wait_for(program, *sent)
        self.end(program, *sent)

    def test_none_comes_where_none_is_sent(self):
        program = self.tell()
        os.kill(child_of(program.pid), signal.SIGTERM)
        self.assertEqual(program.wait(), 9)
        self.assertEqual(self.told(program), ['ready', f'15 by {os.getpid()}'])

    def test_queued_with_values_come_with_them_and_their_sender(self):
        libc = ctypes.CDLL(None, use_errno=True)
        program = self.tell()
        for value in range(1, 6):
            self.assertEqual(libc.sigqueue(program.pid, signal.SIGRTMIN, ctypes.c_void_p(value)), 0)
        told = [f'34 by {os.getpid()}, value {value}' for value in range(1, 6)]
        self.wait_for(program, *told)
        self.end(program, *told)

    def test_of_the_command_to_its_parent_do_not_come_back(self):
        program = self.tell(stdin=subprocess.PIPE)
        program.say('parent 10')
        wait_until(lambda: 'sent' in program.out, 'it has sent it')
        self.end(program, 'sent')

    def test_of_the_command_to_its_group_come_once(self):
        program = self.tell(stdin=subprocess.PIPE)
        program.say('group 10')
        wait_until(lambda: '10 by' in program.out, 'it has it')
        self.end(program, 'sent', '10')

    def test_kill_looptap_as_they_kill_the_command(self):
        for number in signal.SIGQUIT, signal.SIGUSR1, signal.SIGALRM, signal.SIGSEGV, signal.SIGRTMIN:
            with self.subTest(number):
                program = self.run_under(['sh', '-c', 'echo "$LOOPTAP_DIR"; exec sleep 60'],
                                         preexec_fn=lambda: signal.signal(number, signal.SIG_DFL))
                directory = wait_until(lambda: program.out.strip(), 'it says where')
                child = child_of(program.pid)
                self.assertEqual(program.stop(number), -number)
                self.assertFalse(os.path.exists(directory), f'{directory} is still there')
                self.assertFalse(os.path.exists(f'/proc/{child}'), 'the command lives on')


class Terminal(SignalsTest):

    def on_a_terminal(self):
        """The command in the foreground of a terminal of its own; and the other end of that."""
        try:
            terminal, its_end = pty.openpty()
        except OSError as error:
            self.skipTest(f'no terminal can be made here: {error}')

        def take_terminal():
            # The session leader (start_new_session) makes it its controlling terminal.
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        try:
            program = self.tell(stdin=its_end, preexec_fn=take_terminal)
        finally:
            os.close(its_end)
        return program, terminal

    def test_sends_each_once(self):
        program, terminal = self.on_a_terminal()
        self.addCleanup(os.close, terminal)
        sent = []
        for number, send in ((signal.SIGINT, lambda: os.write(terminal, b'\x03')),
                             (signal.SIGQUIT, lambda: os.write(terminal, b'\x1c')),
                             (signal.SIGTSTP, lambda: os.write(terminal, b'\x1a')),
                             (signal.SIGWINCH, lambda: fcntl.ioctl(terminal, termios.TIOCSWINSZ,
                                                                   struct.pack('HHHH', 20, 40, 0, 0)))):
            sent.append(str(int(number)))
            send()
            self.wait_for(program, *sent)
        self.end(program, *sent)

    def test_that_hangs_up_is_told_to_the_command(self):
        # Without looptap the command would lead the session, and the kernel would tell it.
        program, terminal = self.on_a_terminal()
        os.close(terminal)
        wait_until(lambda: len(self.told(program)) > 2, 'it is told')
        self.assertEqual({line.split()[0] for line in self.told(program)[1:]}, {'1', '18'}, program)
        program.process.send_signal(signal.SIGTERM)
        self.assertEqual(program.wait(), 9, program)
