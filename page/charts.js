// The two pictures of one loop, drawn by uPlot. They know nothing of the server but what they are given.
'use strict';

const charts = (() => {
  // A duration as a number and its unit: three digits, ['12.3', 'ms']; from 100 s on ['19', 'min 17 s'].
  function secondsParts(seconds) {
    if (seconds === null || seconds === undefined) return ['–', ''];
    if (seconds === 0) return ['0', ''];
    if (seconds >= 99.5) {
      const whole = Math.round(seconds), hours = Math.floor(whole / 3600), minutes = Math.floor(whole / 60) % 60;
      return hours ? [`${hours}`, `h ${minutes} min`] : [`${minutes}`, `min ${whole % 60} s`];
    }
    for (const [unit, size] of [['s', 1], ['ms', 1e-3], ['µs', 1e-6]]) {
      // What rounds to 1000 of the smaller unit is one of the larger.
      if (seconds >= size * 0.9995 || unit === 'µs') {
        const value = seconds / size;
        return [value >= 99.95 ? value.toFixed(0) : value >= 9.995 ? value.toFixed(1) : value.toFixed(2), unit];
      }
    }
  }
  const secondsText = (seconds) => secondsParts(seconds).join(' ').trim();
  // Without what says nothing: '60 s', '10 min', '1 h'.
  const roundText = (seconds) => secondsText(seconds).replace(/(\.\d*?)0+(?= )/, '$1').replace(/\.(?= )/, '').replace(/ 0 (s|min)$/, '');

  const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const clock = (unixSeconds) =>
    new Date(unixSeconds * 1000).toLocaleTimeString([], {hour: '2-digit', minute: '2-digit', second: '2-digit', hour12: false});

  const HEIGHT = 250;
  const TICKS = [1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1, 10, 60, 600, 3600];
  const cursor = {sync: {key: 'looptap'}, drag: {x: false, y: false}, points: {show: false}, y: false};

  function axes(y) {
    const shared = {stroke: style('--soft'), font: '12px system-ui, sans-serif', ticks: {show: false},
                    grid: {stroke: style('--line'), width: 1}};
    return [
      {...shared, grid: {show: false}, space: 60, size: 30, splits: (u) => {
        const end = u.scales.x.max;
        return (u.width < 420 ? [600, 300, 0] : [600, 480, 360, 240, 120, 0]).map((ago) => end - ago);
      }, values: (u, splits) => splits.map((at) => {
        const minutes = Math.round((u.scales.x.max - at) / 60);
        return minutes ? `−${minutes} min` : 'now';
      })},
      {...shared, size: 62, gap: 6, ...y},
    ];
  }

  function base(element, history, now) {
    return {
      width: element.clientWidth, height: HEIGHT, cursor, padding: [10, 22, 0, 0],
      // Always the whole ten minutes, also of a loop that is younger.
      scales: {x: {time: true, range: () => [now() - history.length_seconds, now()]}},
    };
  }

  function quantiles(element, history, now) {
    const options = base(element, history, now);
    // Linear up to a millisecond, logarithmic above: a freeze must not flatten the milliseconds before it.
    options.scales.y = {distr: 4, asinh: 1e-3, range: (u, min, max) => [0, Math.max(max, 0.01) * 1.25]};
    options.axes = axes({
      splits: (u) => [0, ...TICKS.filter((seconds) => seconds >= 1e-3 && seconds <= u.scales.y.max)],
      values: (u, splits) => splits.map(roundText),
      filter: (u, splits) => splits,  // else only powers of ten would have a name
    });
    // Where the pointer is; the latest ones while it is elsewhere.
    const at = (u, series, index) => u.data[series][index ?? u.data[0].length - 1];
    const line = (label, color, width) =>
      ({label, stroke: style(color), width, points: {show: false},
        value: (u, value, series, index) => secondsText(at(u, series, index))});
    options.series = [
      {label: 'at', value: (u, value, series, index) => {
        const time = at(u, 0, index);
        return time === undefined ? '–' : clock(time);
      }},
      {...line('p99', '--p99', 2), fill: `rgba(${style('--heat')}, 0.10)`}, line('p95', '--p95', 1.75), line('p50', '--p50', 1.75),
    ];
    return new uPlot(options, quantileData(history), element);
  }
  const quantileData = (history) => [history.time, history.p99_seconds, history.p95_seconds, history.p50_seconds];

  // The class of a duration, given the classes' inclusive upper bounds.
  function classOf(history, seconds) {
    const found = history.class_bounds_seconds.findIndex((bound) => seconds <= bound);
    return found < 0 ? history.class_bounds_seconds.length : found;
  }

  function drawCells(u, history) {
    const {ctx} = u;
    const heat = style('--heat'), alarm = style('--alarm');
    const lowest = Math.log2(history.class_bounds_seconds[0]) - 1;
    const most = Math.log(1 + Math.max(1, ...history.iterations.map((counts) => Math.max(...counts))));
    const cell = (column, index, color) => {
      const end = history.time[column];
      const left = Math.round(u.valToPos(end - history.interval_seconds, 'x', true));
      const right = Math.round(u.valToPos(end, 'x', true));
      const top = Math.round(u.valToPos(lowest + index + 1, 'y', true));
      const bottom = Math.round(u.valToPos(lowest + index, 'y', true));
      ctx.fillStyle = color;
      ctx.fillRect(left, top, Math.max(right - left, 1), Math.max(bottom - top - 1, 1));
    };
    ctx.save();
    ctx.beginPath();
    ctx.rect(u.bbox.left, u.bbox.top, u.bbox.width, u.bbox.height);
    ctx.clip();
    history.iterations.forEach((counts, column) => {
      counts.forEach((count, index) => {
        if (count) cell(column, index, `rgba(${heat}, ${0.15 + 0.85 * Math.log(1 + count) / most})`);
      });
      // No class says more than "open for so long by then" of an iteration that goes on.
      if (history.blocked_seconds[column] > 0.1) cell(column, classOf(history, history.blocked_seconds[column]), alarm);
    });
    ctx.restore();
  }

  function describe(u, history) {
    const column = u.cursor.idx;
    if (column === null || column === undefined || u.cursor.left < 0) return ' ';
    const counts = history.iterations[column];
    if (!counts) return ' ';
    const total = counts.reduce((a, b) => a + b, 0);
    const blocked = history.blocked_seconds[column];
    let text = `${clock(history.time[column])}: about ${total.toLocaleString('en')} iterations`;
    let longest = counts.length - 1;
    while (longest >= 0 && !counts[longest]) longest--;
    const bounds = history.class_bounds_seconds;
    if (longest >= 0) text += longest < bounds.length ? `, none longer than ${secondsText(bounds[longest])}` :
      `, some longer than ${secondsText(bounds.at(-1))}`;
    if (blocked > 0.1) text += `; one open for ${secondsText(blocked)}`;
    return text;
  }

  function heatmap(element, caption, history, now) {
    const options = base(element, history, now);
    const bounds = history.class_bounds_seconds;
    const lowest = Math.log2(bounds[0]) - 1;
    let shown = history;
    options.scales.y = {range: () => [lowest, lowest + bounds.length + 1]};
    options.axes = axes({
      splits: () => TICKS.map(Math.log2),
      values: (u, splits) => splits.map((value) => roundText(Number((2 ** value).toPrecision(3)))),
    });
    options.legend = {show: false};
    options.series = [{}, {show: true, paths: () => null, points: {show: false}}];
    options.hooks = {
      draw: [(u) => drawCells(u, shown)],
      setCursor: [(u) => { caption.textContent = describe(u, shown); }],
    };
    const plot = new uPlot(options, heatmapData(history), element);
    return {plot, show(next) { shown = next; plot.setData(heatmapData(next)); }};
  }
  const heatmapData = (history) => [history.time, history.time.map(() => null)];

  /// Draws both into their elements; show(history) brings them up to date.
  function draw(elements, history) {
    let end = history.now;
    const now = () => end;
    const lines = quantiles(elements.quantiles, history, now);
    const cells = heatmap(elements.heatmap, elements.caption, history, now);
    return {
      show(next) { end = next.now; lines.setData(quantileData(next)); cells.show(next); },
      resize() {
        lines.setSize({width: elements.quantiles.clientWidth, height: HEIGHT});
        cells.plot.setSize({width: elements.heatmap.clientWidth, height: HEIGHT});
      },
      remove() { lines.destroy(); cells.plot.destroy(); },
    };
  }

  return {draw, roundText, secondsParts, secondsText};
})();
