"""The truth and what each measurer says, drawn: one SVG for each runtime, the same from the same figures.

    python3 -m bench_peers.plots FIGURES FOLDER     (Debian's Python, which has Debian's matplotlib)
"""

import hashlib
import json
import math
import pathlib
import sys

MARKS = 'osD^v<>PX*'
QUANTILES = {'p50': 0.5, 'p95': 0.95, 'p99': 0.99}


def nines(q):
    """Where a quantile is drawn: each further nine takes as much room."""
    return -math.log10(1 - q)


def digest(path):
    """By which a plot names the figures from which it was drawn."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def draw_run(axes, run, styles):
    curve = [(nines(q), 1000 * latency) for q, latency in run['truth']['curve']]
    axes.plot(*zip(*curve), color='0.75', linewidth=6, solid_capstyle='round', zorder=1, label='the truth')
    # Marks of one quantile stand beside each other, under a line at what is true there.
    aside = 0.025 * len(run['rows']) / 2
    for name, q in QUANTILES.items():
        axes.hlines(1000 * run['truth'][name], nines(q) - aside, nines(q) + aside, color='0.4', linewidth=1,
                    zorder=1.5)
    for place, (measurer, row) in enumerate(run['rows'].items()):
        points = [(nines(q) + 0.025 * place - aside, 1000 * row['said'][name])
                  for name, q in QUANTILES.items() if name in row['said']]
        if points:
            colour, mark = styles[measurer]
            axes.plot(*zip(*points), linestyle='', marker=mark, color=colour, markersize=5, zorder=2,
                      label=measurer)
    axes.set_title(run['title'], fontsize=9)
    axes.set_yscale('symlog', linthresh=1)
    axes.yaxis.set_major_formatter('{x:g}')
    axes.set_ylim(bottom=0)
    axes.set_xticks([nines(q) for q in QUANTILES.values()], QUANTILES)
    axes.set_xlim(0.1, nines(0.995))
    axes.grid(axis='y', color='0.93')
    axes.set_ylabel('ms', fontsize=8)
    axes.tick_params(labelsize=8)


def draw(runs, path, source, pyplot):
    measurers = list(dict.fromkeys(measurer for run in runs for measurer in run['rows']))
    colours = pyplot.get_cmap('tab10').colors
    styles = {measurer: (colours[place % 10], MARKS[place % len(MARKS)])
              for place, measurer in enumerate(measurers)}
    rows = math.ceil(len(runs) / 3)
    figure, grid = pyplot.subplots(rows, 3, figsize=(11, 2.7 * rows + 0.9), squeeze=False)
    for axes in grid.flat[len(runs):]:
        axes.set_visible(False)
    for axes, run in zip(grid.flat, runs):
        draw_run(axes, run, styles)
    labels = {}
    for axes in grid.flat[:len(runs)]:
        for handle, label in zip(*axes.get_legend_handles_labels()):
            labels.setdefault(label, handle)
    figure.legend(labels.values(), labels.keys(), loc='lower center', ncols=3, fontsize=8, frameon=False)
    figure.tight_layout(rect=(0, 0.9 / figure.get_figheight(), 1, 1))
    figure.savefig(path, metadata={'Date': None, 'Creator': None, 'Description': source})
    pyplot.close(figure)
    # matplotlib leaves blanks at the ends of lines.
    path.write_text('\n'.join(line.rstrip() for line in path.read_text().splitlines()) + '\n')


def main(figures, folder):
    import matplotlib  # only here: the test of the page asks for digest alone
    matplotlib.use('svg')
    from matplotlib import pyplot
    matplotlib.rcParams |= {'svg.hashsalt': 'looptap', 'svg.fonttype': 'none', 'font.family': 'sans-serif'}
    source = figures / 'accuracy.json'
    runs = json.loads(source.read_text())
    for runtime in dict.fromkeys(run['runtime'] for run in runs):
        of_runtime = [run for run in runs if run['runtime'] == runtime]
        draw(of_runtime, folder / f'{runtime}.svg', digest(source), pyplot)


if __name__ == '__main__':
    main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
