"""What no preload reaches: Go, static binaries, io_uring. And what a preload sees, too, without one: forks, execs,
duplicates."""

from e2e.bpf_test import BpfTest
from e2e.harness import (BUILD, STATIC_PLAIN_EPOLL, find_program, free_port, request, wait_until)
from e2e.own_records import VictimTest, own_records

needs = ('bpf',)

RING_LOOP = BUILD / 'tests/bpf_victims/ring_loop'


class Reach(BpfTest):

    def setUp(self):
        super().setUp()
        self.metrics = self.measure()

    def finish(self, *command):
        program = self.run_program(command)
        if program.wait() == 77:
            self.skipTest(f'{command[0]}: {program.out.strip()}')
        self.assertEqual((program.wait(), program.err), (0, ''), program)
        return program

    def test_static_program(self):
        program = self.finish(STATIC_PLAIN_EPOLL, '300')
        scrape = self.metrics.scrape()
        self.assertEqual(scrape.value('eventloop_waits_total', process='plain_epoll',
                                      pid=str(program.pid)), 300)
        self.assertEqual(scrape.value('eventloop_wakeup_delay_seconds_count'), 300)

    def test_go_server(self):
        port = free_port()
        (self.folder / 'prometheus.yml').write_text('')
        server = self.start([find_program('prometheus'), f'--config.file={self.folder}/prometheus.yml',
                             f'--storage.tsdb.path={self.folder}/data',
                             f'--web.listen-address=127.0.0.1:{port}'])

        def answers():
            try:
                return request(port, '/-/ready').status == 200
            except OSError:
                return server.process.poll() is not None
        wait_until(answers, f'{server} answers')
        self.assertIsNone(server.process.poll(), server)
        before = self.metrics.scrape()
        # One poller, which roams over the threads.
        self.assertEqual(before.label_values('loop', process='prometheus'), {'0'})
        for _ in range(50):
            request(port, '/metrics')
        after = wait_until(
            lambda: (scrape := self.metrics.scrape()) and
            scrape.value('eventloop_events_total', process='prometheus')
            >= before.value('eventloop_events_total', process='prometheus') + 50 and scrape,
            'the events of 50 requests are counted')
        self.assertEqual(after.label_values('pid', process='prometheus'), {str(server.pid)})

    def test_ring(self):
        self.finish(RING_LOOP, '50')
        self.assert_ring_was_measured(50)

    def test_registered_ring(self):
        self.finish(RING_LOOP, '50', 'registered')
        self.assert_ring_was_measured(50)

    def assert_ring_was_measured(self, waits):
        scrape = self.metrics.scrape()
        # A completion that has come before the wait is taken without one.
        self.assertAlmostEqual(scrape.value('eventloop_waits_total', process='ring_loop'), waits,
                               delta=waits / 5)
        self.assertEqual(scrape.value('eventloop_events_total', process='ring_loop'),
                         scrape.value('eventloop_waits_total', process='ring_loop'))
        self.assertGreater(scrape.value('eventloop_wait_seconds_total', process='ring_loop'), waits / 2 * 1e-3)

    def test_program_outside_is_not_measured(self):
        self.cgroup = self.make_cgroup()
        self.finish(STATIC_PLAIN_EPOLL, '300')
        self.assert_no_loops(self.metrics)


class Lives(BpfTest, VictimTest):

    def setUp(self):
        super().setUp()
        self.metrics = self.measure()

    def test_inherited_instance_is_the_childs_own_loop(self):
        records = own_records(self.run_victim('inherited', preload=()))
        scrape = self.metrics.scrape()
        self.assertEqual(len(scrape.find('eventloop_waits_total')), 2)
        for record in records.values():
            self.assert_figures(scrape, record, pid=str(record.pid))

    def test_duplicates_are_one_loop_until_both_are_closed(self):
        program = self.start_victim('duplicates', preload=())
        self.wait_for(program, 'ended')
        self.go_on(program)
        scrape = self.metrics.scrape()
        self.assertEqual(len(scrape.find('eventloop_waits_total')), 1)
        self.assert_figures(scrape, own_records(program)['main'])
        self.assertEqual(scrape.value('eventloop_stalls_total'), 1)

    def test_loop_starts_anew_after_exec(self):
        program = self.run_victim('execs_itself', 3, preload=())
        # What it was before makes room: name and pid are the same.
        scrape = self.metrics.scrape()
        self.assertEqual(scrape.value('eventloop_waits_total', pid=str(program.pid)), 4)

    def test_many_short_instances_are_one_series(self):
        self.run_victim('many_instances', 'in_turn', 3000, preload=())
        scrape = self.metrics.scrape()
        self.assertEqual(scrape.value('eventloop_waits_total'), 6000)
        self.assertEqual(scrape.value('looptap_dropped_loops_total', reason='no_slot'), 0)

    def test_loops_of_threads_that_follow_one_another(self):
        self.run_victim('many_threads', 64, 8, preload=())
        scrape = self.metrics.scrape()
        self.assertEqual(scrape.total('eventloop_waits_total'), 3 * 64)
        self.assertLessEqual(len(scrape.find('eventloop_waits_total')), 16)

    def test_more_loops_than_there_is_room_for_are_dropped(self):
        few = self.measure('--bpf.max-loops=4')
        program = self.start_victim('many_instances', 'at_once', 10, 'hold', preload=())
        self.wait_for(program, 'one')
        self.go_on(program, 'all')
        scrape = few.scrape()
        self.assertEqual(len(scrape.find('eventloop_waits_total')), 4)
        self.assertGreaterEqual(scrape.value('looptap_dropped_loops_total', reason='no_slot'), 6)
        whole = self.metrics.scrape()
        self.assertEqual(len(whole.find('eventloop_waits_total')), 10)
        self.assertEqual(whole.value('looptap_dropped_loops_total', reason='no_slot'), 0)

    def test_slots_of_the_dead_serve_again(self):
        few = self.measure('--bpf.max-loops=2', '--segments.linger=100ms')
        for _ in range(3):
            self.run_victim('many_instances', 'at_once', 2, preload=())
            wait_until(lambda: len(few.scrape().find('eventloop_waits_total')) == 2, 'both are shown')
            wait_until(lambda: not few.scrape().find('eventloop_waits_total'), 'they vanish')
        self.assertEqual(few.scrape().value('looptap_dropped_loops_total', reason='no_slot'), 0)
