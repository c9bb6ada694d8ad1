"""Programs that forbid themselves system calls on pain of death: the probe makes none of them."""

import signal

from e2e.harness import PROBE, find_program, make_folder, wait_until
from e2e.own_records import VictimTest, own_records


class Sandboxes(VictimTest):

    def run_sandboxed(self, what, waits):
        metrics = self.serve()
        program = self.start_victim('sandboxed', what)
        self.wait_for(program, 'sandboxed')
        self.go_on(program)
        record = own_records(program)['main']
        self.assertEqual(record.waits, waits)
        self.assertEqual(metrics.scrape().value('eventloop_waits_total'), waits)

    def test_wait_needs_no_system_call_that_it_did_not_need_before(self):
        self.run_sandboxed('waits', 6)

    def test_loops_are_made_and_end(self):
        self.run_sandboxed('loops', 10)

    def test_what_the_program_does_against_its_own_rules_still_kills_it(self):
        for preload in ((PROBE,), ()):
            program = self.start([self.victim('sandboxed'), 'breaks'],
                                 environment=self.environment(preload))
            self.assertEqual(program.wait(), -signal.SIGSYS)


# Of 0.4.9, seen without the probe: a worker locks what the main thread has destroyed already, as tor ends.
TORS_OWN_FAULT = 'Error locking a mutex.'


class Tor(VictimTest):
    """tor's own sandbox kills, too."""

    def start_tor(self, preload):
        folder = make_folder(self, None, 0o700)
        (folder / 'torrc').touch()
        program = find_program('tor')
        tor, _ = self.start_on_a_free_port(
            lambda port: [program, '-f', folder / 'torrc', '--Sandbox', '1', '--DataDirectory', folder,
                          '--DisableNetwork', '1', '--SocksPort', port, '--Log', 'notice stdout'],
            lambda tor, _: 'Starting with guard' in tor.out, preload)
        return tor

    def stops_in_good_order(self, tor):
        with open(f'/proc/{tor.pid}/status') as status:
            self.assertIn('\nSeccomp:\t2\n', status.read())
        tor.process.send_signal(signal.SIGINT)
        status = tor.wait()
        self.assertIn('Interrupt: exiting cleanly.', tor.out)
        if TORS_OWN_FAULT in tor.out:
            self.assertNotEqual(status, -signal.SIGSYS, tor.out)
        else:
            self.assertEqual(status, 0, tor.out)

    def test_lives_and_is_measured(self):
        metrics = self.serve()
        tor = self.start_tor((PROBE,))
        wait_until(lambda: metrics.scrape().total('eventloop_waits_total', process='tor') > 3,
                   'tor has waited')
        self.stops_in_good_order(tor)

    def test_without_the_probe(self):
        self.stops_in_good_order(self.start_tor(()))
