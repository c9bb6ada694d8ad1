"""Segment directories in which no segment can be made, or not wholly: the program runs as if there were no probe, and whoever
asks is told why. (Missing ones and symlinks: test_segment_directory.py.)"""

import os
import resource
import shutil
import subprocess

from e2e.harness import (DEADLINE, LOOPTAP, NOBODY, PLAIN_EPOLL, PROBE, Metrics, find_program, make_folder,
                         require_root,
                         wait_until)
from e2e.own_records import VictimTest, own_records
from e2e.segment import read_segments

WAITS = 5
SHELL = 'sh', '-c'


def line(said, directory):
    """What the probe prints: that it measures, or why it does not, and where it should have."""
    if said == 'measuring':
        return 'looptap: measuring\n'
    return f'looptap: not measured: {said}{f" (LOOPTAP_DIR is {directory})" if ": " in said else ""}\n'


class UnusableTest(VictimTest):

    def run_there(self, command, directory, said, limit=None):
        """The command says and returns the same with and without the probe, which says why it does
        not measure. Told a limit, no file may grow beyond it."""
        def run(preload, verbose):
            # What it says goes through pipes, which have no limit.
            program = subprocess.run(
                [str(part) for part in command], stdin=subprocess.DEVNULL, capture_output=True,
                text=True, timeout=DEADLINE, preexec_fn=None if limit is None else lambda:
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
                env=self.environment(preload, LOOPTAP_DIR=str(directory), LOOPTAP_VERBOSE=verbose))
            return program.returncode, program.stdout, program.stderr

        expected = 0, f'{WAITS}\n', ''
        self.assertEqual(run([], '0'), expected)
        self.assertEqual(run([PROBE], '0'), expected)
        status, out, err = run([PROBE], '1')
        self.assertEqual((status, out), expected[:2])
        self.assertEqual(err, line(said, directory))


class UnusableDirectory(UnusableTest):

    def test_usable_one_is_used(self):
        self.run_there([PLAIN_EPOLL, WAITS], self.segments, 'measuring')
        self.assertEqual(len(read_segments(self.segments)), 2)

    def test_missing_one_with_a_parent_is_made(self):
        self.run_there([PLAIN_EPOLL, WAITS], self.segments / 'new', 'measuring')
        self.assertEqual(len(read_segments(self.segments / 'new')), 2)

    def test_missing_one_without_a_parent(self):
        self.run_there([PLAIN_EPOLL, WAITS], self.segments / 'no/where',
                       'cannot open the segment directory: No such file or directory')

    def test_relative_one(self):
        self.run_there([PLAIN_EPOLL, WAITS], 'segments', 'LOOPTAP_DIR is not an absolute path, or is too long')

    def test_symlink(self):
        (self.segments / 'link').symlink_to(self.segments)
        self.run_there([PLAIN_EPOLL, WAITS], self.segments / 'link',
                       'cannot open the segment directory: Not a directory')

    def test_file(self):
        (self.segments / 'file').write_text('')
        self.run_there([PLAIN_EPOLL, WAITS], self.segments / 'file',
                       'cannot open the segment directory: Not a directory')

    def run_as_nobody(self, mode, said):
        require_root('runs a program as another user')
        directory = make_folder(self, self.segments, mode)
        for file in PLAIN_EPOLL, PROBE:  # where he can reach them
            shutil.copy(file, self.folder)
        environment = self.environment([self.folder / PROBE.name], LOOPTAP_DIR=str(directory),
                                       LOOPTAP_VERBOSE='1')
        program = self.run_program([self.folder / PLAIN_EPOLL.name, WAITS], environment=environment,
                                   user=NOBODY, group=NOBODY, extra_groups=[])
        self.assertEqual((program.wait(), program.out, program.err),
                         (0, f'{WAITS}\n', line(said, directory)))

    def test_another_users_in_which_he_may_not_write(self):
        self.run_as_nobody(0o755, 'cannot create a file in the segment directory: Permission denied')

    def test_another_users_in_which_everybody_may_write(self):
        self.run_as_nobody(0o1777, 'measuring')

    def test_another_users_which_he_may_not_enter(self):
        self.run_as_nobody(0o700, 'cannot create a file in the segment directory: Permission denied')


