"""`make bench-bpf`: what eBPF adds to an epoll_wait, to a getpid and to an event, by hook, beside other
ways to watch.

    python3 -m bench.bench_bpf           (in tests/, with BUILD naming the folder with the build)
    python3 -m bench.bench_bpf --rounds  prints nothing but the measured rounds, as JSON

Prints Markdown and writes the same figures to $BUILD/bench/bpf.json. BENCH_ROUNDS says how much is
measured: 8 unless told otherwise, some minutes; 1 is a quick look. What cannot be measured here says
why. Where this kernel refuses fentry, it is measured in an emulated machine (tests/vm): nanoseconds
mean nothing there, and ratios something.

In each round each way to watch is attached to one running program, the target, then the calls are
measured in it and in another program that does the same. Every watcher must have seen all waits.
An event is a write that makes a descriptor of an epoll instance ready, and the wait that returns it.
"""

import contextlib
import json
import os
import pathlib
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import unittest

from bench.bench_probe import Report
from bench.quartiles import Quartiles
from bench.rounds import rounds_asked_for
from e2e.harness import BUILD, LOOPTAP, PROBE, Metrics, Program, find_program, wait_until
from vm.machine import KERNELS, Machine, why_not

PROGRAM = BUILD / 'bench/syscall_cost'
MILLISECONDS = 60        # for each of the calls
CALLS = 'epoll_wait', 'getpid', 'event'
MOST_OF_BPFTRACE = 0.5   # looptap's tracepoints, of what bpftrace's pair adds to an epoll_wait
MOST_UNRELATED = 0.03    # fentry, of a getpid: nothing, but emulation is not steady
MOST_UNSTEADY = 1.25     # of the fastest getpid: more, and somebody else traces
UNTRACED_SECONDS = 60
MOST_VM_ROUNDS = 5
VM_SECONDS = 1200

NOTHING = 'nothing'
PRELOAD = 'looptap, preloaded'
QUEUES = 'looptap, fentry, event queues'


class Refused(Exception):
    """A way to watch that does not work here. Says why."""


