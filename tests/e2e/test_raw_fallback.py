"""Where dlsym finds no next definition (a glibc before 2.34 without libdl, or no libc at all), the probe makes the
system calls itself. A program cannot tell: every function that the probe stands in front of gives the same."""

from e2e.harness import (BUILD, COUNT_WAITS, MUSL_PLAIN_EPOLL, PLAIN_EPOLL, PROBE, LooptapTest)

NO_DLSYM = BUILD / 'tests/preloads/no_dlsym.so'
WRAPPED_CALLS = BUILD / 'tests/victims/wrapped_calls'
MUSL_WRAPPED_CALLS = BUILD / 'tests/musl/wrapped_calls'
ENDS_BY = BUILD / 'tests/victims/ends_by'
NO_LIBC = BUILD / 'tests/freestanding/no_libc'

ALL_WAITS = {'LOOPTAP_WAITS': 'epoll,poll,select'}


class WrappedCalls(LooptapTest):
    maxDiff = None

    def results(self, victim, preload=(), arguments=(), **variables):
        program = self.run_program([victim, *arguments],
                                   environment=self.environment(preload, **variables))
        self.assertEqual((program.wait(), program.err), (0, ''), program)
        lines = program.out.splitlines()
        self.assertGreater(len(lines), 50)
        return lines

    def test_through_the_next_definition(self):
        self.assertEqual(self.results(WRAPPED_CALLS, [PROBE]), self.results(WRAPPED_CALLS))

    def test_with_polls_as_waits(self):
        self.assertEqual(self.results(WRAPPED_CALLS, [PROBE], **ALL_WAITS),
                         self.results(WRAPPED_CALLS))

    def test_by_system_calls(self):
        self.assertEqual(self.results(WRAPPED_CALLS, [NO_DLSYM, PROBE], ['long']),
                         self.results(WRAPPED_CALLS, arguments=['long']))

    def test_by_system_calls_with_polls_as_waits(self):
        self.assertEqual(self.results(WRAPPED_CALLS, [NO_DLSYM, PROBE], **ALL_WAITS),
                         self.results(WRAPPED_CALLS))

    def test_in_a_musl_program(self):
        self.assertEqual(self.results(MUSL_WRAPPED_CALLS, [PROBE]),
                         self.results(MUSL_WRAPPED_CALLS))

    def test_in_a_musl_program_with_polls_as_waits(self):
        self.assertEqual(self.results(MUSL_WRAPPED_CALLS, [PROBE], **ALL_WAITS),
                         self.results(MUSL_WRAPPED_CALLS))


class WithoutDlsym(LooptapTest):

    def waits(self, command, preload):
        metrics = self.serve()
        program = self.run_program(command, preload=preload)
        self.assertEqual((program.wait(), program.err), (0, ''), program)
        return metrics.scrape(), program

    def test_program_is_measured(self):
        scrape, program = self.waits([PLAIN_EPOLL, 50], [NO_DLSYM, PROBE])
        self.assertEqual(program.out, '50\n')
        self.assertEqual(scrape.value('eventloop_waits_total'), 50)

    def test_musl_program_is_measured(self):
        scrape, _ = self.waits([MUSL_PLAIN_EPOLL, 50], [NO_DLSYM, PROBE])
        self.assertEqual(scrape.value('eventloop_waits_total'), 50)

    def test_later_preloads_see_no_call(self):
        """Which shows that the fallback is what ran."""
        self.waits([PLAIN_EPOLL, 50], [NO_DLSYM, PROBE, COUNT_WAITS])
        self.assertEqual(self.returned_waits(), 0)

    def test_later_preloads_see_all_calls_with_dlsym(self):
        self.waits([PLAIN_EPOLL, 50], [PROBE, COUNT_WAITS])
        self.assertEqual(self.returned_waits(), 50)

    def test_close_ends_the_loop(self):
        scrape, _ = self.waits([ENDS_BY, 'close', 3], [NO_DLSYM, PROBE])
        self.assertEqual(scrape.label_values('loop'), {'0'})

    def test_close_by_syscall_ends_the_loop(self):
        scrape, _ = self.waits([ENDS_BY, 'syscall', 3], [NO_DLSYM, PROBE])
        self.assertEqual(scrape.label_values('loop'), {'0'})


class WithoutLibc(LooptapTest):
    """The loader preloads the probe into it, though nothing that the probe could lean on is there."""

    def run_victim(self, how, preload, **variables):
        program = self.run_program([NO_LIBC, how, 20],
                                   environment=self.environment(preload, **variables))
        return program.wait(), program.out, program.err

    def test_runs(self):
        metrics = self.serve()
        self.assertEqual(self.run_victim('alone', [PROBE]), (0, '20\n', ''))
        self.assert_no_loops(metrics)

    def test_runs_without_the_probe(self):
        self.assertEqual(self.run_victim('alone', []), (0, '20\n', ''))

    def test_is_measured_if_it_calls(self):
        metrics = self.serve()
        self.assertEqual(self.run_victim('called', [PROBE]), (0, '20\n1\n', ''))
        self.assertEqual(metrics.scrape().value('eventloop_waits_total'), 20)

    def test_can_switch_the_probe_off(self):
        metrics = self.serve()
        self.assertEqual(self.run_victim('called', [PROBE], LOOPTAP_DISABLE='1'), (0, '20\n1\n', ''))
        self.assert_no_loops(metrics)

    def test_calls_need_the_probe(self):
        """Nobody else has the functions, so that the program is indeed without libc."""
        status, out, _ = self.run_victim('called', [])
        self.assertNotEqual(status, 0)
        self.assertEqual(out, '')