class Limits(UnusableTest):

    def test_no_file_may_grow(self):
        self.run_there([self.victim('plain_epoll'), WAITS], self.segments,
                       'the file-size limit is too low', limit=0)
        self.assertEqual(list(self.segments.iterdir()), [])

    def test_files_may_grow_enough(self):
        self.run_there([self.victim('plain_epoll'), WAITS], self.segments, 'measuring',
                       limit=1 << 20)
        self.assertEqual(len(read_segments(self.segments)), 2)

    def test_verbose_probe_raises_no_signal_where_its_line_may_not_be_written(self):
        with open(self.folder / 'err', 'wb') as err:
            program = subprocess.run(
                [self.victim('plain_epoll'), str(WAITS)], stdout=subprocess.PIPE, stderr=err,
                env=self.environment([PROBE], LOOPTAP_VERBOSE='1'), timeout=DEADLINE,
                preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)))
        self.assertEqual((program.returncode, program.stdout), (0, b'5\n'))

    def test_verbose_probe_raises_no_signal_when_stderr_is_a_closed_pipe(self):
        reading, writing = os.pipe()
        os.close(reading)
        program = subprocess.run(
            [self.victim('plain_epoll'), str(WAITS)], stdout=subprocess.PIPE, stderr=writing,
            env=self.environment([PROBE], LOOPTAP_VERBOSE='1'), timeout=DEADLINE)
        os.close(writing)
        self.assertEqual((program.returncode, program.stdout), (0, b'5\n'))

    def run_with_free_descriptors(self, count, said):
        """The last lines that the victim prints without the probe, and with it."""
        tails = []
        for preload in (), (PROBE,):
            program = self.run_program(
                [self.victim('no_descriptors'), count],
                environment=self.environment(preload, LOOPTAP_VERBOSE='1'))
            self.assertEqual(program.wait(), 0, program)
            self.assertEqual(own_records(program)['main'].waits, 5)
            tails.append(program.out.splitlines()[-1])
        self.assertEqual(program.err, line(said, self.segments))
        self.assertEqual(tails[0], tails[1], 'the program gets the same descriptor numbers')
        return [segment.loops[0].waits for segment in read_segments(self.segments)]

    def test_no_descriptor_is_left(self):
        self.assertEqual(self.run_with_free_descriptors(
            1, 'cannot open the segment directory: Too many open files'), [])

    def test_one_descriptor_is_left(self):
        self.assertEqual(self.run_with_free_descriptors(
            2, 'cannot create a file in the segment directory: Too many open files'), [])

    def test_two_descriptors_are_left(self):
        self.assertEqual(self.run_with_free_descriptors(3, 'measuring'), [5])

    def test_segment_made_under_umask_077_is_read_by_another_users_exporter(self):
        require_root('runs an exporter as another user')
        metrics = self.serve(**self.unprivileged())
        program = self.start_victim('rests', 3, umask=0o077)
        self.wait_for(program, 'rests')
        scrape = metrics.scrape()
        self.assertEqual(scrape.value('eventloop_waits_total'), 3)
        self.assertEqual(scrape.value('looptap_processes', state='live'), 1)
        self.go_on(program)
        self.assert_figures(metrics.scrape(), own_records(program)['main'])


class LimitsOnMusl(Limits):
    libc = 'musl'


