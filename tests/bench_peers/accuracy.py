"""What each measurer says of programs that stall by a schedule, beside the truth."""

import concurrent.futures
import contextlib
import json
import os
import pathlib
import socket
import subprocess
import tempfile
import time

from bench_peers import outside
from bench_peers.schedules import SCHEDULES, SECONDS
from bench_peers.truth import QUANTILES, Truth
from e2e.harness import BUILD, PYTHON, find_program, free_port, wait_until

PROGRAMS = pathlib.Path(__file__).resolve().parent / 'programs'
NODE_MODULES = BUILD / 'bench/npm/node_modules'
FIGURES = (*QUANTILES, 'max')

WATCHDOG_PERIODS = (0.005, 0.02, 0.1)

# node's watches: what node_scheduled.js calls them.
NODE_WATCHES = {
    'delay=': 'monitorEventLoopDelay, default (10 ms)',
    'delay= less': 'monitorEventLoopDelay, default, its interval taken off',
    'delay=1': 'monitorEventLoopDelay, 1 ms',
    'delay=1 less': 'monitorEventLoopDelay, 1 ms, its interval taken off',
    'prom-client': 'prom-client nodejs_eventloop_lag_*',
}


def quantile(ordered, q):
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))] if ordered else 0


def corrected(lateness, period):
    """For coordinated omission, as HdrHistogram and jHiccup do: whoever would have asked while the
    loop was away waited, too, each for one period less."""
    for late in lateness:
        yield late
        while (late := late - period) >= period:
            yield late


def figures_of(samples, stalls):
    ordered = sorted(samples)
    return {name: quantile(ordered, q) for name, q in QUANTILES.items()} | {
        'max': ordered[-1] if ordered else 0, 'stalls': stalls}


class Run:
    """One program that runs one schedule, and those who watch it."""

    def __init__(self, schedule, cpus):
        self.schedule, self.cpus = schedule, cpus
        self.left_out = {}

    def __enter__(self):
        self.stack = contextlib.ExitStack()
        with contextlib.ExitStack() as stack:
            self.folder = pathlib.Path(stack.enter_context(
                tempfile.TemporaryDirectory(prefix='looptap-bench-')))
            self.folder.chmod(0o755)
            self.record = self.folder / 'record'
            (self.folder / 'schedule').write_text(json.dumps(self.schedule.as_json()))
            self.measurers = [each for each in map(self.make, (
                outside.Probe, outside.EbpfExporter, outside.OneLiner)) if each]
            for each in self.measurers:
                stack.callback(each.stop)
            self.stack = stack.pop_all()
        return self

    def __exit__(self, *_):
        self.stack.close()

    def make(self, kind):
        try:
            return kind()
        except outside.LeftOut as reason:
            self.left_out[kind.name] = str(reason)

    def spawn(self, command, pinned=True, environment=None, **options):
        """Starts a program that is killed at the end."""
        cpus = {self.cpus[0]} if pinned else set(self.cpus)
        process = subprocess.Popen([str(part) for part in command],
                                   env={**os.environ, **(environment or {})}, text=True,
                                   preexec_fn=lambda: os.sched_setaffinity(0, cpus), **options)
        self.stack.callback(process.wait)
        self.stack.callback(process.kill)
        return process

    def watched_environment(self):
        environment = {'NODE_PATH': str(NODE_MODULES)}
        for each in self.measurers:
            environment |= each.environment
        return environment

    def attach(self, pid):
        for each in list(self.measurers):
            try:
                each.attach(pid)
            except outside.LeftOut as reason:
                self.measurers.remove(each)
                self.left_out[each.name] = str(reason)

    def outside_figures(self, pid):
        """What they say now, read at once."""
        figures = {}
        for each in self.measurers:
            try:
                figures[each.name] = each.figures(pid)
            except outside.LeftOut as reason:
                self.left_out[each.name] = str(reason)
        return figures

    def speaks(self, process, line):
        said = process.stdout.readline().strip()
        if said != line:
            raise RuntimeError(f'{process.args} said {said!r}, not {line!r}')

    def run_program(self, command):
        """Runs one that starts with a line, ends its schedule with "end", and writes its record with
        the next line. Returns that, and what those outside say."""
        options = {}
        if self.schedule.messages:
            messages, to_program = os.pipe()
            go, told = os.pipe()
            self.spawn([PYTHON, PROGRAMS / 'steady_sender.py', self.schedule.messages, to_program],
                       pinned=False, stdin=go, pass_fds=[to_program])
            command = ['sh', '-c', f'exec "$@" 3<&{messages} 4>&{told}', 'sh', *command]
            options = {'pass_fds': [messages, told]}
        program = self.spawn(command, environment=self.watched_environment(),
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, **options)
        if self.schedule.messages:
            for each in messages, to_program, go, told:
                os.close(each)
        self.speaks(program, 'ready')
        if self.schedule.neighbour:
            self.spawn(['sh', '-c', 'while :; do :; done'])
        self.attach(program.pid)
        print(file=program.stdin, flush=True)
        self.speaks(program, 'end')
        figures = self.outside_figures(program.pid)
        print(file=program.stdin, flush=True)
        wait_until(lambda: program.poll() is not None, f'{program.args} ends', 60)
        return json.loads(self.record.read_text()), figures

    def paths(self):
        return self.folder / 'schedule', self.record


