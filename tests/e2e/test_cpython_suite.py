"""CPython's own tests of what the probe stands in front of: the same outcome with and without it, test by test.
`make test-suites` runs many more."""

from e2e.harness import BUILD, PROBE, ROOT, LooptapTest

NO_EVENTS = BUILD / 'tests/preloads/no_events.so'


class CpythonSuite(LooptapTest):

    def compare(self, preload, *files):
        program = self.start([ROOT / 'tests/suites/run', '--at-once', '--again=0',
                              f'--preload={preload}', *files])
        status = program.wait(120)
        if 'skipped: ' in program.out:
            self.skipTest(program.out.splitlines()[0])
        return status, program

    def test_same_outcomes(self):
        status, program = self.compare(PROBE, 'test_epoll', 'test_selectors', 'test_select')
        self.assertEqual(status, 0, program)

    def test_harm_would_be_seen(self):
        status, program = self.compare(NO_EVENTS, 'test_epoll')
        self.assertEqual(status, 1, program)
        self.assertIn('test.test_epoll.TestEPoll.test_control_and_wait: passed without, failure with',
                      program.out)
