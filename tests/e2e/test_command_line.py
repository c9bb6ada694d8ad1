"""What the user wrote wrongly: one clear line on stderr, exit status 2, nothing on stdout."""

import os
import socket

from e2e.harness import LOOPTAP, PLAIN_EPOLL, LooptapTest, wait_until

SERVE = ['serve', '--web.listen-address=127.0.0.1:0']

# The end of a test's name: the arguments, and what the line must mention.
WRONG = {
    'unknown_flag': ([*SERVE, '--nonsense'], '--nonsense'),
    'unknown_flag_of_run': (['run', '--nonsense', '--', 'true'], '--nonsense'),
    'unknown_subcommand': (['nonsense'], 'nonsense'),
    'program_without_run': (['node', 'app.js'], 'looptap run [flags] -- '),
    'version_by_another_flag': (['-v'], 'looptap --version'),
    'flag_before_the_command': (['--log.level=warn', 'serve'], 'comes first'),
    'superfluous_argument': ([*SERVE, 'nonsense'], 'nonsense'),
    'flag_without_its_value': ([*SERVE, '--latency.window'], '--latency.window'),

    'duration_without_unit': ([*SERVE, '--latency.window=5'], '--latency.window'),
    'negative_duration': ([*SERVE, '--latency.window=-1s'], '--latency.window'),
    'duration_with_unknown_unit': ([*SERVE, '--latency.window=5x'], '--latency.window'),
    'empty_duration': ([*SERVE, '--latency.window='], '--latency.window'),
    'blank_duration': ([*SERVE, '--latency.window', ''], '--latency.window'),
    'duration_with_a_blank': ([*SERVE, '--latency.window=5 s'], '--latency.window'),
    'duration_of_several_lines': ([*SERVE, '--latency.window=5s\n6s'], '--latency.window'),
    'endless_duration': ([*SERVE, '--latency.window=' + '9' * 400 + 's'], '--latency.window'),
    'window_over_an_hour': ([*SERVE, '--latency.window=1000h'], 'memory'),
    'linger_of_days': ([*SERVE, '--segments.linger=100h'], 'memory'),
    'stall_threshold_over_the_histograms_end': ([*SERVE, '--stall.threshold=2h'], '4096 s'),
    'bucket_over_the_histograms_end': ([*SERVE, '--latency.buckets=1ms,2h'], '4096 s'),
    'infinite_duration': ([*SERVE, '--latency.window=infs'], '--latency.window'),
    'window_of_zero': ([*SERVE, '--latency.window=0s'], '--latency.window'),
    'linger_without_unit': ([*SERVE, '--segments.linger=5'], '--segments.linger'),
    'stall_threshold_without_unit': ([*SERVE, '--stall.threshold=5'], '--stall.threshold'),
    'stall_threshold_of_zero': ([*SERVE, '--stall.threshold=0s'], '--stall.threshold'),
    'duration_of_run': (['run', '--latency.window=5', '--', 'true'], '--latency.window'),

    'quantile_over_one': ([*SERVE, '--latency.quantiles=0.5,1.5'], '--latency.quantiles'),
    'negative_quantile': ([*SERVE, '--latency.quantiles=-0.1'], '--latency.quantiles'),
    'quantile_of_letters': ([*SERVE, '--latency.quantiles=p99'], '--latency.quantiles'),
    'quantile_that_is_no_number': ([*SERVE, '--latency.quantiles=nan'], '--latency.quantiles'),
    'missing_quantile': ([*SERVE, '--latency.quantiles=0.5,,0.9'], '--latency.quantiles'),
    'empty_quantiles': ([*SERVE, '--latency.quantiles='], '--latency.quantiles'),
    'quantile_named_twice': ([*SERVE, '--latency.quantiles=0.5,0.5'], '--latency.quantiles'),

    'bucket_without_unit': ([*SERVE, '--latency.buckets=1ms,5'], '--latency.buckets'),
    'falling_buckets': ([*SERVE, '--latency.buckets=5ms,1ms'], '--latency.buckets'),
    'bucket_named_twice': ([*SERVE, '--latency.buckets=1ms,1ms'], '--latency.buckets'),
    'bucket_of_zero': ([*SERVE, '--latency.buckets=0s,1ms'], '--latency.buckets'),
    'empty_buckets': ([*SERVE, '--latency.buckets='], '--latency.buckets'),

    'address_without_port': (['serve', '--web.listen-address=nonsense'], 'nonsense'),
    'port_too_high': (['serve', '--web.listen-address=127.0.0.1:99999'], '127.0.0.1:99999'),
    'port_of_letters': (['serve', '--web.listen-address=127.0.0.1:http'], '127.0.0.1:http'),
    'missing_port': (['serve', '--web.listen-address=127.0.0.1:'], '127.0.0.1:'),
    'IPv6_address': (['serve', '--web.listen-address=[::1]:0'], 'IPv6'),
    'host_that_is_no_address': (['serve', '--web.listen-address=nowhere:0'], 'nowhere'),
    'foreign_address': (['serve', '--web.listen-address=192.0.2.1:0'], '192.0.2.1'),
    'one_wrong_address_of_two': ([*SERVE, '--web.listen-address=nonsense'], 'nonsense'),

    'relative_telemetry_path': ([*SERVE, '--web.telemetry-path=metrics'], 'metrics'),
    'telemetry_path_of_another_page': ([*SERVE, '--web.telemetry-path=/-/healthy'], '/-/healthy'),
    'unknown_log_level': ([*SERVE, '--log.level=loud'], 'loud'),

    'no_name_to_install_into': ([*SERVE, '--install.dir='], '--install.dir'),
    'nowhere_to_install_into': ([*SERVE, '--install.dir=/nonexistent'], '/nonexistent'),
    'file_to_install_into': ([*SERVE, '--install.dir=/dev/null'], '/dev/null'),
    'hook_without_a_target': ([*SERVE, '--bpf.hook=tracepoint'], '--bpf.target=all'),
    'loops_without_a_target': ([*SERVE, '--bpf.max-loops=7'], '--bpf.target=all'),
    'event_queue_without_a_target': ([*SERVE, '--bpf.event-queue'], '--bpf.target=all'),
    'target_of_no_process': ([*SERVE, '--bpf.target=pid:'], 'pid:N'),
    'target_of_run': (['run', '--bpf.target=all', '--', 'true'], 'looptap serve --bpf.target=all'),

    'install_dir_of_run': (['run', '--install.dir=/tmp', '--', 'true'], '--install.dir'),

    'run_without_a_command': (['run'], 'command'),
    'run_with_nothing_behind_the_dashes': (['run', '--'], 'command'),
    'run_without_dashes': (['run', str(PLAIN_EPOLL), '1'], '--'),
    'serve_with_a_command': ([*SERVE, '--', 'true'], 'command'),

    'install_without_a_directory': (['install'], 'DIR'),
    'install_into_what_is_missing': (['install', '/nowhere/at/all'], '/nowhere/at/all'),
    'install_into_a_file': (['install', '/etc/passwd'], '/etc/passwd'),

    'inject_without_a_manifest': (['inject'], '-f'),
    'inject_of_what_is_missing': (['inject', '-f', '/nowhere'], '/nowhere'),
    'inject_of_a_directory': (['inject', '-f', '/'], '/: '),
    'inject_with_a_port_too_high': (['inject', '-f', '/dev/null', '--port=65536'], '--port'),
    'inject_without_an_image': (['inject', '-f', '/dev/null', '--image='], '--image'),
    'inject_with_resources_without_amounts': (['inject', '-f', '/dev/null', '--limits=cpu'], '--limits'),
    'inject_with_a_resource_named_twice': (['inject', '-f', '/dev/null', '--requests=cpu=1,cpu=2'], '--requests'),
    'inject_with_an_empty_name': (['inject', '-f', '/dev/null', '--containers=a,,b'], '--containers'),
    'inject_with_a_command': (['inject', '-f', '/dev/null', '--', 'true'], 'command'),
}


