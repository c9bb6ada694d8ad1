"""What runs in a worker's process: tests/run --worker FD KIND ARGUMENT..., whose results go to the descriptor.

    e2e NAME...                     end-to-end tests, by unittest
    unit NAME PROGRAM               a program of unit tests
    nothing NAME                    a test that passes
    made TARGET KIND ARGUMENT...    any of these, after make has built the target
"""

import ctypes
import json
import os
import signal
import subprocess
import sys
import time
import traceback
import unittest

from runner import catch
from runner.jobs import ROOT, TESTS

PR_SET_PDEATHSIG = 1


class Channel:
    """Tells the runner. The names are those of Report's methods."""

    def __init__(self, descriptor):
        os.set_inheritable(descriptor, False)
        self._file = os.fdopen(descriptor, 'w', buffering=1)

    def _tell(self, *event):
        self._file.write(json.dumps(event) + '\n')

    def starts(self, name):
        self._tell('starts', name)

    def passes(self, name, seconds):
        self._tell('passes', name, seconds)

    def fails(self, name, seconds, what):
        self._tell('fails', name, seconds, what)

    def skipped(self, name, seconds, reason):
        self._tell('skipped', name, seconds, reason)

    def done(self):
        self._tell('done')


class EndToEndResult(unittest.TestResult):

    def __init__(self, channel):
        super().__init__()
        self._channel = channel
        self._start = time.monotonic()

    def startTest(self, test):
        super().startTest(test)
        self._start = time.monotonic()
        self._channel.starts(test.id())

    def _seconds(self):
        return time.monotonic() - self._start

    @staticmethod
    def _what(error):
        kind, value, trace = error
        # Ours, not unittest's.
        own = [frame for frame in traceback.extract_tb(trace) if str(TESTS) in frame.filename]
        return (''.join(traceback.format_list(own))
                + ''.join(traceback.format_exception_only(kind, value)))

    def addSuccess(self, test):
        self._channel.passes(test.id(), self._seconds())

    def addFailure(self, test, error):
        self._channel.fails(test.id(), self._seconds(), self._what(error))

    addError = addFailure

    def addSkip(self, test, reason):
        self._channel.skipped(test.id(), self._seconds(), reason)

    def addSubTest(self, test, subtest, error):
        if error:
            self._channel.fails(subtest.id(), self._seconds(), self._what(error))

    def addExpectedFailure(self, test, error):
        self.addSuccess(test)

    def addUnexpectedSuccess(self, test):
        self._channel.fails(test.id(), self._seconds(), 'passes, and was expected to fail')


def make(target):
    """Builds it with the variables that the make above us was given, and one processor: the others are the tests'.
    Returns what it says if it fails."""
    run = subprocess.run(['make', '-j1', '--no-print-directory', target], cwd=ROOT, stdin=subprocess.DEVNULL,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors='replace')
    return run.stdout if run.returncode else None


def run_made(channel, target, kind, *arguments):
    start = time.monotonic()
    channel.starts(f'make {target}')
    complaint = make(target)
    if complaint:
        channel.fails(f'make {target}', time.monotonic() - start, complaint)
    else:
        KINDS[kind](channel, *arguments)


def run_nothing(channel, name):
    channel.starts(name)
    channel.passes(name, 0)


def run_unit_tests(channel, name, program):
    catch.run_unit_tests(name, program, channel)


def run_end_to_end_tests(channel, *names):
    unittest.defaultTestLoader.loadTestsFromNames(names).run(EndToEndResult(channel))


KINDS = {'e2e': run_end_to_end_tests, 'unit': run_unit_tests, 'nothing': run_nothing, 'made': run_made}


def main(descriptor, kind, *arguments):
    # Whoever ends us gets the programs ended, too (e2e/harness.py); once, lest a second signal end the cleaning up.
    def interrupt(number, frame):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise KeyboardInterrupt
    signal.signal(signal.SIGTERM, interrupt)
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    channel = Channel(int(descriptor))
    # The descriptors of its jobserver are not ours. What else a make above us was told is told to those below.
    os.environ['MAKEFLAGS'] = ' '.join(word for word in os.environ.get('MAKEFLAGS', '').split(' ')
                                       if not word.startswith(('--jobserver', '-j')))
    KINDS[kind](channel, *arguments)
    channel.done()
    sys.stdout.flush()