class Asyncio(Run):
    name = 'asyncio'

    def run(self):
        record, figures = self.run_program(
            [PYTHON, PROGRAMS / 'asyncio_scheduled.py', *self.paths(), *WATCHDOG_PERIODS])
        for period in WATCHDOG_PERIODS:
            late = record['lateness'][str(period)]
            stalls = sum(each > outside.THRESHOLD for each in late)
            title = f'watchdog coroutine, {period * 1000:.0f} ms'
            figures[f'{title}, raw'] = figures_of(late, stalls)
            figures[f'{title}, corrected'] = figures_of(corrected(late, period), stalls)
        return Truth(record['durations'], record['observed']), figures


class Node(Run):
    name = 'node'

    def run(self):
        watches = [watch for watch in NODE_WATCHES if not watch.endswith(' less')]
        # The memory reducer collects garbage when the program is idle: milliseconds between handlers,
        # which everybody sees and no record of handlers has.
        record, figures = self.run_program(
            [find_program('node'), '--no-memory-reducer', PROGRAMS / 'node_scheduled.js', *self.paths(), *watches])
        for watch, said in record['said'].items():
            figures[NODE_WATCHES[watch]] = said
        return Truth(record['durations'], record['observed']), figures


class Redis(Run):
    name = 'redis'

    def run(self):
        port = free_port()
        # Becomes redis when everybody has attached: a loop that some watch for longer than others has as
        # many latencies as watchers.
        server = self.spawn(['sh', '-c', 'read -r _; exec "$@"', 'sh', find_program('redis-server'),
                             '--bind', '127.0.0.1', '--port', port,
                             '--save', '', '--appendonly', 'no', '--dir', self.folder,
                             '--enable-debug-command', 'yes', '--latency-monitor-threshold',
                             int(outside.THRESHOLD * 1000), '--slowlog-log-slower-than', 500,
                             '--slowlog-max-len', 10000],
                            environment=self.watched_environment(), stdin=subprocess.PIPE,
                            stdout=subprocess.DEVNULL)
        self.attach(server.pid)

        def answers():
            with contextlib.suppress(OSError), \
                    socket.create_connection(('127.0.0.1', port)) as connection:
                connection.sendall(b'PING\r\n')
                return connection.recv(100) == b'+PONG\r\n'

        start = time.monotonic()
        print(file=server.stdin, flush=True)
        wait_until(answers, 'redis answers')
        client = self.spawn([PYTHON, PROGRAMS / 'redis_client.py', port,
                             self.folder / 'schedule'],
                            pinned=False, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.speaks(client, 'ready')
        print(file=client.stdin, flush=True)
        self.speaks(client, 'end')
        observed = time.monotonic() - start
        figures = self.outside_figures(server.pid)

        def ask(*command):
            return subprocess.run([find_program('redis-cli'), '-p', str(port), *command], check=True,
                                  stdout=subprocess.PIPE, text=True).stdout

        figures |= self.own_figures(ask)
        # Its record: each command of half a millisecond or more, (number, time, us, ...).
        slow = json.loads(ask('--json', 'SLOWLOG', 'GET', '-1'))
        return Truth([command[2] / 1e6 for command in slow], observed), figures

    def own_figures(self, ask):
        """What redis says of itself."""
        # Of each command: its name, "calls", a number, "histogram_usec", bounds and cumulative counts.
        words, counts = ask('LATENCY', 'HISTOGRAM').split(), {}
        for index, word in enumerate(words):
            if word != 'histogram_usec':
                continue
            below = 0
            for bound, count in zip(words[index + 1::2], words[index + 2::2]):
                if not bound.isdigit():
                    break
                counts[int(bound)] = counts.get(int(bound), 0) + int(count) - below
                below = int(count)
        buckets = outside.cumulative((bound / 1e6, counts[bound]) for bound in sorted(counts))
        events = ask('LATENCY', 'HISTORY', 'command').split()
        latest = ask('LATENCY', 'LATEST').split()
        return {
            'LATENCY HISTOGRAM, all commands': {
                name: outside.quantile_of_buckets(buckets, q) for name, q in QUANTILES.items()} | {
                'max': buckets[-1][0] if buckets else 0},
            'LATENCY LATEST, HISTORY': {
                'max': int(latest[latest.index('command') + 3]) / 1000 if latest else 0,
                'stalls': len(events) // 2},
        }


RUNTIMES = (Asyncio, Node, Redis)


def rows(truth, figures):
    """{measurer: its errors, and the stalls that it has missed or invented}. None: it does not say."""
    at_least, at_most = truth.stalls(outside.THRESHOLD)
    true = truth.figures()
    result = {}
    for measurer, said in figures.items():
        row = {'errors': {name: said[name] - true[name] if name in said else None
                          for name in FIGURES},
               'said': said}
        stalls = said.get('stalls')
        row['missed'] = None if stalls is None else max(0, at_least - stalls)
        row['invented'] = None if stalls is None else max(0, stalls - at_most)
        result[measurer] = row
    return result


def measure(kind, name, cpus):
    schedule = SCHEDULES[name]
    with kind(schedule, cpus) as run:
        truth, figures = run.run()
    planned = Truth([duration for _, duration in schedule.stalls], SECONDS)
    return {
        'runtime': kind.name, 'schedule': name, 'title': schedule.title,
        'truth': truth.figures() | {'observed': truth.observed, 'iterations': len(truth.durations),
                                    'stalls': truth.stalls(outside.THRESHOLD),
                                    'curve': truth.curve()},
        'planned': planned.figures(),
        'rows': rows(truth, figures),
        'left_out': run.left_out,
    }


def measure_all(cpus, say):
    """Every runtime with every schedule. Programs that do nothing but sleep share the machine, each on
    its own CPU; redis has no traffic or work of its own to schedule, so it has no part in the rest."""
    results = []
    with concurrent.futures.ThreadPoolExecutor() as pool:
        for name, schedule in SCHEDULES.items():
            if schedule.alone:
                for kind in (Asyncio, Node):
                    say(f'  {schedule.title}: {kind.name}')
                    results.append(measure(kind, name, cpus))
            else:
                say(f'  {schedule.title}: {", ".join(kind.name for kind in RUNTIMES)}')
                turns = [cpus, cpus[::-1], cpus]
                results += pool.map(lambda kind, turn: measure(kind, name, turn), RUNTIMES, turns)
    return results
