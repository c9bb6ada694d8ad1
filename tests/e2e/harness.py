"""Starts programs, waits for what they do, and leaves nothing behind."""

import atexit
import http.client
import os
import pathlib
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import unittest

from e2e.exposition import Exposition

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / os.environ.get('BUILD', 'build')
PROGRAMS = pathlib.Path(__file__).resolve().parent / 'programs'

LOOPTAP = BUILD / 'looptap'
PROBE = BUILD / 'liblooptap.so'
COUNT_WAITS = BUILD / 'tests/preloads/count_waits.so'
PLAIN_EPOLL = BUILD / 'tests/victims/plain_epoll'
MUSL_PLAIN_EPOLL = BUILD / 'tests/musl/plain_epoll'
STATIC_PLAIN_EPOLL = BUILD / 'tests/static/plain_epoll'

# Debian's, not one of pyenv's: its process is called python3.
PYTHON = '/usr/bin/python3' if os.path.exists('/usr/bin/python3') else sys.executable

# nginx is where the PATH of an ordinary user does not lead.
os.environ['PATH'] += ':/usr/local/sbin:/usr/sbin:/sbin'

NOBODY = 65534

# Where segments lie: a tmpfs; None: wherever temporary files are.
SHARED_MEMORY = '/dev/shm' if os.access('/dev/shm', os.W_OK) else None

# How long a condition may take that comes true at once on a machine with nothing else to do. An emulated one
# needs more.
DEADLINE = float(os.environ.get('DEADLINE', 20))

_groups = set()   # process groups that this run has started and not yet ended
_folders = set()  # folders that it has made and not yet removed


def _kill_group(group):
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        pass
    _groups.discard(group)


def _remove_folder(folder):
    shutil.rmtree(folder, ignore_errors=True)
    _folders.discard(folder)


@atexit.register
def _leave_nothing():
    """For a run that is interrupted: unittest then does not clean up."""
    for group in list(_groups):
        _kill_group(group)
    for folder in list(_folders):
        _remove_folder(folder)


def make_folder(test, parent, mode):
    """A folder that is gone when the test ends."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix='looptap-test-', dir=parent))
    _folders.add(folder)
    test.addCleanup(_remove_folder, folder)
    folder.chmod(mode)
    return folder


def wait_until(condition, what, seconds=DEADLINE):
    """Polls until the condition returns something true, and returns that."""
    deadline = time.monotonic() + seconds
    while True:
        last = condition()
        if last:
            return last
        if time.monotonic() > deadline:
            raise AssertionError(f'not within {seconds} s: {what} (last seen: {last!r})')
        time.sleep(0.02)


def find_program(name):
    """An installed program's path; where there is none, the test is skipped."""
    path = shutil.which(name)
    if not path:
        raise unittest.SkipTest(f'{name} is not installed')
    return path


def require_root(why):
    if os.geteuid() != 0:
        raise unittest.SkipTest(f'needs root: {why}')


def require_mount_namespaces():
    tried = subprocess.run([find_program('unshare'), '--mount', 'true'], stderr=subprocess.PIPE, text=True)
    if tried.returncode != 0:
        raise unittest.SkipTest(f'may not mount here: {tried.stderr.strip()}')


def free_port():
    """A port for a program that cannot pick one itself. Somebody else may take it first."""
    with socket.create_server(('127.0.0.1', 0)) as server:
        return server.getsockname()[1]


class Program:
    """A running program whose stdout and stderr go to files, so that no pipe can fill up."""

    def __init__(self, process, out, err):
        self.process = process
        self.pid = process.pid
        self._out, self._err = out, err

    @property
    def out(self):
        return self._out.read_text(errors='replace')

    @property
    def out_bytes(self):
        return self._out.read_bytes()

    @property
    def err(self):
        return self._err.read_text(errors='replace')

    def say(self, line):
        """Writes a line to its stdin."""
        self.process.stdin.write(line.encode() + b'\n')
        self.process.stdin.flush()

    def wait(self, seconds=DEADLINE):
        """Waits for its end and returns the exit status (negative: minus a signal's number)."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f'still running after {seconds} s: {self.process.args}\n'
                                 f'{self.err}') from None

    def stop(self, number=signal.SIGTERM, seconds=DEADLINE):
        self.process.send_signal(number)
        return self.wait(seconds)

    def __repr__(self):
        return (f'{self.process.args}: status {self.process.poll()}, stdout {self.out!r}, '
                f'stderr {self.err!r}')


class Response:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body


def request(port, path, method='GET', headers=None):
    connection = http.client.HTTPConnection('127.0.0.1', port, timeout=DEADLINE)
    try:
        connection.request(method, path, headers=headers or {})
        response = connection.getresponse()
        return Response(response.status, response.headers, response.read())
    finally:
        connection.close()


def says_ready(port):
    """Whether a server of Prometheus' kind is ready."""
    try:
        return request(port, '/-/ready').status == 200
    except OSError:
        return False


