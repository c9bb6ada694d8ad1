"""looptap run: the command as if it had been started alone, measured, and a table at its end."""

import fcntl
import os
import resource
import select
import shutil
import signal
import subprocess

from e2e.harness import COUNT_WAITS, DEADLINE, LOOPTAP, PLAIN_EPOLL, PROBE, PROGRAMS, PYTHON, Metrics, require_root, wait_until
from e2e.run_test import RunTest


class ExitStatus(RunTest):

    def assert_status(self, command, status):
        # A PATH that everybody may search: in an unsearchable folder the command might well be.
        program = self.finish(command, variables={'PATH': '/usr/bin:/bin'})
        self.assertEqual(program.wait(), status, program)
        return program

    def test_of_success(self):
        self.assert_status(['true'], 0)

    def test_of_failure(self):
        self.assert_status(['sh', '-c', 'exit 7'], 7)

    def test_of_a_command_that_is_missing(self):
        program = self.assert_status(['looptap-test-no-such-command'], 127)
        self.assertIn('looptap-test-no-such-command', program.err)

    def test_of_a_path_that_is_missing(self):
        self.assert_status(['/nowhere/at/all'], 127)

    def test_of_a_file_that_is_not_executable(self):
        path = self.folder / 'file'
        path.write_text('#!/bin/sh\n')
        program = self.assert_status([path], 126)
        self.assertIn(str(path), program.err)

    def test_of_a_directory(self):
        self.assert_status([self.folder], 126)


