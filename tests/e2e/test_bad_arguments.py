"""Arguments that make no sense, or point nowhere: whatever comes of them without the probe comes of them with it."""

from e2e.harness import BUILD, PROBE
from e2e.own_records import VictimTest
from e2e.segment import read_segments

READS_TIMEOUT = BUILD / 'tests/preloads/reads_timeout.so'

ALL = {'LOOPTAP_WAITS': 'epoll,poll,select'}
DISABLED = {'LOOPTAP_DISABLE': '1'}
EFAULT, SIGSEGV = 14, 11


class BadArgumentsTest(VictimTest):

    # Pointers of which libc leaves the judgement to the kernel.
    efaults = ['epoll_wait(ready, at, 1, 0): unmapped', 'epoll_pwait(ready, events, 1, 0, at): unmapped',
               'epoll_pwait2(ready, events, 1, at, NULL): unmapped',
               'epoll_pwait2(silent, events, 1, at, NULL): half readable', 'poll(at, 1, 0): unmapped']

    def lines(self, preload, **variables):
        """{call and argument: what came of it}"""
        program = self.run_program([self.victim('bad_arguments')],
                                   environment=self.environment(preload, **variables))
        self.assertEqual(program.wait(), 0, program)
        return dict(line.rsplit(': ', 1) for line in program.out.splitlines())

    _plain = {}  # what each victim says without a preload

    def setUp(self):
        super().setUp()
        if self.libc not in self._plain:
            self._plain[self.libc] = self.lines([])
        self.plain = self._plain[self.libc]
        self.assertGreater(len(self.plain), 250)
        for call in self.efaults:
            self.assertEqual(self.plain[call], f'-1 {EFAULT}', call)


class BadArguments(BadArgumentsTest):

    def assert_same(self, **variables):
        self.assertEqual(self.lines([PROBE], **variables), self.plain)

    def test_with_the_probe(self):
        self.assert_same()
        self.assertTrue(all(loop.waits for segment in read_segments(self.segments) for loop in segment.loops))
        self.assertGreater(len(read_segments(self.segments)), 250)

    def test_where_poll_and_select_are_waits(self):
        self.assert_same(**ALL)

    def test_with_the_kill_switch(self):
        self.assert_same(**DISABLED, **ALL)
        self.assertEqual(read_segments(self.segments), [])


class ReadsTimeout(BadArgumentsTest):

    def test_a_preload_that_reads_a_timeout_before_the_kernel_does_is_seen(self):
        lines = self.lines([READS_TIMEOUT])
        self.assertEqual(lines.keys(), self.plain.keys())
        differing = {call: lines[call] for call in lines if lines[call] != self.plain[call]}
        self.assertIn('epoll_pwait2(ready, events, 1, at, NULL): unmapped', differing)
        self.assertEqual(set(differing.values()), {f'signal {SIGSEGV}'})
        self.assertEqual({call.split('(')[0] for call in differing}, {'epoll_pwait2'})


class BadArgumentsOnMusl(BadArguments):
    libc = 'musl'
    # musl has no epoll_pwait2.
    efaults = [call for call in BadArguments.efaults if 'pwait2' not in call]
