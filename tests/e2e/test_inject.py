"""looptap inject: manifests of the field get the probe, and lose nothing."""

import json
import os
import pathlib
import random
import subprocess

from e2e.harness import LOOPTAP, LooptapTest

MANIFESTS = pathlib.Path(__file__).resolve().parent / 'manifests'
SHOP = MANIFESTS / 'shop.yaml'
LIBRARY = '/looptap/lib/liblooptap.so'


class Inject(LooptapTest):

    def inject(self, manifest, *flags):
        """The result of the command with the manifest (text or bytes) as its stdin."""
        if isinstance(manifest, str):
            manifest = manifest.encode()
        return subprocess.run([LOOPTAP, 'inject', '-f', '-', *flags], input=manifest, capture_output=True,
                              timeout=60)

    def injected(self, manifest, *flags):
        result = self.inject(manifest, *flags)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stdout.decode()

    def assert_refused(self, manifest, mention):
        result = self.inject(manifest)
        self.assertEqual(result.returncode, 2, result)
        self.assertEqual(result.stdout, b'')
        self.assertRegex(result.stderr.decode(), r'\Alooptap: error: stdin:\d+:\d+: [^\n]+\n\Z')
        self.assertIn(mention, result.stderr.decode())

    def test_adds_and_removes_nothing_but_comments_and_aliases(self):
        before = SHOP.read_text()
        after = self.injected(before)
        lines = {line.strip() for line in after.splitlines()}
        rewritten = {  # what is written in another way, and means the same
            'labels: &labels {app: web, version: "1.10"}', 'matchLabels: *labels', 'labels: *labels',
            r'note: "tab\there, unicode \u00e9, quote \""', 'folded: >', 'this is', 'one line',
            'value: /usr/lib/x86_64-linux-gnu/libjemalloc.so.2', 'volumes: ~', 'volumeMounts: []'}
        lost = {line.strip() for line in before.splitlines()} - lines
        self.assertEqual(lost - rewritten, set())
        self.assertIn('labels: {app: web, version: "1.10"}', lines)
        self.assertIn(f'value: /usr/lib/x86_64-linux-gnu/libjemalloc.so.2:{LIBRARY}', lines)

    def test_documents_of_other_kinds_come_out_byte_for_byte(self):
        before = SHOP.read_text()
        config_map = before[:before.index('---\napiVersion: apps/v1')]
        self.assertTrue(self.injected(before).startswith(config_map))
        self.assertEqual(self.injected(config_map), config_map)

    def test_a_second_time_changes_nothing(self):
        for flags in [], ['--classic'], ['--containers=web,migrate'], ['--port=9000', '--limits=none']:
            once = self.injected(SHOP.read_text(), *flags)
            self.assertNotEqual(once, SHOP.read_text())
            self.assertEqual(self.injected(once, *flags), once)

    def test_what_is_there_already_stays_whatever_the_flags_say(self):
        classic = self.injected(SHOP.read_text(), '--classic', '--port=9000', '--limits=none')
        self.assertEqual(self.injected(classic), classic)

    def test_says_what_became_of_each_pod(self):
        said = self.inject(SHOP.read_text()).stderr.decode()
        self.assertIn('looptap: deployment/web: measures web, allocator, bare\n', said)
        self.assertIn('looptap: cronjob/nightly: measures nightly\n', said)
        self.assertRegex(said, r'warning: stdin:\d+:\d+: deployment/web: container agent is not measured')

    def test_says_that_an_image_of_localhost_has_to_be_on_the_nodes(self):
        self.assertIn(b'needs the image localhost/looptap', self.inject(SHOP.read_text()).stderr)
        other = self.inject(SHOP.read_text(), '--image=registry.example/looptap:1')
        self.assertNotIn(b'needs the image', other.stderr)
        self.assertNotIn(b'needs the image', self.inject(other.stdout).stderr)

    def test_reads_a_file(self):
        result = subprocess.run([LOOPTAP, 'inject', '-f', SHOP], capture_output=True, timeout=60)
        self.assertEqual(result.stdout.decode(), self.injected(SHOP.read_text()))

    def test_flags_choose_the_image_the_port_and_the_resources(self):
        text = self.injected(SHOP.read_text(), '--image=registry.example/looptap:2', '--port=9000',
                             '--requests=cpu=1', '--limits=memory=1Gi')
        for line in ('image: registry.example/looptap:2', 'containerPort: 9000', 'cpu: "1"', 'memory: 1Gi',
                     '- --web.listen-address=:9000'):
            self.assertIn(line + '\n', text)

    def test_what_kubectl_prints_as_json_stays_json(self):
        pod = {'apiVersion': 'v1', 'kind': 'List', 'metadata': {'resourceVersion': ''}, 'items': [
            {'apiVersion': 'v1', 'kind': 'Pod', 'metadata': {'name': 'a', 'labels': {'on': 'yes'}},
             'spec': {'containers': [{'name': 'web', 'image': 'a:1', 'args': ['1.10', 'null', 'a\tb']}],
                      'terminationGracePeriodSeconds': 30, 'hostIPC': False, 'nodeName': None}}]}
        after = json.loads(self.injected(json.dumps(pod, indent=4)))
        spec = after['items'][0]['spec']
        self.assertEqual(spec['initContainers'][0]['ports'], [{'name': 'looptap', 'containerPort': 10064}])
        self.assertEqual(spec['initContainers'][0]['resources']['limits'], {'cpu': '200m', 'memory': '64Mi'})
        for added in 'initContainers', 'volumes':
            del spec[added]
        for added in 'env', 'volumeMounts':
            del spec['containers'][0][added]
        self.assertEqual(after, pod)

    def test_what_is_no_yaml_gets_its_place(self):
        text = SHOP.read_text()
        self.assert_refused(text.replace('spec:\n  replicas', 'spec:\n\treplicas'), 'stdin:')
        self.assert_refused(text.replace("'1e3'", "'1e3"), 'stdin:')
        self.assert_refused(text.replace('        env:\n        volumeMounts', '        env: none\n        volumeMounts'),
                            'env: a list is expected here')

    def test_neither_bombs_nor_depth_nor_garbage_end_it_otherwise(self):
        pod = 'apiVersion: v1\nkind: Pod\n'
        levels = 'a0: &a0 [' + ', '.join(['x'] * 10) + ']\n' + ''.join(
            f'a{i}: &a{i} [' + ', '.join([f'*a{i - 1}'] * 10) + ']\n' for i in range(1, 10))
        self.assert_refused(pod + levels, 'aliases stand for more than')
        # Null control: it is no pod, and nobody asks what they stand for.
        self.assertEqual(self.injected(levels), levels)
        for opening in '[', '{a: ', '- ', '- - ':
            self.assert_refused(opening * 100_000, '')
        self.assert_refused(LOOPTAP.read_bytes()[:100_000], '')
        self.assert_refused('a: b'.encode('utf-16'), 'UTF-16')

    def test_damaged_manifests_are_refused_or_taken_and_crash_nothing(self):
        chance = random.Random(1)
        original = SHOP.read_bytes()
        taken = 0
        for _ in range(200):
            damaged = bytearray(original)
            for _ in range(chance.randint(1, 4)):
                at = chance.randrange(len(damaged))
                if chance.random() < 0.5:
                    damaged[at] = chance.choice(b'\0\t\n :-[]{}&*!|>\'"%@`#,\xff\xc3a0')
                else:
                    del damaged[at:at + chance.randint(1, 30)]
            result = self.inject(bytes(damaged))
            self.assertIn(result.returncode, (0, 2), damaged.decode(errors='replace'))
            self.assertNotIn(b'cannot be written again', result.stderr, damaged.decode(errors='replace'))
            if result.returncode:
                self.assertEqual(result.stdout, b'')
            else:
                taken += 1
                self.assertEqual(self.inject(result.stdout).stdout, result.stdout)
        self.assertGreater(taken, 20)

    def test_a_full_disk_is_an_error(self):
        if not os.path.exists('/dev/full'):
            self.skipTest('there is no /dev/full')
        with open('/dev/full', 'wb') as full:
            result = subprocess.run([LOOPTAP, 'inject', '-f', SHOP], stdout=full, stderr=subprocess.PIPE, timeout=60)
        self.assertEqual(result.returncode, 2)
        self.assertIn(b'stdout: ', result.stderr)