class Command(RunTest):

    def test_is_measured_at_the_url_that_is_printed(self):
        program = self.run_under([PYTHON, PROGRAMS / 'asyncio_ticks.py', '100', 'rest'],
                                 stdin=subprocess.PIPE)
        metrics = Metrics(program)
        scrape = wait_until(lambda: 'resting' in program.out and metrics.scrape(), 'it rests')
        self.assertEqual(scrape.label_values('process'), {'python3'})
        self.assertGreaterEqual(scrape.value('eventloop_waits_total'), 100)

    def test_page_is_at_the_url_that_is_printed(self):
        program = self.run_under([PYTHON, PROGRAMS / 'asyncio_ticks.py', '100', 'rest'], stdin=subprocess.PIPE)
        metrics = Metrics(program)
        [line] = [line for line in program.err.splitlines() if 'http://' in line]
        self.assertRegex(line, rf'\Alooptap: metrics on http://127\.0\.0\.1:{metrics.port}/metrics '
                         rf'and a page on http://127\.0\.0\.1:{metrics.port}/\Z')
        self.assertIn('text/html', metrics.request('/').headers['Content-Type'])

    def test_keeps_stdin_and_stdout_to_itself(self):
        content = bytes(range(256)) * 1000
        path = self.folder / 'content'
        path.write_bytes(content)
        with open(path, 'rb') as file:
            program = self.finish(['cat'], stdin=file)
        self.assertEqual(program.wait(), 0, program)
        self.assertEqual(program.out_bytes, content)

    def test_gets_its_own_flags(self):
        program = self.finish(['echo', '--version', '--', '-x', ''])
        self.assertEqual(program.out, '--version -- -x \n')

    def test_gets_the_environment(self):
        program = self.finish(['sh', '-c', 'echo "$LOOPTAP_TEST"'],
                              variables={'LOOPTAP_TEST': 'kept'})
        self.assertEqual(program.out, 'kept\n')

    def test_has_no_signal_blocked(self):
        program = self.finish([PYTHON, '-c', 'import signal; '
                               'print(signal.pthread_sigmask(signal.SIG_BLOCK, []))'])
        self.assertEqual(program.out, 'set()\n')

    def test_has_no_descriptor_of_looptaps(self):
        listing = [PYTHON, '-c', 'import os; print([os.readlink("/proc/self/fd/" + fd) for fd in '
                   'os.listdir("/proc/self/fd") if int(fd) > 2 and '
                   'os.path.exists("/proc/self/fd/" + fd)])']
        alone, program = self.run_program(listing), self.finish(listing)
        self.assertEqual(program.out, alone.out)

    def test_alone_has_what_it_was_given(self):
        """What it closes is closed for good: a pipe ends, and a lock is free, while it runs on."""
        lock = open(self.folder / 'lock', 'w')
        self.addCleanup(lock.close)
        read_end, write_end = os.pipe()
        self.addCleanup(os.close, read_end)
        fcntl.flock(lock, fcntl.LOCK_EX)
        # Two descriptors of one open file: the lock is held for as long as one of them is open.
        script = f'exec {write_end}>&- {lock.fileno()}>&- >&- <&-; echo closed >&2; exec sleep 60'
        program = self.run_under(['bash', '-c', script], pass_fds=[write_end, lock.fileno()])
        os.close(write_end)
        lock.close()
        wait_until(lambda: 'closed' in program.err, 'it has closed them')
        self.assertTrue(select.select([read_end], [], [], DEADLINE)[0], 'somebody keeps the pipe')
        with open(self.folder / 'lock') as again:
            fcntl.flock(again, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def test_has_room_for_its_processes(self):
        """The limit of processes holds for looptap's threads, too."""
        require_root('makes a user who has no other process')
        forks = ['sh', '-c', 'for i in $(seq 20); do sleep 1 & done; wait; echo done']
        for file in LOOPTAP, PROBE:
            shutil.copy(file, self.folder)

        def be_somebody():
            resource.setrlimit(resource.RLIMIT_NPROC, (40, 40))
            os.setresuid(64999, 64999, 64999)

        for wrapper in [], [self.folder / LOOPTAP.name, 'run', '--']:
            environment = self.environment()
            del environment['LOOPTAP_DIR']
            program = self.start([*wrapper, *forks], environment=environment, preexec_fn=be_somebody)
            self.assertEqual((program.wait(), program.out), (0, 'done\n'), program)

    def test_keeps_what_is_preloaded_already(self):
        program = self.finish([PLAIN_EPOLL, '50'], preload=[COUNT_WAITS])
        self.assertEqual(program.wait(), 0, program)
        self.assertEqual(self.returned_waits(), 50)
        self.assertEqual([row['process'] for row in self.table(program)], ['plain_epoll'])

    def test_may_name_the_process(self):
        program = self.finish([PLAIN_EPOLL, '5'], variables={'LOOPTAP_NAME': 'somebody'})
        self.assertEqual([row['process'] for row in self.table(program)], ['somebody'])


class Table(RunTest):

    def test_shows_the_loop(self):
        program = self.finish([PLAIN_EPOLL, '50'])
        [row] = self.table(program)
        self.assertEqual((row['process'], row['thread'], row['iterations']),
                         ('plain_epoll', 'plain_epoll', '49'))
        for column in 'p50', 'p95', 'p99', 'longest':
            self.assertRegex(row[column], r'^(0|[\d.]+(us|ms|s))$')
        self.assertRegex(row['utilization'], r'^[\d.]+%$')

    def test_shows_a_stall_as_the_longest(self):
        program = self.run_under([PYTHON, PROGRAMS / 'asyncio_freezes.py'], stdin=subprocess.PIPE)
        wait_until(lambda: 'ready' in program.out, f'{program} is ready')
        program.say('0.4')
        wait_until(lambda: 'thawed' in program.out, 'it has frozen')
        program.process.stdin.close()
        self.assertEqual(program.wait(), 0, program)
        [row] = self.table(program)
        self.assertRegex(row['longest'], r'^4\d\d\.\dms$')

    def test_says_so_where_there_is_no_loop(self):
        program = self.finish(['true'])
        self.assertIn('no event loop', program.err)
        self.assertNotIn('iterations', program.err)

    def test_shows_every_process(self):
        program = self.finish(['sh', '-c', '"$0" 5 & "$0" 5; wait', PLAIN_EPOLL])
        self.assertEqual([row['iterations'] for row in self.table(program)], ['4', '4'])


class SegmentDirectory(RunTest):

    def test_private_one_is_gone_afterwards(self):
        program = self.finish([PYTHON, '-c', 'import os; d = os.environ["LOOPTAP_DIR"]; '
                               'print(d, os.path.isdir(d))'])
        directory, there = program.out.split()
        self.assertEqual(there, 'True')
        self.assertFalse(os.path.exists(directory), f'{directory} is still there')

    def test_private_one_is_gone_after_a_signal(self):
        program = self.run_under(['sh', '-c', 'echo "$LOOPTAP_DIR"; exec sleep 60'])
        directory = wait_until(lambda: program.out.strip(), 'it says where')
        self.assertEqual(program.stop(), -signal.SIGTERM)
        self.assertFalse(os.path.exists(directory), f'{directory} is still there')

    def test_chosen_one_is_used_and_stays(self):
        program = self.finish([PLAIN_EPOLL, '5'], flags=[f'--segments.dir={self.segments}'])
        self.assertEqual([row['iterations'] for row in self.table(program)], ['4'])
        self.assertTrue(any(not file.name.startswith('.') for file in self.segments.iterdir()))
