"""fork, vfork, exec, daemons, setuid, chroot: each process has its own figures, and the parent's stay right."""

import os
import subprocess

from e2e.harness import (COUNT_WAITS, LOOPTAP, NOBODY, PROBE, PROGRAMS, PYTHON, Metrics, find_program,
                         free_port, require_root, wait_until)
from e2e.own_records import VictimTest, own_records
from e2e.segment import read_segments


class Children(VictimTest):

    def assert_all_figures(self, scrape, records):
        self.assertEqual(len(scrape.find('eventloop_waits_total')), len(records))
        for record in records.values():
            self.assert_figures(scrape, record, pid=str(record.pid))

    def test_forked_children_have_figures_of_their_own_or_none(self):
        metrics = self.serve()
        program = self.start_victim('prefork')
        self.wait_for(program, 'forked')
        self.go_on(program)
        records = own_records(program)
        self.assertEqual(set(records), {'parent', 'exits', '_exits'})
        self.assert_all_figures(metrics.scrape(), records)
        self.assertEqual(len(read_segments(self.segments)), len(records))

    def test_parent_lives_on_when_its_children_have_run_their_exit_handlers(self):
        metrics = self.serve()
        program = self.start_victim('prefork')
        self.wait_for(program, 'forked')
        by_pid = {segment.pid: segment for segment in read_segments(self.segments)}
        self.assertEqual(by_pid.pop(program.pid).exited_ns, 0)
        self.assertEqual(len(by_pid), 2)
        for segment in by_pid.values():
            self.assertGreater(segment.exited_ns, 0)
        scrape = metrics.scrape()
        self.assertEqual(scrape.value('looptap_processes', state='live'), 1)
        self.assertEqual(scrape.value('looptap_processes', state='ended'), 2)
        self.go_on(program)
        parent, = [segment for segment in read_segments(self.segments) if segment.pid == program.pid]
        self.assertGreater(parent.exited_ns, 0)

    def test_loop_starts_anew_after_exec(self):
        metrics = self.serve()
        program = self.start_victim('execs_itself', 2)
        self.wait_for(program, 'last')
        # qemu tells another start time after an exec: as another process, it is taken in one look later.
        wait_until(lambda: metrics.scrape().value('looptap_processes', state='live') == 1, 'it is seen')
        scrape = metrics.scrape()
        self.assertEqual(scrape.value('eventloop_waits_total', pid=str(program.pid)), 4)
        self.assertEqual(scrape.value('looptap_processes', state='ended'), 0)
        self.assertEqual([[loop.waits for loop in segment.loops]
                          for segment in read_segments(self.segments)], [[4], [4], [4]])
        self.go_on(program)
        self.assertEqual(metrics.scrape().value('eventloop_waits_total'), 4)

    def test_daemon_is_measured_and_alive_though_it_has_closed_everything(self):
        metrics = self.serve()
        program = self.start_victim('daemon')
        program.wait()
        wait_until(lambda: 'daemon' in program.out.splitlines(), f'the daemon of {program} runs')
        records = own_records(program)
        scrape = metrics.scrape()
        first, daemon = (str(records[name].pid) for name in ('first', 'daemon'))
        self.assertEqual(scrape.value('looptap_processes', state='live'), 1)
        self.assertEqual(scrape.value('looptap_processes', state='ended'), 1)
        self.assertEqual(scrape.value('eventloop_waits_total', pid=first), 3)
        self.assert_figures(scrape, records['daemon'], pid=daemon)
        self.assertEqual(scrape.value('eventloop_blocked_seconds', pid=daemon), 0)
        program.say('')
        wait_until(lambda: metrics.scrape().value('looptap_processes', state='live') == 0,
                   'the daemon has ended')
        self.assert_figures(metrics.scrape(), records['daemon'], pid=daemon)


class ChildrenOnMusl(Children):
    libc = 'musl'


class Vforking(VictimTest):

    def assert_nothing_changes(self, how):
        metrics = self.serve()
        program = self.start_victim('vfork_child', how)
        self.wait_for(program, 'works')
        # It still is the parent's loop, and the child's end was not the parent's.
        wait_until(lambda: metrics.scrape().value('eventloop_blocked_seconds') > 0.12,
                   'the parent is blocked')
        segment, = read_segments(self.segments)
        self.assertEqual(segment.exited_ns, 0)
        self.go_on(program)
        scrape = metrics.scrape()
        self.assert_figures(scrape, own_records(program)['main'])
        self.assertEqual(scrape.value('eventloop_stalls_total'), 1)
        segment, = read_segments(self.segments)
        self.assertEqual([loop.instances for loop in segment.loops], [1])


class VforkChildren(Vforking):

    def test_close(self):
        self.assert_nothing_changes('close')

    def test_system_call(self):
        self.assert_nothing_changes('syscall')

    def test_dup2(self):
        self.assert_nothing_changes('dup2')

    def test_dup3(self):
        self.assert_nothing_changes('dup3')

    def test_posix_spawn(self):
        self.assert_nothing_changes('spawn')


class VforkChildrenOnMusl(VforkChildren):
    libc = 'musl'


