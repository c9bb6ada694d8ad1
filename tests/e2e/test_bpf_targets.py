"""Which processes --bpf.target names, what it says where it cannot, and what the exporter keeps of its privileges."""

import os
import re
import signal
import subprocess

from e2e.bpf_test import BpfTest, remove_cgroup
from e2e.harness import (BUILD, LOOPTAP, PLAIN_EPOLL, PROBE, PROGRAMS, PYTHON, STATIC_PLAIN_EPOLL,
                         LooptapTest, Metrics, make_folder, require_mount_namespaces, require_root, wait_until)
from e2e.own_records import VictimTest

needs = ('bpf',)

NO_SUCH_PID = 4194304  # PID_MAX_LIMIT: never given


class Targets(BpfTest, VictimTest):

    def waits(self, metrics, program):
        return metrics.scrape().total('eventloop_waits_total', pid=str(program.pid))

    def ready(self, preload=()):
        """asyncio, which ticks a thousand times a second."""
        program = self.start([PYTHON, PROGRAMS / 'asyncio_ticks.py', '100000'], preload)
        wait_until(lambda: os.path.exists(f'/proc/{program.pid}/cmdline') and
                   'asyncio' in open(f'/proc/{program.pid}/cmdline').read(), f'{program} runs')
        return program

    def test_pid_of_a_running_process_and_no_other(self):
        program, other = self.ready(), self.ready()
        metrics = self.measure(targets=[f'pid:{program.pid}'])
        wait_until(lambda: self.waits(metrics, program) > 10, 'it is measured')
        self.assertEqual(metrics.scrape().label_values('pid'), {str(program.pid)})
        self.assertIsNone(other.process.poll())

    def test_two_pids(self):
        programs = [self.ready(), self.ready()]
        metrics = self.measure(targets=[f'pid:{program.pid}' for program in programs])
        for program in programs:
            wait_until(lambda: self.waits(metrics, program) > 10, 'it is measured')

    def test_pids_as_a_shell_puts_them(self):
        """The command of docs/ebpf.md, with two of a name, quoted and not."""
        name = f'many-{os.getpid()}'[:15]
        interpreter = self.folder / name
        interpreter.symlink_to(PYTHON)
        programs = [self.start([interpreter, PROGRAMS / 'asyncio_ticks.py', '100000']) for _ in range(2)]
        wait_until(lambda: all(open(f'/proc/{program.pid}/comm').read().strip() == name for program in programs),
                   'they have their name')
        for target in 'pid:$(pgrep -x "$0")', '"pid:$(pgrep -x "$0")"':
            script = f'exec "$1" serve --web.listen-address=127.0.0.1:0 --segments.dir="$2" --bpf.target={target} --bpf.hook=auto'
            metrics = Metrics(self.start(['sh', '-c', script, name, LOOPTAP, self.segments]))
            for program in programs:
                wait_until(lambda: self.waits(metrics, program) > 10, 'it is measured')
            metrics.program.stop()

    def test_comm_of_a_running_process_and_of_a_new_one(self):
        name = f'ticks-{os.getpid()}'[:15]
        interpreter = self.folder / name
        interpreter.symlink_to(PYTHON)
        command = [interpreter, PROGRAMS / 'asyncio_ticks.py', '100000']
        running, other = self.start(command), self.ready()
        wait_until(lambda: open(f'/proc/{running.pid}/comm').read().strip() == name, 'it has its name')
        metrics = self.measure(targets=[f'comm:{name}'])
        new = self.start(command)
        for program in running, new:
            wait_until(lambda: self.waits(metrics, program) > 10, f'{program} is measured')
        self.assertEqual(metrics.scrape().label_values('process'), {name})
        self.assertIsNone(other.process.poll())

    def test_comm_that_a_process_gives_itself(self):
        name = f'named-{os.getpid()}'[:15]
        metrics = self.measure(targets=[f'comm:{name}'])
        program = self.start([PYTHON, '-c', 'import asyncio\n'
                              f'open("/proc/self/comm", "w").write("{name}")\n'
                              'async def main():\n'
                              ' while True: await asyncio.sleep(0.001)\n'
                              'asyncio.run(main())'])
        wait_until(lambda: self.waits(metrics, program) > 10, 'it is measured')

    def test_cgroup_of_a_running_process_and_those_below_it(self):
        running = self.ready()
        metrics = self.measure()
        self.cgroup = self.cgroup / 'below'
        self.cgroup.mkdir()
        self.addCleanup(lambda: wait_until(lambda: not self.cgroup.exists() or not self.cgroup.rmdir(), 'it is gone'))
        below = self.ready()
        for program in running, below:
            wait_until(lambda: self.waits(metrics, program) > 10, f'{program} is measured')
            program.stop(signal.SIGKILL)

    def test_all_leaves_out_looptap_and_preloaded_processes(self):
        metrics = self.measure(targets=['all'], segments=self.segments)
        preloaded, other = self.ready([PROBE]), self.ready()
        for program in preloaded, other:
            wait_until(lambda: self.waits(metrics, program) > 10, f'{program} is measured')
        for _ in range(20):
            scrape = metrics.scrape()
            found = scrape.find('eventloop_waits_total')
            keys = [tuple(sorted(labels.items())) for labels, _ in found]
            self.assertEqual(len(keys), len(set(keys)), 'no series is there twice')
            self.assertEqual(len(scrape.find('eventloop_waits_total', pid=str(preloaded.pid))), 1)
        self.assertNotIn('looptap', scrape.label_values('process'))
        # What the segment says, and not eBPF: that has begun later, or would count twice.
        probes, = {value for _, value in scrape.find('eventloop_waits_total', pid=str(preloaded.pid))}
        self.assertLess(probes, 100001)

    def test_pid_of_a_preloaded_process_is_measured_once(self):
        preloaded = self.ready([PROBE])
        metrics = self.measure(targets=[f'pid:{preloaded.pid}'], segments=self.segments)
        wait_until(lambda: self.waits(metrics, preloaded) > 10, 'it is measured')
        for _ in range(20):
            self.assertEqual(len(metrics.scrape().find('eventloop_waits_total')), 1)

    def test_figures_of_the_dead_stay_and_vanish(self):
        metrics = self.measure('--segments.linger=1s')
        program = self.run_program([PLAIN_EPOLL, '300'])
        self.assertEqual(program.wait(), 0)
        scrape = metrics.scrape()
        self.assertEqual(scrape.value('eventloop_waits_total'), 300)
        self.assertEqual(scrape.value('eventloop_blocked_seconds'), 0)
        wait_until(lambda: not metrics.scrape().find('eventloop_waits_total'), 'they vanish')

    def test_process_killed_in_a_stall_is_counted(self):
        metrics = self.measure()
        program = self.start([PYTHON, PROGRAMS / 'asyncio_freezes.py'], stdin=subprocess.PIPE)
        wait_until(lambda: 'ready' in program.out, f'{program} is ready')
        program.say('30')
        wait_until(lambda: metrics.scrape().total('eventloop_blocked_seconds') > 0.3, 'it is blocked')
        program.stop(signal.SIGKILL)
        wait_until(lambda: metrics.scrape().value('looptap_deaths_in_stall_total') == 1, 'its death is counted')


