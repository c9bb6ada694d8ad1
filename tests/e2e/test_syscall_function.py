"""syscall(): libuv closes its epoll instances by it, and everything else has to pass as it came."""

from e2e.harness import BUILD, PROBE, LooptapTest

SYSCALL_FUNCTION = BUILD / 'tests/victims/syscall_function'
MUSL_SYSCALL_FUNCTION = BUILD / 'tests/musl/syscall_function'
ENDS_BY = BUILD / 'tests/victims/ends_by'
COUNT_SYSCALLS = BUILD / 'tests/preloads/count_syscalls.so'

GOOD = ('six arguments arrive, failing -1 9, closing -1 9, good close 0 77, '
        'counted ')  # EBADF is 9; 77 is what errno was before


class SyscallFunction(LooptapTest):

    def call(self, victim, preload):
        """The lines it prints: {when: what}."""
        two_pages = self.folder / 'two_pages'
        two_pages.write_bytes(bytes(4096) + b'second page'.ljust(4096))
        program = self.run_program([victim, two_pages], preload=preload)
        self.assertEqual((program.wait(), program.err), (0, ''), program)
        return dict(line.split(': ') for line in program.out.splitlines())

    def test_before_the_constructor_arguments_and_errors_pass(self):
        self.assertEqual(self.call(SYSCALL_FUNCTION, [PROBE])['early'], GOOD + '0')

    def test_after_the_constructor_arguments_and_errors_pass(self):
        self.assertEqual(self.call(SYSCALL_FUNCTION, [PROBE])['main'], GOOD + '0')

    def test_in_a_musl_program_arguments_and_errors_pass(self):
        self.assertEqual(self.call(MUSL_SYSCALL_FUNCTION, [PROBE])['main'], GOOD + '0')

    def test_without_the_probe_they_are_the_same(self):
        self.assertEqual(self.call(SYSCALL_FUNCTION, []),
                         {'early': GOOD + '0', 'main': GOOD + '0'})

    def test_calls_reach_the_next_definition(self):
        lines = self.call(SYSCALL_FUNCTION, [PROBE, COUNT_SYSCALLS])
        self.assertEqual(lines['main'], GOOD + '4')
        # And this tells that the early ones did come before the next definition was known.
        self.assertEqual(lines['early'], GOOD + '0')

    def test_next_definition_sees_all_calls_without_the_probe(self):
        self.assertEqual(self.call(SYSCALL_FUNCTION, [COUNT_SYSCALLS]),
                         {'early': GOOD + '4', 'main': GOOD + '4'})


class Close(LooptapTest):

    def ended(self, how, preload=(PROBE,)):
        """The figures of a program that has made three instances."""
        metrics = self.serve()
        program = self.run_program([ENDS_BY, how, 3], preload=preload)
        self.assertEqual((program.wait(), program.out), (0, '30\n'), program)
        scrape = metrics.scrape()
        self.assertEqual(scrape.total('eventloop_waits_total'), 30)
        return scrape

    def test_by_syscall_ends_the_loop(self):
        self.assertEqual(self.ended('syscall').label_values('loop'), {'0'})

    def test_by_syscall_ends_the_loop_and_reaches_the_next_definition(self):
        scrape = self.ended('syscall', [PROBE, COUNT_SYSCALLS])
        self.assertEqual(scrape.label_values('loop'), {'0'})

    def test_by_close_ends_the_loop(self):
        self.assertEqual(self.ended('close').label_values('loop'), {'0'})

    def test_three_instances_that_are_not_closed_are_three_loops(self):
        self.assertEqual(self.ended('nothing').label_values('loop'), {'0', '1', '2'})