class CommandLine(LooptapTest):

    def looptap(self, arguments, **options):
        if '--segments.dir' not in ' '.join(arguments) and arguments[:1] == ['serve']:
            arguments = ['serve', f'--segments.dir={self.segments}', *arguments[1:]]
        program = self.start([LOOPTAP, *arguments], environment=self.environment(), **options)
        return program, program.wait(5)

    def assert_refused(self, arguments, mention, **options):
        program, status = self.looptap(arguments, **options)
        self.assertEqual(status, 2, program)
        self.assertRegex(program.err, r'\Alooptap: [^\n]+\n\Z')
        self.assertIn(mention, program.err)
        self.assertEqual(program.out, '')

    def test_port_that_is_taken(self):
        with socket.create_server(('127.0.0.1', 0)) as taken:
            port = taken.getsockname()[1]
            self.assert_refused(['serve', f'--web.listen-address=127.0.0.1:{port}'],
                                f'127.0.0.1:{port}')

    def test_port_that_is_taken_keeps_a_command_from_running(self):
        with socket.create_server(('127.0.0.1', 0)) as taken:
            port = taken.getsockname()[1]
            self.assert_refused(['run', f'--web.listen-address=127.0.0.1:{port}', '--', 'echo', 'ran'],
                                f'127.0.0.1:{port}')

    def test_version_goes_to_stdout(self):
        # Null control: what is right is no error.
        program, status = self.looptap(['--version'])
        self.assertEqual(status, 0, program)
        self.assertRegex(program.out, r'\Alooptap \d+\.\d+')
        self.assertEqual(program.err, '')

    def test_help_names_the_subcommands_and_their_flags(self):
        for arguments, mention in (['--help'], 'install'), (['serve', '--help'], '--latency.window'):
            program, status = self.looptap(arguments)
            self.assertEqual(status, 0, program)
            self.assertIn(mention, program.out)
            self.assertEqual(program.err, '')

    def test_nothing_at_all_gets_help(self):
        program, status = self.looptap([])
        self.assertEqual((status, program.err), (2, ''), program)
        for command in 'run', 'serve', 'install', 'inject':
            self.assertIn(f'looptap {command} ', program.out)

    def test_wrong_flag_is_told_where_flags_are(self):
        for arguments, mention in (['nonsense'], '(see looptap --help)'), (['serve', '-x'], '(see looptap serve --help)'):
            program, _ = self.looptap(arguments)
            self.assertIn(mention, program.err)

    def test_closed_stderr_becomes_no_socket(self):
        """Or log lines would go to whoever is at its other end."""
        exporter = self.start(['sh', '-c', 'exec "$0" "$@" <&- >&- 2>&-', LOOPTAP, *SERVE, f'--segments.dir={self.segments}'],
                              environment=self.environment())
        wait_until(lambda: self.listens(exporter.pid), f'{exporter} listens')
        self.assertEqual([os.readlink(f'/proc/{exporter.pid}/fd/{fd}') for fd in range(3)], 3 * ['/dev/null'])

    @staticmethod
    def listens(pid):
        links = [os.readlink(f'/proc/{pid}/fd/{fd}') for fd in os.listdir(f'/proc/{pid}/fd')
                 if os.path.islink(f'/proc/{pid}/fd/{fd}')]
        return any(link.startswith('socket:') for link in links)

    def test_right_flags_are_taken(self):
        metrics = self.serve('--latency.window=1m30s', '--latency.quantiles=0.999,0.5',
                             '--latency.buckets=1ms,1s', '--stall.threshold=50ms',
                             '--web.telemetry-path=/other', '--log.level=debug')
        self.assertEqual(metrics.path, '/other')
        self.assertAlmostEqual(metrics.scrape().value('looptap_stall_threshold_seconds'), 0.05,
                               delta=0.001)


def add_tests():
    def make(arguments, mention):
        return lambda self: self.assert_refused(arguments, mention)
    for name, (arguments, mention) in WRONG.items():
        setattr(CommandLine, f'test_{name}_is_refused', make(arguments, mention))


add_tests()
