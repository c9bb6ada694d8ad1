"""`make record-peers`: puts the last figures of `make bench-peers` on record: docs/benchmarks.md, its plots,
and the table in docs/cost.md between its marks. Nobody types any of these by hand;
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
EXCERPT_PAGE = ROOT / 'docs/cost.md'
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
    page = EXCERPT_PAGE.read_text()
    if not BLOCK.search(page):
        sys.exit(f'{EXCERPT_PAGE} has no <!-- bench-peers --> ... <!-- /bench-peers -->')
    EXCERPT_PAGE.write_text(BLOCK.sub(lambda _: tables.excerpt(figures) + '\n', page))


if __name__ == '__main__':
    main()