class OlderCgroups(BpfTest):
    """cgroup v1: a hierarchy of the test's own, which has a name and no controllers."""

    hierarchy = f'looptap-test-{os.getpid()}'

    def make_cgroup(self):
        self.root = make_folder(self, None, 0o755)
        made = subprocess.run(['mount', '-t', 'cgroup', '-o', f'none,name={self.hierarchy}', 'none', self.root],
                              capture_output=True, text=True)
        if made.returncode:
            self.skipTest(f'no hierarchy of cgroup v1 can be made: {made.stderr.strip()}')
        self.addCleanup(subprocess.run, ['umount', self.root], check=True)
        group = self.root / 'outer'
        for folder in group, group / 'inner':
            folder.mkdir()
        self.addCleanup(remove_cgroup, group)
        self.addCleanup(remove_cgroup, group / 'inner')
        return group / 'inner'

    def ready(self):
        program = self.start([PYTHON, PROGRAMS / 'asyncio_ticks.py', '100000'])
        wait_until(lambda: str(program.pid) in (self.cgroup / 'cgroup.procs').read_text().split(),
                   f'{program} is in its cgroup')
        return program

    def assert_measures_what_is_in_it(self, path):
        """A process that runs already, one that comes later and one that is moved there; and no other."""
        running = self.ready()
        self.cgroup = self.root
        other, moved = self.ready(), self.ready()
        metrics = self.measure(targets=[f'cgroup:{path}'])
        (self.root / 'outer/cgroup.procs').write_text(str(moved.pid))
        self.cgroup = self.root / 'outer/inner'
        measured = running, self.ready(), moved
        for program in measured:
            wait_until(lambda: metrics.scrape().total('eventloop_waits_total', pid=str(program.pid)) > 10,
                       f'{program} is measured')
        self.assertEqual(metrics.scrape().label_values('pid'), {str(program.pid) for program in measured})
        for program in *measured, other:
            self.assertIsNone(program.process.poll(), program)
            program.stop(signal.SIGKILL)

    def test_directory(self):
        self.assert_measures_what_is_in_it(self.root / 'outer')

    def test_path_within_a_hierarchy(self):
        self.assert_measures_what_is_in_it('/outer')