class VforkChildrenOfGlibc(Vforking):
    """By functions that musl does not have."""

    def test_close_range(self):
        self.assert_nothing_changes('close_range')

    def test_closefrom(self):
        self.assert_nothing_changes('closefrom')

    def test_subprocesses_of_python(self):
        metrics = self.serve()
        program = self.start([PYTHON, PROGRAMS / 'spawns.py', 10], [PROBE, COUNT_WAITS],
                             stdin=subprocess.PIPE)
        self.wait_for(program, 'resting')
        scrape, returned = self.at_rest(metrics)
        self.assertGreaterEqual(returned, 20)
        self.assertEqual(scrape.value('eventloop_waits_total'), returned)
        self.assertEqual(scrape.value('eventloop_iteration_seconds_count'), returned)
        segment, = read_segments(self.segments)
        self.assertEqual([(loop.instances, loop.ended) for loop in segment.loops], [(1, False)])


class Redis(VictimTest):

    def test_background_save_leaves_the_parents_figures_right(self):
        redis, client = find_program('redis-server'), find_program('redis-cli')
        benchmark = find_program('redis-benchmark')
        metrics = self.serve()
        port = free_port()
        server = self.start([redis, '--bind', '127.0.0.1', '--port', port, '--save', '',
                             '--dir', self.folder], [PROBE, COUNT_WAITS])
        wait_until(lambda: 'eady to accept connections' in server.out
                   or server.process.poll() is not None, f'{server} is ready')
        load = self.start([benchmark, '-h', '127.0.0.1', '-p', port, '-c', '4', '-n', '50000',
                           '-q', '-t', 'set'])
        for saved in range(1, 4):
            self.assertEqual(self.run_program([client, '-p', port, 'BGSAVE']).wait(), 0)
            wait_until(lambda: server.out.count('Background saving terminated with success') == saved,
                       f'{server} has saved')
            self.assertEqual(metrics.scrape().value('looptap_processes', state='live'), 1)
        self.assertEqual(load.wait(), 0, load)
        self.assertEqual(server.stop(), 0, server)
        scrape = metrics.scrape()
        self.assertEqual(len(read_segments(self.segments)), 1)
        self.assertEqual(scrape.label_values('pid'), {str(server.pid)})
        self.assertEqual(scrape.value('eventloop_waits_total'), self.returned_waits(server.pid))
        self.assertEqual(self.returned_waits(), self.returned_waits(server.pid))


class Privileges(VictimTest):

    def setUp(self):
        super().setUp()
        require_root('becomes another user')

    def assert_measured(self, when, owner):
        metrics = self.serve()
        program = self.start_victim('drops_privileges', when)
        self.wait_for(program, 'runs')
        self.assertEqual(metrics.scrape().total('eventloop_waits_total'), 8)
        self.go_on(program)
        record = own_records(program)['main']
        self.assert_figures(metrics.scrape(), record, pid=str(record.pid))
        path, = [segment.path for segment in read_segments(self.segments)
                 if segment.pid == record.pid]
        self.assertEqual(path.stat().st_uid, owner)

    def test_dropped_before_the_first_instance(self):
        self.assert_measured('before', NOBODY)

    def test_dropped_between_waits(self):
        self.assert_measured('between', 0)

    def test_dropped_by_a_worker_after_the_master_has_probed(self):
        self.assert_measured('forked', NOBODY)
        self.assertEqual(len(read_segments(self.segments)), 2)


class Chroot(VictimTest):

    def setUp(self):
        super().setUp()
        require_root('changes its root')

    def serve_root(self):
        """An exporter of the directory that is /segments in there."""
        (self.folder / 'segments').mkdir()
        exporter = self.start(
            [LOOPTAP, 'serve', '--web.listen-address=127.0.0.1:0',
             f"--segments.dir={self.folder / 'segments'}"], environment=self.environment())
        return Metrics(exporter)

    def test_segment_made_before_is_written_on(self):
        metrics = self.serve()
        record = own_records(self.run_victim('chrooted', self.folder, 'after'))['main']
        self.assert_figures(metrics.scrape(), record, process='chrooted', pid=str(record.pid))

    def test_segment_is_made_inside_without_proc(self):
        metrics = self.serve_root()
        program = self.run_victim('chrooted', self.folder, 'before',
                                  variables={'LOOPTAP_DIR': '/segments'})
        record = own_records(program)['main']
        self.assert_figures(metrics.scrape(), record, process='chrooted', pid=str(record.pid))

    def test_program_runs_unmeasured_where_the_directory_cannot_be_reached(self):
        metrics = self.serve()
        program = self.run_victim('chrooted', self.folder, 'before')
        self.assertEqual(own_records(program)['main'].waits, 6)
        self.assert_no_loops(metrics)
        self.assertEqual(os.listdir(self.folder / 'counts'), [])

    def test_verbose_probe_says_that_it_cannot_be_reached(self):
        program = self.run_program(
            [self.victim('chrooted'), self.folder, 'before'],
            environment=self.environment([PROBE], LOOPTAP_VERBOSE='1'))
        self.assertEqual(program.wait(), 0, program)
        self.assertEqual(program.err, 'looptap: not measured: cannot open the segment directory: '
                                      f'No such file or directory (LOOPTAP_DIR is {self.segments})\n')