class Mounts(UnusableTest):
    """File systems that are mounted in a namespace of their own, with which they vanish."""

    def setUp(self):
        super().setUp()
        require_root('mounts file systems')
        self.unshare = find_program('unshare')
        self.mounted = self.folder / 'mounted'
        self.mounted.mkdir()

    def mounting(self, arguments, command):
        """A command line that mounts something on self.mounted, and then is that command."""
        self.skip_unless_it_works(arguments)
        return [self.unshare, '--mount', '--propagation', 'private', *SHELL,
                f'env -u LD_PRELOAD mount {arguments} "$0" && exec "$@"', self.mounted, *command]

    def skip_unless_it_works(self, arguments):
        tried = subprocess.run([self.unshare, '--mount', '--propagation', 'private', *SHELL,
                                f'mount {arguments} "$0"', self.mounted], stderr=subprocess.PIPE)
        if tried.returncode:
            self.skipTest(f'may not mount here: {tried.stderr.decode().strip()}')

    def run_on(self, arguments, said):
        self.run_there(self.mounting(arguments, [PLAIN_EPOLL, WAITS]), self.mounted, said)

    def test_read_only_file_system(self):
        self.run_on('-t tmpfs -o ro none', 'cannot create a file in the segment directory: Read-only file system')

    def test_full_file_system(self):
        self.run_on('-t tmpfs -o size=4k none', 'cannot reserve the segment: No space left on device')

    def test_file_system_without_an_inode_left(self):
        self.run_on('-t tmpfs -o nr_inodes=1 none',
                    'cannot create a file in the segment directory: No space left on device')

    def test_file_system_with_room_for_one_slot(self):
        self.run_on('-t tmpfs -o size=32k none', 'measuring')

    def test_file_system_with_room_for_no_slot(self):
        # The segment can be made, and its only loop is dropped.
        self.run_on('-t tmpfs -o size=12k none', 'measuring')

    def start_there(self, arguments, *victim, **variables):
        """A victim that has mounted something, and where that can be seen from outside."""
        program = self.start(
            self.mounting(arguments, [self.victim(victim[0]), *victim[1:]]), stdin=subprocess.PIPE,
            environment=self.environment([PROBE], LOOPTAP_DIR=str(self.mounted), **variables))
        return program, f'/proc/{program.pid}/root{self.mounted}'

    def serve_from(self, directory):
        exporter = self.start([LOOPTAP, 'serve', '--web.listen-address=127.0.0.1:0',
                               f'--segments.dir={directory}'], environment=self.environment())
        return exporter, Metrics(exporter)

    def run_instances(self, fill):
        """5 loops, of which the later ones come when the file system is full, or could be."""
        program, directory = self.start_there('-t tmpfs -o size=1m none',
                                              'many_instances', 'at_once', 5, 'hold')
        self.wait_for(program, 'one')
        _, metrics = self.serve_from(directory)
        self.assertEqual(metrics.scrape().value('eventloop_waits_total'), 1)
        if fill:
            with open(f'{directory}/fill', 'wb', buffering=0) as file:
                try:
                    while file.write(bytes(4096)):
                        pass
                except OSError:
                    pass
        self.go_on(program, 'all')
        program.say('')
        self.assertEqual((program.wait(), program.out, program.err), (0, 'one\nall\n10\n', ''))
        scrape = metrics.scrape()
        return (scrape.value('looptap_dropped_loops_total', reason='no_slot'),
                [waits for _, waits in scrape.find('eventloop_waits_total')])

    def test_file_system_that_fills_up_later(self):
        self.assertEqual(self.run_instances(fill=True), (4, [2]))

    def test_file_system_that_does_not_fill_up(self):
        self.assertEqual(self.run_instances(fill=False), (0, [2] * 5))

    def overlay(self):
        for name in 'lower', 'upper', 'work':
            (self.segments / name).mkdir()
        return f'-t overlay -o lowerdir={self.segments}/lower,upperdir={self.segments}/upper,' \
               f'workdir={self.segments}/work none'

    def test_program_on_overlayfs_runs_the_same(self):
        self.run_on(self.overlay(), 'measuring')

    def test_exporter_says_that_overlayfs_loses_the_locks(self):
        program, directory = self.start_there(self.overlay(), 'rests', 3)
        self.wait_for(program, 'rests')
        exporter, metrics = self.serve_from(directory)
        wait_until(lambda: 'on overlayfs' in exporter.err, 'it says so')
        # This is what is lost: the program lives.
        self.assertEqual(metrics.scrape().value('looptap_processes', state='live'), 0)
        self.go_on(program)

    def test_exporter_says_nothing_of_a_tmpfs(self):
        program, directory = self.start_there('-t tmpfs none', 'rests', 3)
        self.wait_for(program, 'rests')
        exporter, metrics = self.serve_from(directory)
        self.assertEqual(metrics.scrape().value('looptap_processes', state='live'), 1)
        self.assertNotIn('overlayfs', exporter.err)
        self.go_on(program)
