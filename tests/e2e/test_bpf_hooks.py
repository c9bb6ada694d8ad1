"""Programs that run already are measured by eBPF, through each hook: their waits one for one; and
when the exporter ends, nothing of it is left in the kernel.

A kernel may refuse a hook: its tests are then skipped, with what the exporter says.
"""

import ctypes
import os
import pathlib
import platform
import re
import shutil
import subprocess

from e2e.bpf_test import HookTest
from e2e.harness import PYTHON, find_program, free_port, make_folder, require_mount_namespaces, wait_until
from e2e.own_records import FEW_MS, VictimTest, own_records

needs = ('bpf',)

WAITS = 200

# bpf(2), of which Python knows nothing.
SYS_BPF = {'x86_64': 321, 'aarch64': 280}.get(platform.machine())
GET_BY_ID = {'prog_id': 13, 'link_id': 30, 'map_id': 14}


def held(pid):
    """What BPF objects a process has open: {(kind, id)}. A link tells its program, too."""
    objects = set()
    for path in pathlib.Path(f'/proc/{pid}/fdinfo').iterdir():
        try:
            found = re.findall(r'^(prog_id|link_id|map_id):\s*(\d+)$', path.read_text(), re.M)
            objects |= {(kind, int(number)) for kind, number in found}
        except FileNotFoundError:  # closed meanwhile
            pass
    return objects


def exists(kind, number):
    """Whether the kernel has a BPF object with this id."""
    libc = ctypes.CDLL(None, use_errno=True)
    attributes = ctypes.create_string_buffer(128)
    attributes[0:4] = number.to_bytes(4, 'little')
    descriptor = libc.syscall(SYS_BPF, GET_BY_ID[kind], attributes, len(attributes))
    if descriptor >= 0:
        os.close(descriptor)
    return descriptor >= 0


class Hook(HookTest):
    """The tests of one hook; see the classes below."""

    def ready(self):
        program = self.start_victim('waits_when_told', WAITS, preload=())
        self.wait_for(program, 'ready')
        return program

    def test_waits_of_a_running_program_one_for_one(self):
        measured, other = self.ready(), self.ready()
        metrics = self.measure(f'--bpf.target=pid:{measured.pid}')
        self.go_on(measured, 'waited')
        self.go_on(other, 'waited')
        scrape = metrics.scrape()
        self.assertEqual(scrape.value('looptap_bpf_hook', hook=self.hook), 1)
        self.assertEqual(scrape.label_values('pid'), {str(measured.pid)})
        own = own_records(measured)['main']
        for metric, truth in (('eventloop_waits_total', own.waits),
                              ('eventloop_events_total', own.events),
                              ('eventloop_iteration_seconds_count', own.iterations),
                              ('eventloop_wakeup_delay_seconds_count', own.waits)):
            self.assertEqual(scrape.value(metric, process='waits_when_told'), truth, metric)
        # The way into the syscall and out of it is on the one side here, on the other there.
        within = FEW_MS + WAITS * 100e-6
        for metric, truth in (('eventloop_iteration_seconds_sum', own.away),
                              ('eventloop_wait_seconds_total', own.wait)):
            self.assertAlmostEqual(scrape.value(metric), truth, delta=within, msg=metric)
        self.go_on(measured)
        self.go_on(other)

    def test_redis_is_measured_and_keeps_its_data(self):
        redis, client = find_program('redis-server'), find_program('redis-cli')
        port = free_port()
        server = self.start([redis, '--bind', '127.0.0.1', '--port', port, '--save', '',
                             '--dir', self.folder])
        wait_until(lambda: 'eady to accept connections' in server.out, f'{server} is ready')

        def ask(*command):
            asked = self.run_program([client, '-p', port, *command])
            self.assertEqual(asked.wait(), 0, asked)
            return asked.out.strip()

        self.assertEqual(ask('SET', 'key', 'value'), 'OK')
        metrics = self.measure(f'--bpf.target=pid:{server.pid}')
        self.assertEqual(ask('-r', '100', 'INCR', 'count').splitlines()[-1], '100')
        # One for each command, and one for the connection's end; its begin may have come in the wait that was under
        # way when the hook was attached.
        wait_until(lambda: metrics.scrape().total('eventloop_events_total') >= 101, 'all events are counted')
        scrape = metrics.scrape()
        self.assertEqual(scrape.label_values('process'), {'redis-server'})
        self.assertEqual(scrape.label_values('pid'), {str(server.pid)})
        for quantile in ('0.5', '0.95', '0.99'):
            scrape.value('eventloop_latency_quantile_seconds', quantile=quantile)
        self.assertEqual(metrics.program.stop(), 0, metrics.program)
        self.assertEqual(ask('GET', 'key'), 'value')
        self.assertEqual(ask('GET', 'count'), '100')

    def test_process_that_is_named_stays_measured_past_exec(self):
        victim = self.victim('waits_when_told')
        program = self.start([PYTHON, '-c', 'import os; print("ready", flush=True); input(); '
                              f'os.execv("{victim}", ["{victim}", "{WAITS}"])'], stdin=subprocess.PIPE)
        self.wait_for(program, 'ready')
        metrics = self.measure(f'--bpf.target=pid:{program.pid}')
        program.say('')
        wait_until(lambda: program.out.count('ready') == 2, f'{program} is ready')
        self.go_on(program, 'waited')
        self.assertEqual(metrics.scrape().value('eventloop_waits_total', process='waits_when_told'), WAITS)
        self.go_on(program)

    def test_nothing_is_left_in_the_kernel(self):
        program = self.ready()
        metrics = self.measure(f'--bpf.target=pid:{program.pid}')
        objects = held(metrics.program.pid)
        self.assertTrue({'prog_id', 'map_id'} <= {kind for kind, _ in objects}, objects)
        self.assertTrue(all(exists(*each) for each in objects), objects)
        self.assertEqual(metrics.program.stop(), 0, metrics.program)
        wait_until(lambda: not any(exists(*each) for each in objects), 'they are all gone')
        self.go_on(program, 'waited')
        self.go_on(program)


