"""A call that fails, as it does where descriptors or memory are short, costs a look, a scrape or the start, and never more.

tests/preloads/fail_nth.c makes the n-th call of a kind fail. tests/faults/looks.cc looks, scrapes and ends under every one of
them, in one process. Here the program itself starts under some of them; with LOOPTAP_TEST_ALL_FAULTS=1, which is `make
test-faults`, under all.
"""

import concurrent.futures
import os
import signal
import subprocess
import typing
import unittest

from e2e.harness import BUILD, LOOPTAP, PLAIN_EPOLL, PROBE, LooptapTest, Metrics, wait_until

makes = 'faults'

FAIL_NTH = BUILD / 'tests/preloads/fail_nth.so'
LOOKS = BUILD / 'tests/faults/looks'
ALL = bool(os.environ.get('LOOPTAP_TEST_ALL_FAULTS'))
KINDS = ('malloc', 'open', 'mmap', 'read', 'write', 'fcntl', 'epoll', 'stat')
SAMPLE = 8   # of each kind at the start
TOO_FAR = 10 ** 6


class Outcome(typing.NamedTuple):
    """Of a start under a fault."""
    n: int
    wrong: str | None
    where: str  # as fail_nth.c tells it; empty: nothing failed

    def known(self):
        """Why it is not ours, or ''. docs/security.md has the list."""
        if self.where.startswith('before main'):
            return "CLI11's own constants"
        return 'civetweb' if 'libcivetweb' in self.where else ''


def run_looks(*arguments):
    environment = dict(os.environ, LD_PRELOAD=str(FAIL_NTH))
    return subprocess.run([LOOKS, *arguments], env=environment, capture_output=True, text=True, timeout=300)


class Looks(unittest.TestCase):

    def assert_harmless(self, kind, *more):
        ran = run_looks(kind, *more)
        self.assertEqual(ran.returncode, 0, ran.stderr[-2000:])
        return int(ran.stdout)

    def test_every_single_fault(self):
        calls = {}
        for kind in KINDS:
            with self.subTest(kind):
                calls[kind] = self.assert_harmless(kind)
        # The null control: there were such calls.
        self.assertGreater(calls['malloc'], 300)
        self.assertGreater(calls['read'], 20)
        for kind in 'open', 'fcntl', 'stat':
            self.assertGreater(calls[kind], 4)

    def test_every_fault_that_lasts_until_the_look_is_over(self):
        for kind in KINDS:
            with self.subTest(kind):
                self.assert_harmless(kind, '+')

    def test_a_kind_that_there_is_not_is_told(self):
        self.assertEqual(run_looks('nothing').returncode, 1)


class Start(LooptapTest):
    """`looptap serve` starts, or says in one line why not."""

    def outcome(self, kind, n, and_later=''):
        fired = self.folder / f'fired-{kind}-{n}{and_later}'
        environment = self.environment(LD_PRELOAD=str(FAIL_NTH), FAULT=f'{kind}:{n}{and_later}', FAULT_FIRED=str(fired))
        program = self.start([LOOPTAP, 'serve', '--web.listen-address=127.0.0.1:0', f'--segments.dir={self.segments}'],
                             environment=environment)
        wait_until(lambda: 'metrics on' in program.err or program.process.poll() is not None
                   or (kind == 'write' and fired.exists()), f'{kind} {n}: it starts or ends')
        wrong = None
        if program.process.poll() is None and 'metrics on' in program.err:
            wrong = self.scrape(Metrics(program))
        if program.process.poll() is None:
            program.process.send_signal(signal.SIGTERM)
            status = program.wait()
            if status not in (0, -signal.SIGTERM):
                wrong = f'it ends with {status}'
        else:
            status = program.process.returncode
            lines = program.err.splitlines()
            if status not in (1, 2) or not lines or not lines[-1].startswith('looptap: error: '):
                wrong = f'it ended with {status}'
        where = fired.read_text() if fired.exists() else ''
        return Outcome(n, wrong and f'{kind} {n}{and_later}: {wrong}; {program.err[-500:]!r}', where)

    @staticmethod
    def scrape(metrics):
        """What is wrong, or None. A scrape may meet the fault; then it fails, and the next one does not."""
        for last in False, True:
            for _ in range(2):
                try:
                    answer = metrics.request('/metrics')
                    wrong = None
                    if answer.status != 200 or b'eventloop_waits_total' not in answer.body:
                        wrong = f'{answer.status} {answer.body[:300]!r}'
                except AssertionError as error:
                    wrong = str(error)
                if metrics.program.process.poll() is not None:
                    return wrong
            if not wrong:
                return None
        return wrong

    def setUp(self):
        super().setUp()
        self.run_program([PLAIN_EPOLL, '5'], preload=[PROBE])

    def count(self, kind):
        """How many calls of that kind a start and two scrapes make: the first number that does not fail any more."""
        low, high = 0, 1
        while self.outcome(kind, high).where:
            low, high = high, high * 4
            if high > TOO_FAR:
                self.fail(f'{kind}: there is no end of them')
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self.outcome(kind, middle).where else (low, middle)
        return low

    def assert_starts(self, kind, numbers):
        with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            outcomes = list(pool.map(lambda n: self.outcome(kind, n), numbers))
        wrong = [one for one in outcomes if one.wrong]
        for one in wrong:
            if one.known():
                print(f'known ({one.known()}): {one.wrong}')
        new = [f'{one.wrong}\n{one.where}' for one in wrong if not one.known()]
        self.assertEqual(new, [], f'{len(new)} of {len(outcomes)}')

    def test_start_under_faults(self):
        for kind in KINDS:
            with self.subTest(kind):
                count = self.count(kind)
                step = 1 if ALL else max(1, count // SAMPLE)
                self.assert_starts(kind, range(1, count + 1, step))

    def test_without_a_fault_it_starts_and_serves(self):
        """The null control."""
        self.assertEqual(self.outcome('malloc', TOO_FAR), Outcome(TOO_FAR, None, ''))
