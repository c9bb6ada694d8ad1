"""Lets an exporter read the recorded segments, and takes what it says of them in every format."""

import time

from e2e import native_histograms
from e2e.harness import SHARED_MEMORY, LooptapTest, make_folder
from recorded import segments

_OTHER = ['--latency.quantiles=0,0.25,0.9,0.999,1', '--latency.buckets=500us,3ms,40ms,300ms,2s,30s,3600s',
          '--stall.threshold=20ms', '--latency.window=10m']
FLAGS = {'default': [],
         'processes': ['--metrics.aggregate=process'],
         'other': _OTHER,
         'other-processes': [*_OTHER, '--metrics.aggregate=process']}

ACCEPT = {'text': 'text/plain; version=0.0.4',
          'openmetrics': 'application/openmetrics-text; version=1.0.0',
          'protobuf': native_histograms.ACCEPT}
YOUNG_NS = 5 * segments.SECOND_NS  # for so long is a process' past in the history's first column


class PlaybackTest(LooptapTest):
    """The figures of dead processes, and of loops that have ended, do not depend on when they are read."""

    def serve_recorded(self, recorded, flags):
        for _ in range(5):
            self.segments = make_folder(self, SHARED_MEMORY, 0o755)
            start_ns = time.monotonic_ns()
            locks = segments.write_all(self.segments, recorded)
            self.addCleanup(lambda locks=locks: [lock.close() for lock in locks])
            (self.segments / 'foreign').write_text('no segment\n')
            metrics = self.serve('--segments.linger=10m', *flags)
            if time.monotonic_ns() - start_ns < YOUNG_NS:
                return metrics
            metrics.program.stop()
        self.skipTest('this machine is too slow: the exporter takes longer than 5 s to start')

    def play(self, recorded, flag_sets=tuple(FLAGS)):
        """{name of flags, a dot, name of format: body}"""
        bodies = {}
        for name in flag_sets:
            metrics = self.serve_recorded(recorded, FLAGS[name])
            for form, accept in ACCEPT.items():
                answer = metrics.request(metrics.path, headers={'Accept': accept})
                self.assertEqual(answer.headers['Content-Type'].split(';')[0], accept.split(';')[0])
                bodies[f'{name}.{form}'] = answer.body
            if 'processes' not in name:  # which the API does not know
                bodies[f'{name}.json'] = metrics.request('/api/v1/loops').body
            metrics.program.stop()
        return bodies