class Tracepoint(Hook, VictimTest):
    hook = 'tracepoint'


class Uprobe(Hook, VictimTest):
    hook = 'uprobe'

    def assert_measured_and_not(self, measured, other):
        metrics = self.measure(f'--bpf.target=pid:{measured.pid}')
        self.go_on(measured, 'waited')
        self.go_on(other, 'waited')
        scrape = metrics.scrape()
        self.assertEqual(scrape.label_values('pid'), {str(measured.pid)})
        own = own_records(measured)['main']
        self.assertEqual(scrape.value('eventloop_waits_total'), own.waits)
        self.assertEqual(scrape.value('eventloop_iteration_seconds_count'), own.iterations)
        self.go_on(measured)
        self.go_on(other)

    def ready_in(self, *start):
        """A program for musl, which has its libc in a root of its own: started by a program that makes that
        folder its root."""
        root = make_folder(self, None, 0o755)
        loader = pathlib.Path('lib/ld-musl-x86_64.so.1')
        for file, place in (pathlib.Path('/', loader), loader), (self.victim('waits_when_told'), 'program'):
            (root / place).parent.mkdir(exist_ok=True)
            shutil.copy(file, root / place)
        program = self.start([*start, root], stdin=subprocess.PIPE)
        self.wait_for(program, 'ready')
        return program


    def code(self, pid):
        """The first bytes of epoll_wait, in the glibc of a process."""
        def base(of):
            with open(f'/proc/{of}/maps') as maps:
                return next(int(line.split('-')[0], 16) for line in maps if 'libc.so.6' in line)
        own = ctypes.cast(ctypes.CDLL('libc.so.6').epoll_wait, ctypes.c_void_p).value
        with open(f'/proc/{pid}/mem', 'rb') as memory:
            memory.seek(own - base('self') + base(pid))
            return memory.read(8)

    def test_no_process_is_trapped_but_those_that_are_named(self):
        """Of these all threads are. Here the main one does not wait at all."""
        measured, other = (self.start([self.victim('shared_instance'), 'hammer', 100000000])
                           for _ in range(2))
        for program in measured, other:
            wait_until(lambda: len(os.listdir(f'/proc/{program.pid}/task')) > 1, 'it has threads')
        metrics = self.measure(f'--bpf.target=pid:{measured.pid}')
        wait_until(lambda: metrics.scrape().total('eventloop_waits_total') > 100, 'it is measured')
        self.assertEqual(metrics.scrape().label_values('pid'), {str(measured.pid)})
        self.assertNotEqual(self.code(measured.pid), self.code('self'))
        self.assertEqual(self.code(other.pid), self.code('self'))


class UprobeOnMusl(Uprobe):
    """musl's epoll_wait calls its epoll_pwait: that is one wait, not two."""

    libc = 'musl'

    test_redis_is_measured_and_keeps_its_data = None
    test_nothing_is_left_in_the_kernel = None
    test_no_process_is_trapped_but_those_that_are_named = None
    # What execs runs on glibc: musl is not looked for later.
    test_process_that_is_named_stays_measured_past_exec = None

    def test_under_a_chroot(self):
        self.assert_measured_and_not(self.ready_in('sh', '-c', f'exec chroot "$0" /program {WAITS}'),
                                     self.ready())

    def test_in_a_container(self):
        """A mount namespace whose root is the folder."""
        require_mount_namespaces()
        with open('/proc/self/mounts') as mounts:
            if [line.split()[2] for line in mounts if line.split()[1] == '/'][-1] == 'rootfs':
                self.skipTest('pivot_root does not work on an initramfs')
        enter = ('mount --bind "$0" "$0" && cd "$0" && mkdir old && pivot_root . old && '
                 f'umount -l /old && exec /program {WAITS}')
        self.assert_measured_and_not(
            self.ready_in('unshare', '--mount', '--propagation=private', find_program('busybox'), 'sh', '-c', enter),
            self.ready())

    def test_libc_that_has_been_replaced(self):
        measured = self.ready_in('sh', '-c', f'exec chroot "$0" /program {WAITS}')
        os.remove(f'/proc/{measured.pid}/root/lib/ld-musl-x86_64.so.1')
        self.assert_measured_and_not(measured, self.ready())


class Fentry(Hook, VictimTest):
    hook = 'fentry'

    def test_is_the_one_that_is_taken_where_it_works(self):
        program = self.ready()
        self.measure(f'--bpf.target=pid:{program.pid}').program.stop()
        metrics = self.measure(f'--bpf.target=pid:{program.pid}', hook='auto')
        self.assertEqual(metrics.scrape().value('looptap_bpf_hook', hook='fentry'), 1)
