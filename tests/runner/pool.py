"""Runs jobs in processes of their own, as many side by side as it is told.

A worker (worker.py) writes one line of JSON to a pipe for each thing that happens:

    ["starts", TEST]  ["passes", TEST, SECONDS]  ["fails", TEST, SECONDS, WHAT]  ["skipped", TEST, SECONDS, REASON]
    ["done"]

One that ends without the last, or with another status than 0, has failed, whatever it said before. What it and its
tests write goes to a file, and is shown if something fails.
"""

import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time

from runner import schedule
from runner.jobs import ROOT, TESTS

PATIENCE = 15  # seconds to clean up in, for a worker that is told to end


def descendants(pid):
    """All children of a process, and theirs."""
    parents = {}
    for entry in os.listdir('/proc'):
        if entry.isdigit():
            try:
                with open(f'/proc/{entry}/stat') as stat:
                    parents.setdefault(int(stat.read().rpartition(')')[2].split()[1]), []).append(int(entry))
            except OSError:
                pass
    found, todo = [], [pid]
    while todo:
        children = parents.get(todo.pop(), [])
        found += children
        todo += children
    return found


class Worker:
    """The process of a job."""

    def __init__(self, job):
        self.job = job
        self.start = self.test_start = time.monotonic()
        self.test = None     # what it runs at the moment
        self.done = False    # it has said so
        self.told = set()    # what it has told results of
        self.failed = False  # one of its tests has
        self.hung = None     # what is said of that
        self._rest = b''
        self._output = tempfile.TemporaryFile()
        self.pipe, theirs = os.pipe()
        # In a session of its own: an interrupt from the terminal reaches the runner alone, which then ends it.
        self.process = subprocess.Popen(
            [sys.executable, TESTS / 'run', '--worker', str(theirs), *job.arguments], cwd=ROOT, pass_fds=[theirs],
            stdin=subprocess.DEVNULL, stdout=self._output, stderr=self._output, start_new_session=True)
        os.close(theirs)

    def seconds(self):
        return time.monotonic() - self.start

    def output(self):
        self._output.seek(0)
        return self._output.read().decode(errors='replace')

    def events(self):
        """What it has told since; None: it will tell no more."""
        data = os.read(self.pipe, 1 << 16)
        if not data:
            return None
        *lines, self._rest = (self._rest + data).split(b'\n')
        return [json.loads(line) for line in lines]

    def kill(self, *, ask):
        """Ends it with all that it has started: by request, which lets it clean up, or at once."""
        if ask:
            os.kill(self.process.pid, signal.SIGTERM)
            return
        for pid in [self.process.pid, *descendants(self.process.pid)]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass

    def hold_to_deadline(self):
        """Ends it if it takes too long: by request first, upon which it tells where it was."""
        if not self.hung and self.seconds() > self.job.deadline:
            place = f', {time.monotonic() - self.test_start:.0f} s of them in {self.test}' if self.test else ''
            self.hung = f'not done after {self.job.deadline:.0f} s{place}'
            self.kill(ask=True)
        elif self.seconds() > self.job.deadline + PATIENCE:
            self.kill(ask=False)

    def verdict(self, status):
        """What is wrong with how it has ended, or None."""
        if self.hung:
            return self.hung
        if not self.done:
            return 'the process of these tests died' + (f' while it ran {self.test}' if self.test else '')
        if status != 0:
            return 'the process of these tests ended badly'
        return None if self.told else 'there are no tests in it'

    def has_ended(self):
        """Without reaping it: until then its number is its own."""
        return os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None

    def close(self):
        """Waits for its end, and ends what it has left in its process group."""
        os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOWAIT)
        os.killpg(self.process.pid, signal.SIGKILL)
        status = self.process.wait()
        os.close(self.pipe)
        self._output.close()
        return status


class Pool:

    def __init__(self, report, width):
        self._report = report
        self._width = width
        self._selector = selectors.DefaultSelector()
        self._workers = {}    # by pipe
        self.seconds_of = {}  # of the jobs that are done

    def run(self, jobs):
        waiting = list(jobs)
        try:
            while waiting or self._workers:
                while len(self._workers) < self._width and (job := schedule.pick(
                        waiting, [worker.job for worker in self._workers.values()])):
                    waiting.remove(job)
                    worker = Worker(job)
                    self._workers[worker.pipe] = worker
                    self._selector.register(worker.pipe, selectors.EVENT_READ)
                for key, _ in self._selector.select(timeout=1):
                    self._listen(self._workers[key.fd])
                for worker in list(self._workers.values()):
                    worker.hold_to_deadline()
        finally:
            self._end_all()

    def _listen(self, worker):
        events = worker.events()
        if events is None:
            self._ended(worker)
        for event, *rest in events or []:
            if event == 'done':
                worker.done = True
            elif event == 'starts':
                worker.test, worker.test_start = rest[0], time.monotonic()
            else:
                worker.told.add(rest[0])
                if event == 'fails':
                    worker.failed = True
                getattr(self._report, event)(*rest)

    def _ended(self, worker):
        self._selector.unregister(worker.pipe)
        del self._workers[worker.pipe]
        output = worker.output()
        status = worker.close()
        why = worker.verdict(status)
        if why:
            self._report.fails(worker.job.name, worker.seconds(),
                               f'{why} (exit status {status}); what would come after it has not run')
        if why or worker.failed:
            self._report.adds_output(worker.job.name, output)
        self.seconds_of[worker.job.name] = worker.seconds()

    def _end_all(self):
        """For a run that is interrupted."""
        workers = list(self._workers.values())
        for worker in workers:
            worker.kill(ask=True)
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and not all(worker.has_ended() for worker in workers):
            time.sleep(0.02)
        for worker in workers:
            worker.kill(ask=False)
            worker.close()
