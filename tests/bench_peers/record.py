"""`make record-peers`: puts the last figures of `make bench-peers` on record: docs/benchmarks.md, its plots,
and the table in the README between its marks. Nobody types any of these by hand;
tests/e2e/test_benchmark_page.py sees to it.
"""

import json
import os
import re
import shutil
import subprocess
import sys

from bench_peers import tables
from e2e.harness import BUILD, PYTHON, ROOT

PARTS = ('machine', 'accuracy', 'frozen', 'wakeups', 'cost', 'scale', 'fleet')
FIGURES = BUILD / 'bench/peers'
RECORD = ROOT / 'docs/benchmarks'
PAGE = ROOT / 'docs/benchmarks.md'
README = ROOT / 'README.md'
BLOCK = re.compile(r'(?<=<!-- bench-peers -->\n).*?(?=<!-- /bench-peers -->)', re.S)


def read(folder):
    """What has been measured: {part: its figures}."""
    return {part: json.loads((folder / f'{part}.json').read_text())
            for part in PARTS if (folder / f'{part}.json').exists()}


def main():
    missing = [part for part in PARTS if not (FIGURES / f'{part}.json').exists()]
    if missing:
        sys.exit(f'{FIGURES} has no {", ".join(missing)}: make bench-peers')
    RECORD.mkdir(parents=True, exist_ok=True)
    for part in PARTS:
        shutil.copy(FIGURES / f'{part}.json', RECORD)
    figures = read(RECORD)
    PAGE.write_text(tables.document(figures))
    subprocess.run([PYTHON, '-m', 'bench_peers.plots', RECORD, RECORD], check=True,
                   cwd=ROOT / 'tests', env={**os.environ, 'PYTHONDONTWRITEBYTECODE': '1'})
    readme = README.read_text()
    if BLOCK.search(readme):
        README.write_text(BLOCK.sub(lambda _: tables.readme_block(figures) + '\n', readme))
    else:
        print(f'{README} has no <!-- bench-peers --> ... <!-- /bench-peers -->; between them belongs:\n')
        print(tables.readme_block(figures))


if __name__ == '__main__':
    main()
