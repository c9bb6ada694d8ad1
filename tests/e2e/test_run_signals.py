"""looptap run: signals reach the command, and each of them once."""

import fcntl
import os
import pty
import signal
import termios
import unittest

from e2e.harness import PROGRAMS, PYTHON, wait_until
from e2e.run_test import RunTest


class Signals(RunTest):

    def setUp(self):
        super().setUp()
        self.record = self.folder / 'signals'
        self.command = [PYTHON, PROGRAMS / 'record_signals.py', self.record]

    def recorded(self):
        return self.record.read_text().split() if self.record.exists() else []

    def wait_for(self, *names):
        wait_until(lambda: len(self.recorded()) >= 1 + len(names), f'{names} are recorded')
        self.assertEqual(self.recorded(), ['ready', *names])

    def test_sent_to_looptap_reach_the_command(self):
        program = self.run_under(self.command)
        self.wait_for()
        sent = []
        for number in signal.SIGHUP, signal.SIGINT, signal.SIGTERM:
            sent.append(number.name)
            program.process.send_signal(number)
            self.wait_for(*sent)
        self.assertEqual(program.wait(), 9, 'the exit status is the command\'s')

    def test_none_comes_where_none_is_sent(self):
        program = self.run_under(self.command)
        self.wait_for()
        os.kill(child_of(program.pid), signal.SIGTERM)
        self.assertEqual(program.wait(), 9)
        self.assertEqual(self.recorded(), ['ready', 'SIGTERM'])

    def test_ctrl_c_at_a_terminal_reaches_the_command_once(self):
        try:
            terminal, its_end = pty.openpty()
        except OSError as error:
            self.skipTest(f'no terminal can be made here: {error}')
        self.addCleanup(os.close, terminal)

        def take_terminal():
            # The session leader (start_new_session) makes it its controlling terminal.
            fcntl.ioctl(its_end, termios.TIOCSCTTY, 0)

        try:
            program = self.run_under(self.command, stdin=its_end, preexec_fn=take_terminal)
        finally:
            os.close(its_end)
        self.wait_for()
        os.write(terminal, b'\x03')
        self.wait_for('SIGINT')
        # Had looptap passed it on, too, that would come before this one.
        program.process.send_signal(signal.SIGTERM)
        self.assertEqual(program.wait(), 9, program)
        self.assertEqual(self.recorded(), ['ready', 'SIGINT', 'SIGTERM'])


def child_of(pid):
    path = f'/proc/{pid}/task/{pid}/children'
    if not os.path.exists(path):
        raise unittest.SkipTest(f'this kernel has no {path}')
    with open(path) as file:
        [child] = file.read().split()
    return int(child)
