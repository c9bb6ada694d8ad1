"""Servers with nothing to do, with and without those who watch them."""

import contextlib
import os
import pathlib
import subprocess
import tempfile

from bench_peers.accuracy import NODE_MODULES, PROGRAMS
from bench_peers.outside import THRESHOLD
from e2e.harness import PYTHON, find_program, free_port, request, wait_until

FREEZE = 4


class Server:
    """A running server whose stdout goes to a file."""

    def __init__(self, environment, *watches):
        self.environment, self.watches = environment, watches

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory(prefix='looptap-bench-')
        self.output = pathlib.Path(self.folder.name) / 'out'
        with open(self.output, 'wb') as output:
            self.process = subprocess.Popen(
                [str(part) for part in self.command()], stdin=subprocess.DEVNULL, stdout=output,
                env={**os.environ, 'NODE_PATH': str(NODE_MODULES), **self.environment})
        self.pid = self.process.pid
        try:
            wait_until(lambda: self.answers() or self.process.poll() is not None,
                       f'{self.process.args} answers')
            if self.process.poll() is not None:
                raise RuntimeError(f'{self.process.args} ended: {self.said()}')
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.folder.cleanup()

    def said(self):
        return self.output.read_text()

    def answers(self):
        lines = self.said().splitlines()
        if not lines:
            return False
        self.port = int(lines[0])
        return request(self.port, '/').status == 200

    def freeze(self):
        """What was told before is not told of this."""
        self.said_before = len(self.said())
        request(self.port, '/freeze')

    def logged_stall(self, watch):
        return f'stall {watch}' in self.said()[self.said_before:].splitlines()


class NodeServer(Server):
    name = 'node'

    def command(self):
        return [find_program('node'), PROGRAMS / 'node_server.js', *self.watches]

    def freeze(self):
        self.served_stall()  # which resets it
        super().freeze()

    def served_stall(self):
        """prom-client's own figure shows a stall."""
        for line in request(self.port, '/metrics').body.decode().splitlines():
            if line.startswith('nodejs_eventloop_lag_max_seconds '):
                return float(line.split()[1]) > THRESHOLD
        return False


class AsyncioServer(Server):
    name = 'asyncio'

    def command(self):
        return [PYTHON, PROGRAMS / 'asyncio_server.py', *self.watches]


class RedisServer(Server):
    """watches: its settings"""
    name = 'redis'

    def command(self):
        self.port = free_port()
        return [find_program('redis-server'), '--bind', '127.0.0.1', '--port', self.port, '--save', '',
                '--appendonly', 'no', '--dir', self.folder.name, '--enable-debug-command', 'yes',
                *self.watches]

    def ask(self, *words):
        return subprocess.run([find_program('redis-cli'), '-p', str(self.port), *words],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout

    def answers(self):
        return self.ask('PING') == 'PONG\n'

    def freeze(self):
        self.ask('LATENCY', 'RESET')
        self.ask('CONFIG', 'RESETSTAT')
        self.sleeper = subprocess.Popen([find_program('redis-cli'), '-p', str(self.port), 'DEBUG',
                                         'SLEEP', str(FREEZE)], stdout=subprocess.DEVNULL)

    def __exit__(self, *_):
        super().__exit__()
        with contextlib.suppress(AttributeError):
            self.sleeper.wait()

    def told_latency(self):
        return 'command' in self.ask('LATENCY', 'LATEST')

    def told_commands(self):
        return 'cmdstat_debug' in self.ask('INFO', 'commandstats')