class Privileges(BpfTest):

    def test_are_given_up_once_it_is_attached(self):
        metrics = self.measure()
        status = open(f'/proc/{metrics.program.pid}/status').read()
        held = int(re.search(r'^CapEff:\s*(\S+)', status, re.M)[1], 16)
        permitted = int(re.search(r'^CapPrm:\s*(\S+)', status, re.M)[1], 16)
        for name, number in ('CAP_SYS_ADMIN', 21), ('CAP_BPF', 39), ('CAP_PERFMON', 38), ('CAP_NET_ADMIN', 12):
            self.assertFalse((held | permitted) >> number & 1, name)
        # It goes on measuring without them.
        program = self.run_program([PLAIN_EPOLL, '300'])
        self.assertEqual(program.wait(), 0)
        self.assertEqual(metrics.scrape().value('eventloop_waits_total'), 300)

    def test_are_kept_without_ebpf(self):
        metrics = self.serve()
        with open('/proc/self/status') as own, open(f'/proc/{metrics.program.pid}/status') as status:
            self.assertEqual(re.search(r'^CapEff:\s*(\S+)', status.read(), re.M)[1],
                             re.search(r'^CapEff:\s*(\S+)', own.read(), re.M)[1])


class Refusals(LooptapTest):

    def refused(self, *flags, program=LOOPTAP, **options):
        """Its one line."""
        program = self.start([program, 'serve', '--web.listen-address=127.0.0.1:0',
                              f'--segments.dir={self.segments}', *flags], **options)
        self.assertEqual(program.wait(), 2, program)
        self.assertEqual(len(program.err.splitlines()), 1, program)
        return program.err

    def test_of_flags(self):
        for flag, said in (('--bpf.target=pid:0', 'pid:N'), ('--bpf.target=pid:x', 'pid:N'),
                           ('--bpf.target=nobody', 'cgroup:PATH or all'), ('--bpf.target=comm:', 'comm:NAME'),
                           ('--bpf.target=comm:sixteen-bytes-it', '15 bytes'),
                           ('--bpf.hook=kprobe', 'fentry, tracepoint or uprobe'),
                           ('--bpf.max-loops=0', 'from 1 to')):
            self.assertIn(said, self.refused(flag))

    def test_of_a_missing_process(self):
        self.assertIn('no such process', self.refused(f'--bpf.target=pid:{NO_SUCH_PID}'))

    def test_of_a_thread(self):
        program = self.start([BUILD / 'tests/victims/shared_instance', 'hammer', '100000000'])
        threads = wait_until(lambda: {int(name) for name in os.listdir(f'/proc/{program.pid}/task')}
                             - {program.pid}, 'it has threads')
        said = self.refused(f'--bpf.target=pid:{threads.pop()}')
        self.assertIn(f'is a thread of process {program.pid}', said)

    def test_of_a_missing_cgroup(self):
        self.assertIn('cgroup', self.refused('--bpf.target=cgroup:/no/such/group'))

    def test_without_privilege_names_what_is_missing(self):
        require_root('runs the exporter as another user')
        said = self.refused('--bpf.target=all', **self.unprivileged())
        self.assertIn('CAP_BPF and CAP_PERFMON', said)

    def refused_through(self, *starts, target='all', hook='auto', status=2):
        """Its one line, where other programs start it: each makes something be missing."""
        require_root('takes something away from the exporter')
        if starts[:2] == ('unshare', '--mount'):
            require_mount_namespaces()
        program = self.start([*starts, LOOPTAP, 'serve', '--web.listen-address=127.0.0.1:0',
                              f'--segments.dir={self.segments}', f'--bpf.target={target}', f'--bpf.hook={hook}'])
        self.assertEqual(program.wait(), status, program)
        self.assertEqual(len(program.err.splitlines()), 1, program)
        return program.err

    def test_one_privilege_that_is_missing_is_named_alone(self):
        for number, name, other in (39, 'CAP_BPF', 'CAP_PERFMON'), (38, 'CAP_PERFMON', 'CAP_BPF'):
            said = self.refused_through('setpriv', f'--bounding-set=-cap_{number},-sys_admin')
            self.assertIn(f'missing: {name} (or root)', said)
            self.assertNotIn(other, said)

    def test_of_an_old_kernel(self):
        said = self.refused_through('setarch', '--uname-2.6')
        self.assertRegex(said, r'needs Linux 5\.12 or newer: this is 2\.6')

    def test_of_a_kernel_without_types(self):
        said = self.refused_through('unshare', '--mount', 'sh', '-c',
                                    'mount -t tmpfs none /sys/kernel && exec "$@"', 'sh')
        self.assertIn('CONFIG_DEBUG_INFO_BTF', said)
        self.assertIn('/sys/kernel/btf/vmlinux', said)

    def test_of_a_cgroup_where_there_are_none(self):
        if not os.path.ismount('/sys/fs/cgroup'):
            self.skipTest('/sys/fs/cgroup is not mounted')
        said = self.refused_through('unshare', '--mount', 'sh', '-c',
                                    'umount --recursive --lazy /sys/fs/cgroup && exec "$@"', 'sh',
                                    target='cgroup:/system.slice')
        self.assertIn('cgroup:/system.slice', said)

    def test_of_a_libc_where_there_is_none(self):
        program = self.start([STATIC_PLAIN_EPOLL, '100000'])
        said = self.refused_through(target=f'pid:{program.pid}', hook='uprobe')
        self.assertIn(f'process {program.pid} has no libc', said)

    def test_of_tracepoints_that_cannot_be_reached(self):
        said = self.refused_through('unshare', '--mount', 'sh', '-c',
                                    'mount -t tmpfs none /sys/kernel/tracing && exec "$@"', 'sh',
                                    'setpriv', '--bounding-set=-sys_admin', hook='tracepoint')
        self.assertRegex(said, 'tracefs at /sys/kernel/tracing: .*(permitted|denied)')

    def test_without_privilege_it_serves_without_ebpf(self):
        require_root('runs the exporter as another user')
        metrics = self.serve(**self.unprivileged())
        self.assertEqual(metrics.scrape().find('looptap_bpf_hook'), [])