class Workload:
    """A running syscall_cost."""

    def __init__(self, cpu, folder, preload=''):
        self.process = subprocess.Popen(
            [PROGRAM, str(cpu)], text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            env={**os.environ, 'LOOPTAP_DIR': folder, 'LD_PRELOAD': str(preload)})
        self.pid = self.process.pid
        self.waits = 0
        assert self.process.stdout.readline() == 'ready\n'

    def measure(self, milliseconds=MILLISECONDS):
        """Nanoseconds for each of the calls."""
        self.process.stdin.write(f'{milliseconds}\n')
        self.process.stdin.flush()
        fields = self.process.stdout.readline().split()
        figures = dict(zip(fields[::2], map(float, fields[1::2])))
        self.waits = figures.pop('waits')
        return figures

    def end(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


# ---- Ways to watch: contexts in which the target is watched --------------------------------------


@contextlib.contextmanager
def running(folder, command, number=signal.SIGINT):
    """A watcher, which is ended by its signal."""
    files = [pathlib.Path(folder, f'watcher.{name}') for name in ('out', 'err')]
    with open(files[0], 'wb') as out, open(files[1], 'wb') as err:
        process = subprocess.Popen([str(part) for part in command], stdin=subprocess.DEVNULL,
                                   stdout=out, stderr=err, start_new_session=True)
    program = Program(process, *files)
    try:
        yield program
    finally:
        if process.poll() is None:
            os.killpg(process.pid, number)
        program.wait()


def wait_until_ready(program, condition):
    wait_until(lambda: condition() or program.process.poll() is not None, f'{program} is ready')
    if program.process.poll() is not None:
        raise Refused((program.err.strip() or f'it ended: {program}').splitlines()[-1])


def check_count(counted, made):
    if counted < made:
        raise AssertionError(f'{counted:.0f} of {made:.0f} waits have been seen')


@contextlib.contextmanager
def untraced(_target, _folder):
    yield


def looptap(hook, *flags):
    @contextlib.contextmanager
    def watching(target, folder):
        before = target.waits
        with running(folder, [LOOPTAP, 'serve', '--web.listen-address=127.0.0.1:0',
                              f'--segments.dir={folder}', f'--bpf.hook={hook}',
                              f'--bpf.target=pid:{target.pid}', *flags], signal.SIGTERM) as program:
            wait_until_ready(program, lambda: 'http://' in program.err)
            yield
            scrape = Metrics(program).scrape()
            check_count(scrape.total('eventloop_waits_total', pid=str(target.pid)),
                        target.waits - before)
    return watching


# bpftrace and perf want tracefs, which need not be mounted. Nobody else sees this mount.
WITH_TRACEFS = ['unshare', '-m', 'sh', '-c',
                'mount -t tracefs tracefs /sys/kernel/tracing; exec "$@"', 'sh']

# Programs that do nothing: what the tracepoints cost by themselves. The least of use that programs
# can do. And what looptap does: a histogram of the time in between.
EMPTY = ('tracepoint:syscalls:sys_enter_epoll_wait { $nothing = 0 } '
         'tracepoint:syscalls:sys_exit_epoll_wait { $nothing = 0 } ')
COUNTING = ('tracepoint:syscalls:sys_enter_epoll_wait { @entered = count() } '
            'tracepoint:syscalls:sys_exit_epoll_wait { @returned = count() } ')
TIMING = ('tracepoint:syscalls:sys_enter_epoll_wait { @start[tid] = nsecs } '
          'tracepoint:syscalls:sys_exit_epoll_wait { @ns = hist(nsecs - @start[tid]) } ')


def bpftrace(script):
    @contextlib.contextmanager
    def watching(target, folder):
        before = target.waits
        with running(folder, [*WITH_TRACEFS, find_program('bpftrace'), '-e',
                              script + 'interval:ms:100 { printf("attached\\n") }']) as program:
            wait_until_ready(program, lambda: 'attached' in program.out)
            yield
        counts = re.findall(r'^@returned: (\d+)|^[\[(][^\])]*[\])] +(\d+) \|', program.out, re.M)
        if script in (COUNTING, TIMING):
            check_count(sum(float(one or other) for one, other in counts), target.waits - before)
    return watching


def summary_of_waits(summary, pattern):
    """How many it says that it has seen."""
    found = re.search(pattern, pathlib.Path(summary).read_text(errors='replace'), re.M)
    return float(found[1]) if found else 0


@contextlib.contextmanager
def perf_trace(target, folder):
    summary = os.path.join(folder, 'summary')
    with running(folder, [*WITH_TRACEFS, find_program('perf'), 'trace', '-s', '-e', 'epoll_wait',
                          '-o', summary, '-p', target.pid]) as program:
        # It does not say when it has begun; from then on a wait takes longer.
        bare = target.measure(5)['epoll_wait']
        wait_until_ready(program, lambda: target.measure(5)['epoll_wait'] > 1.5 * bare)
        yield
    # What does not fit its buffer it loses, and says so.
    check_count(summary_of_waits(summary, r'^ *epoll_wait +(\d+)'), 1)


@contextlib.contextmanager
def strace(target, folder):
    before, summary = target.waits, os.path.join(folder, 'summary')
    with running(folder, [find_program('strace'), '-c', '-e', 'trace=epoll_wait', '-o', summary,
                          '-p', target.pid]) as program:
        wait_until_ready(program, lambda: 'attached' in program.err)
        yield
    check_count(summary_of_waits(summary, r'(\d+) +epoll_wait$'), target.waits - before)


WAYS = {
    NOTHING: untraced,
    PRELOAD: untraced,
    'looptap, fentry': looptap('fentry'),
    QUEUES: looptap('fentry', '--bpf.event-queue'),
    'looptap, tracepoint': looptap('tracepoint'),
    'looptap, uprobe': looptap('uprobe'),
    'empty programs': bpftrace(EMPTY),
    'bpftrace counts': bpftrace(COUNTING),
    'bpftrace times': bpftrace(TIMING),
    'perf trace': perf_trace,
    'strace': strace,
}


# ---- Rounds --------------------------------------------------------------------------------------


def wait_until_untraced(program, bare_ns):
    """Somebody else on this machine may trace syscalls, too, which every getpid shows."""
    def untraced_now():
        bare_ns.append(program.measure(5)['getpid'])
        return bare_ns[-1] < MOST_UNSTEADY * min(bare_ns)
    try:
        wait_until(untraced_now, 'nobody else traces', UNTRACED_SECONDS)
    except AssertionError:
        del bare_ns[:]  # the machine has become slower for good


def measure_way(way, target, other, folder, bare_ns):
    """{'target': {call: ns}, 'other': {call: ns}}"""
    wait_until_untraced(other, bare_ns)
    with WAYS[way](target, folder):
        for program in target, other:
            program.measure(5)
        return {'target': target.measure(), 'other': other.measure()}


def measure(cpu, rounds):
    """Rounds, [{way: figures}], and the ways that do not work: {way: reason}."""
    done, left_out, bare_ns = [], {}, []
    with tempfile.TemporaryDirectory(prefix='looptap-bench-') as folder:
        programs = [Workload(cpu, folder), Workload(cpu, folder), Workload(cpu, folder, PROBE)]
        target, other, preloaded = programs
        try:
            for number in range(rounds):
                figures = {}
                names = [name for name in WAYS if name not in left_out]
                for name in names[number % len(names):] + names[:number % len(names)]:
                    watched = preloaded if name == PRELOAD else target
                    try:
                        figures[name] = measure_way(name, watched, other, folder, bare_ns)
                    except (Refused, unittest.SkipTest) as reason:
                        left_out[name] = str(reason)
                done.append(figures)
        finally:
            for program in programs:
                program.end()
    return done, left_out


# ---- What they tell ------------------------------------------------------------------------------


class Costs:

    def __init__(self, rounds):
        self.rounds = rounds
        self.ways = [name for name in WAYS if all(name in figures for figures in rounds)]

    def time(self, way, whose, call):
        return Quartiles(figures[way][whose][call] for figures in self.rounds)

    def added(self, way, whose, call):
        """To the call that nobody watches, in ns: the difference, round by round."""
        return Quartiles(figures[way][whose][call] - figures[NOTHING][whose][call]
                         for figures in self.rounds)

    def share(self, way, whose, call):
        """The same as a part of that call."""
        return Quartiles(figures[way][whose][call] / figures[NOTHING][whose][call] - 1
                         for figures in self.rounds)

    def of(self, way, other_way, call):
        """What a way adds to the target's call, as a part of what another adds."""
        return self.added(way, 'target', call).median / self.added(other_way, 'target', call).median

    def of_what_is_added(self, way, other_way, least):
        """The same, of what both add to what the least way adds already."""
        own, others = (statistics.median(figures[name]['target']['epoll_wait']
                                         - figures[least]['target']['epoll_wait']
                                         for figures in self.rounds) for name in (way, other_way))
        return own / others

    def table(self, column, pattern):
        calls = ' | '.join(CALLS)
        lines = [f'| watched by | target: {calls} | another program: {calls} |',
                 '|---|' + '---:|' * 2 * len(CALLS)]
        for way in self.ways:
            cells = [column(way, whose, call).format(pattern)
                     for whose in ('target', 'other') for call in CALLS]
            lines.append(f'| {way} | ' + ' | '.join(cells) + ' |')
        return '\n'.join(lines)

    def as_json(self):
        return {way: {whose: {call: {'ns': self.time(way, whose, call).as_json(),
                                     'added_ns': self.added(way, whose, call).as_json()}
                              for call in CALLS}
                      for whose in ('target', 'other')}
                for way in self.ways}


def report_here(report, costs):
    report.title('Nanoseconds for one call')
    report.say(costs.table(costs.time, '{:.0f}'))
    report.title('Nanoseconds added to it')
    report.say(costs.table(costs.added, '{:+.0f}'))
    report.figures['here'] = costs.as_json()
    for way in 'bpftrace counts', 'bpftrace times':
        if {'looptap, tracepoint', way} <= set(costs.ways):
            ratio = costs.of('looptap, tracepoint', way, 'epoll_wait')
            report.target(f'tracepoints: added to an epoll_wait, of what is added where {way}',
                          ratio, MOST_OF_BPFTRACE, '{:.2f}')
    if {'looptap, tracepoint', 'empty programs', 'bpftrace times'} <= set(costs.ways):
        report.say('Of what bpftrace that times adds to the bare tracepoints, looptap adds to them: '
                   f'{costs.of_what_is_added("looptap, tracepoint", "bpftrace times", "empty programs"):.2f}')


def report_fentry(report, costs):
    for whose, name in ('target', 'the target'), ('other', 'another program'):
        share = costs.share('looptap, fentry', whose, 'getpid')
        what = f'fentry: added to a getpid of {name}'
        if share.low < MOST_UNRELATED < share.high:
            report.leave_out(f'the verdict on {what}', f'{share.format("{:+.0%}")} is too uncertain')
        else:
            report.target(what, share.median, MOST_UNRELATED, '{:+.1%}')


def report_emulated(report, rounds):
    """In a machine of QEMU's, where every instruction takes longer, though not by one factor. The probe
    has no TSC to rely on there, and asks the kernel for the time."""
    kernel = KERNELS[0]
    if reason := why_not(kernel):
        return report.leave_out('fentry on another kernel', reason)
    command = f'env BENCH_ROUNDS={min(rounds, MOST_VM_ROUNDS)} python3 -m bench.bench_bpf --rounds'
    machine = Machine(kernel, command, VM_SECONDS)
    lines = list(machine.lines())
    if machine.status != 0:
        return report.leave_out(f'fentry on the kernel of {kernel}', ' '.join(lines[-3:]))
    measured = json.loads(lines[-1])
    costs = Costs(measured['rounds'])
    report.title(f'Emulated, with {measured["kernel"]}: added, as a part of the call')
    report.say(costs.table(costs.share, '{:+.0%}'))
    report.figures['emulated'] = {'kernel': measured['kernel'], **costs.as_json()}
    if 'looptap, fentry' in costs.ways:
        report_fentry(report, costs)
    else:
        report.leave_out('fentry there', measured['left_out']['looptap, fentry'])


def main(arguments):
    rounds = rounds_asked_for(otherwise=8)
    if os.geteuid() != 0:
        sys.exit('bench-bpf: needs root')
    cpu = max(os.sched_getaffinity(0))
    if arguments == ['--rounds']:
        done, left_out = measure(cpu, rounds)
        kernel = os.uname().release
        return print(json.dumps({'kernel': kernel, 'rounds': done, 'left_out': left_out}))
    report = Report()
    report.say('# What eBPF costs\n\nMeasured on: '
               + ', '.join(f'{name} {value}' for name, value in report.figures['machine'].items())
               + f'. Medians [quartiles]; {rounds} rounds.')
    done, left_out = measure(cpu, rounds)
    costs = Costs(done)
    report_here(report, costs)
    for way, reason in left_out.items():
        report.leave_out(way, reason)
    if 'looptap, fentry' in costs.ways:
        report_fentry(report, costs)
    else:
        report_emulated(report, rounds)
    report.write(BUILD / 'bench/bpf.json')
    return report.say(f'\nWritten to {BUILD / "bench/bpf.json"}.')


if __name__ == '__main__':
    main(sys.argv[1:])