class Metrics:
    """Where an exporter, found by the URL that it has printed, serves its metrics."""

    def __init__(self, program):
        self.program = program
        found = wait_until(
            lambda: re.search(r'http://127\.0\.0\.1:(\d+)(/\S*)', program.err)
            or program.process.poll() is not None,
            f'{program} prints its URL')
        if found is True:
            raise AssertionError(f'ended before it served anything: {program}')
        self.port, self.path = int(found[1]), found[2]

    def request(self, path, method='GET', headers=None):
        try:
            return request(self.port, path, method, headers)
        except (OSError, http.client.HTTPException) as error:
            raise AssertionError(f'{method} {path}: {error!r} from {self.program}') from None

    def scrape(self):
        response = self.request(self.path)
        if response.status != 200:
            raise AssertionError(f'{self.path}: {response.status} {response.body!r}')
        return Exposition(response.body.decode())


class LooptapTest(unittest.TestCase):
    """A test with a temporary folder, a segment directory, and programs that do not outlive it."""

    def setUp(self):
        self.folder = make_folder(self, None, 0o755)
        self.segments = make_folder(self, SHARED_MEMORY, 0o1777)
        self.counts = self.folder / 'counts'
        self.counts.mkdir()
        self.counts.chmod(0o1777)
        self._programs = 0

    def environment(self, preload=(), **variables):
        """This process' environment, with these libraries preloaded, and nothing of looptap's but
        what is told here."""
        environment = {name: value for name, value in os.environ.items()
                       if name != 'LD_PRELOAD' and not name.startswith('LOOPTAP_')}
        if preload:
            environment['LD_PRELOAD'] = ':'.join(str(library) for library in preload)
        environment['LOOPTAP_DIR'] = str(self.segments)
        environment['COUNT_WAITS_DIR'] = str(self.counts)
        environment.update(variables)
        return environment

    def start(self, command, preload=(), environment=None, stdin=subprocess.DEVNULL, **options):
        """Starts a program in a process group of its own. It is killed when the test ends."""
        self._programs += 1
        out, err = (self.folder / f'{self._programs}.{name}' for name in ('out', 'err'))
        with open(out, 'wb') as out_file, open(err, 'wb') as err_file:
            process = subprocess.Popen(
                [str(part) for part in command], stdin=stdin, stdout=out_file, stderr=err_file,
                env=environment or self.environment(preload), start_new_session=True, **options)
        _groups.add(process.pid)
        self.addCleanup(self._end, process)
        return Program(process, out, err)

    def start_on_a_free_port(self, command, is_ready, preload=()):
        """Starts what command(port) is, and waits until is_ready(server, port). Returns the server and its port."""
        for _ in range(3):  # somebody else may take the port first
            port = free_port()
            server = self.start(command(port), preload)
            wait_until(lambda: is_ready(server, port) or server.process.poll() is not None, f'{server} is ready')
            if server.process.poll() is None:
                return server, port
        self.fail(f'{server} does not start')

    @staticmethod
    def _end(process):
        _kill_group(process.pid)
        process.wait()
        if process.stdin:
            try:
                process.stdin.close()
            except BrokenPipeError:
                pass

    def run_program(self, command, **options):
        """Starts a program and waits for its end."""
        program = self.start(command, **options)
        program.wait()
        return program

    def unprivileged(self):
        """Options of start() and serve() for somebody who may not do everything, and a looptap that he can
        reach."""
        if os.geteuid() != 0:
            return {'program': LOOPTAP}
        program = self.folder / LOOPTAP.name
        shutil.copy(LOOPTAP, program)
        return {'program': program, 'user': NOBODY, 'group': NOBODY, 'extra_groups': []}

    def serve(self, *flags, program=LOOPTAP, **options):
        """An exporter of this test's segment directory, on a free port."""
        exporter = self.start([program, 'serve', '--web.listen-address=127.0.0.1:0',
                               f'--segments.dir={self.segments}', *flags],
                              environment=self.environment(), **options)
        return Metrics(exporter)

    def returned_waits(self, pid=None):
        """What count_waits.so has counted, of one process or of all."""
        files = [self.counts / str(pid)] if pid else list(self.counts.iterdir())
        return sum(struct.unpack('=Q', file.read_bytes())[0] for file in files if file.exists())

    def at_rest(self, metrics):
        """A scrape during which, and since the one before which, no wait has returned in any
        process that is counted. Returns it with that count."""
        counts = [None]

        def nothing_returned():
            before = self.returned_waits()
            scrape = metrics.scrape()
            quiet = counts[-1] == before == self.returned_waits()
            counts.append(before)
            return quiet and (scrape, before)

        return wait_until(nothing_returned, 'the counted programs are at rest')

    def assert_no_loops(self, metrics):
        """No loop of any process is shown."""
        scrape = metrics.scrape()
        self.assertEqual([sample for sample in scrape.samples if sample[0].startswith('eventloop_')],
                         [])
        self.assertEqual(scrape.total('looptap_processes'), 0)
