// Reads /api/v1/loops and shows it. Whatever comes from a host is put into the page as text, never as markup.
'use strict';

(() => {
  const POLL_MS = 2000;
  const MANY_LOOPS = 12;
  const byId = (id) => document.getElementById(id);
  const rows = new Map();  // by id: the row and its cells
  let chosen = null;       // id
  let choosing = true;     // nobody has chosen: the worst loop is shown
  let view = {loops: []};
  let drawn = null;        // {id, charts}
  let historyAt = 0;

  function element(name, properties = {}, ...children) {
    const made = document.createElement(name);
    Object.assign(made, properties);
    made.append(...children);
    return made;
  }

  const STATES = {waiting: 'waiting', busy: 'busy', dormant: 'dormant', ended: 'ended'};
  function stateText(loop) {
    if (loop.state === 'frozen') return `Frozen for ${charts.secondsText(loop.blocked_seconds)}`;
    if (loop.state === 'blocked') return `Blocked for ${charts.secondsText(loop.blocked_seconds)}`;
    return STATES[loop.state] ?? loop.state;
  }
  const place = (loop) => `pid ${loop.pid} · loop ${loop.loop} · thread ${loop.thread}`;

  function count(value) {
    if (value === null) return '–';
    if (value >= 1e6) return `${(value / 1e6).toFixed(1)} M`;
    if (value >= 1e4) return `${(value / 1e3).toFixed(1)} k`;
    return value >= 10 || Number.isInteger(value) ? Math.round(value).toLocaleString('en') : value.toFixed(1);
  }

  function putNumber(cell, text, unit) {
    const [number, small] = cell.parts;
    text += '\u00a0';
    if (number.data !== text) number.data = text;
    if (small.textContent !== unit) small.textContent = unit;
  }
  const putSeconds = (cell, seconds) => putNumber(cell, ...charts.secondsParts(seconds));

  function makeRow(id) {
    const cell = (name, label) => {
      const made = element('td', {className: name});
      if (label) made.dataset.label = label;
      return made;
    };
    const number = (name, label) => {
      const made = cell(`${name} number`, label);
      made.parts = [document.createTextNode(''), element('span', {className: 'unit'})];
      made.append(...made.parts);
      return made;
    };
    const row = {
      button: element('button', {type: 'button'}), place: element('small'), state: element('span'),
      share: element('i'), p99: number('p99', 'p99'), p95: number('p95', 'p95'), p50: number('p50', 'p50'),
      busy: number('busy', 'busy'), rate: number('rate', 'iter.'), stalls: number('stalls', 'stalls'),
    };
    const name = cell('name');
    name.append(row.button, row.place);
    const state = cell('state');
    state.append(row.state);
    const share = element('span', {className: 'share'}, row.share);
    share.setAttribute('aria-hidden', 'true');
    row.busy.prepend(share);
    row.element = element('tr', {}, name, state, row.p99, row.p95, row.p50, row.busy, row.rate, row.stalls);
    row.element.addEventListener('click', () => choose(id));
    return row;
  }

  function fillRow(row, loop) {
    row.button.textContent = loop.process;
    row.place.textContent = place(loop);
    row.state.textContent = stateText(loop);
    row.element.dataset.state = loop.state;
    row.element.dataset.id = loop.id;
    row.element.setAttribute('aria-current', String(loop.id === chosen));
    putSeconds(row.p99, loop.p99_seconds);
    putSeconds(row.p95, loop.p95_seconds);
    putSeconds(row.p50, loop.p50_seconds);
    putNumber(row.busy, loop.utilization === null ? '–' : (100 * loop.utilization).toFixed(loop.utilization < 0.0995 ? 1 : 0),
              loop.utilization === null ? '' : '%');
    row.share.style.width = `${100 * (loop.utilization ?? 0)}%`;
    putNumber(row.rate, count(loop.iterations_per_second), loop.iterations_per_second === null ? '' : '/s');
    putNumber(row.stalls, count(loop.stalls_total), '');
  }

  function matches(loop) {
    const wanted = byId('filter').value.trim().toLowerCase();
    return !wanted || `${loop.process} ${place(loop)}`.toLowerCase().includes(wanted);
  }

  function showLoops() {
    // Those of which nothing is known come last; equals keep their places.
    const loops = [...view.loops].sort((a, b) => (b.p99_seconds ?? -1) - (a.p99_seconds ?? -1) || a.id - b.id);
    const here = new Set(loops.map((loop) => loop.id));
    for (const [id, row] of rows) {
      if (here.has(id)) continue;
      row.element.remove();
      rows.delete(id);
    }
    if (!here.has(chosen)) choosing = true;
    if (choosing) chosen = loops.length ? loops[0].id : null;

    let next = byId('rows').firstElementChild;
    for (const loop of loops) {
      if (!rows.has(loop.id)) rows.set(loop.id, makeRow(loop.id));
      const row = rows.get(loop.id);
      fillRow(row, loop);
      row.element.hidden = !matches(loop);
      // Only what has moved is moved, so that a focus stays where it is.
      if (row.element === next) next = next.nextElementSibling;
      else byId('rows').insertBefore(row.element, next);
    }
    byId('loops').hidden = !loops.length;
    byId('empty').hidden = loops.length > 0;
    byId('filter').hidden = loops.length <= MANY_LOOPS;
    document.querySelector('.table-frame').classList.toggle('long', loops.length > MANY_LOOPS);
  }

  const counted = (number, what) => `${number} ${what}${number === 1 ? '' : what.endsWith('s') ? 'es' : 's'}`;

  function showSummary() {
    const frozen = view.loops.filter((loop) => loop.frozen);
    byId('window').textContent = charts.roundText(view.window_seconds);
    byId('summary').textContent = `${counted(view.loops.length, 'loop')} in ${counted(view.processes.live, 'live process')}`
      + (view.processes.ended ? ` and ${view.processes.ended} ended` : '');
    const names = frozen.slice(0, 3).map((loop) => `${loop.process} (pid ${loop.pid}) for ${charts.secondsText(loop.blocked_seconds)}`);
    if (frozen.length > names.length) names.push(`${frozen.length - names.length} more`);
    const alarm = byId('alarm');
    alarm.hidden = !frozen.length;
    alarm.textContent = frozen.length ? `${frozen.length === 1 ? 'A loop is' : `${frozen.length} loops are`} frozen: ${names.join(', ')}` : '';
    document.title = frozen.length ? `(${frozen.length} frozen) looptap` : 'looptap';
  }

  function forgetCharts() {
    if (drawn) drawn.charts.remove();
    drawn = null;
    historyAt = 0;
  }

  async function showHistory() {
    const loop = view.loops.find((one) => one.id === chosen);
    byId('detail').hidden = !loop;
    if (!loop) return forgetCharts();
    byId('detail-title').textContent = loop.process;
    byId('detail-note').textContent = place(loop);
    if (drawn && drawn.id === chosen && Date.now() - historyAt < POLL_MS - 500) return;
    const id = chosen;
    const response = await fetch(`api/v1/loops/${id}/history`);
    if (!response.ok || id !== chosen) return;
    const history = await response.json();
    history.now = view.time;
    historyAt = Date.now();
    if (drawn && drawn.id === id) return drawn.charts.show(history);
    forgetCharts();
    drawn = {id, charts: charts.draw({quantiles: byId('quantiles'), heatmap: byId('heatmap'), caption: byId('heat-caption')}, history)};
  }

  async function choose(id) {
    chosen = id;
    choosing = false;
    showLoops();
    try {
      await showHistory();
    } catch (error) { /* the next look says so */ }
    if (matchMedia('(max-width: 680px)').matches) byId('detail').scrollIntoView({behavior: 'smooth'});
  }

  async function look() {
    try {
      const response = await fetch('api/v1/loops');
      if (!response.ok) throw new Error(`status ${response.status}`);
      view = await response.json();
      showLoops();
      showSummary();
      await showHistory();
      byId('connection').hidden = true;
      document.body.dataset.looked = 'yes';
    } catch (error) {
      // What is shown is old; say so instead of blanking it.
      byId('connection').hidden = false;
      byId('connection').textContent = 'The exporter does not answer; these are its last figures.';
    }
  }

  async function keepLooking() {
    if (!document.hidden) await look();
    setTimeout(keepLooking, POLL_MS);
  }

  byId('filter').addEventListener('input', showLoops);
  document.addEventListener('visibilitychange', () => { if (!document.hidden) look(); });
  addEventListener('resize', () => { if (drawn) drawn.charts.resize(); });
  // Colours are taken from the style when a chart is made.
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => { forgetCharts(); look(); });
  keepLooking();
})();
