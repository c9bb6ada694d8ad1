// node_scheduled.js SCHEDULE RECORD [WATCH...]: a node program that stalls by a schedule (a JSON file). WATCH: delay=MS for a
// monitorEventLoopDelay of that resolution (delay= for its default), prom-client for prom-client's default metrics.
//
// It starts with a line on stdin, says "end" when the schedule is over, and writes RECORD with the next line: how long it was
// observed, the duration of each of its handlers, and what the watches say, all in seconds, as JSON. Where the schedule has
// messages, they come on descriptor 3.
const fs = require('fs');
const net = require('net');
const { monitorEventLoopDelay } = require('perf_hooks');
const client = require('prom-client');

const [schedulePath, recordPath, ...watches] = process.argv.slice(2);
const schedule = JSON.parse(fs.readFileSync(schedulePath));
const durations = [];

function recorded(handler) {
  return (...args) => {
    const start = performance.now();
    handler(...args);
    durations.push((performance.now() - start) / 1e3);
  };
}

const never = new Int32Array(new SharedArrayBuffer(4));
function useCpu(ms) {
  const start = process.cpuUsage();
  for (let us = 0; us < ms * 1e3; ) {
    const used = process.cpuUsage(start);
    us = used.user + used.system;
  }
}
const work = schedule.work === 'sleep' ? (ms) => Atomics.wait(never, 0, 0, ms) : useCpu;

const THRESHOLD = 0.1;
const DEFAULT_RESOLUTION = 10;
const histograms = {};
let registry;

function startWatches() {
  for (const watch of watches) {
    if (watch === 'prom-client') {
      registry = new client.Registry();
      client.collectDefaultMetrics({ register: registry });
    } else {
      const resolution = Number(watch.split('=')[1]);
      histograms[watch] = monitorEventLoopDelay(resolution ? { resolution } : undefined);
      histograms[watch].enable();
    }
  }
}

// What it says, as it is and with its own interval taken off.
function figures(histogram, interval) {
  const { count } = histogram;
  const at = (percentile) => (count ? Math.max(0, histogram.percentile(percentile) / 1e9 - interval) : 0);
  let stalls = 0;
  while (stalls < count && at((100 * (count - stalls)) / count) > THRESHOLD) stalls++;
  return { p50: at(50), p95: at(95), p99: at(99), max: at(100), stalls };
}

async function finish(observed) {
  const said = {};
  for (const [watch, histogram] of Object.entries(histograms)) {
    said[watch] = figures(histogram, 0);
    said[watch + ' less'] = figures(histogram, (Number(watch.split('=')[1]) || DEFAULT_RESOLUTION) / 1e3);
  }
  if (registry) {
    // One reading for all: it resets the figures.
    const metrics = Object.fromEntries((await registry.getMetricsAsJSON()).map((metric) => [metric.name, metric]));
    const value = (name) => metrics[`nodejs_eventloop_lag_${name}_seconds`].values[0].value;
    said['prom-client'] = { p50: value('p50'), p99: value('p99'), max: value('max') };
  }
  fs.writeFileSync(recordPath, JSON.stringify({ observed, durations, said }));
  process.exit();
}

function main() {
  startWatches();
  const start = performance.now();
  const stalls = schedule.stalls;
  let next = 0;
  let observed;
  // Before anything is measured: it takes milliseconds.
  process.stdin.on('data', () => finish(observed));
  function arm() {
    const at = next < stalls.length ? stalls[next][0] : schedule.seconds;
    setTimeout(recorded(next < stalls.length ? stall : end), Math.max(0, start + at * 1e3 - performance.now()));
  }
  function stall() {
    work(stalls[next++][1] * 1e3);
    arm();
  }
  function end() {
    for (const histogram of Object.values(histograms)) histogram.disable();
    console.log('end');
    observed = (performance.now() - start) / 1e3;
  }
  if (schedule.messages) {
    new net.Socket({ fd: 3, readable: true, writable: false }).on('data', recorded(() => {}));
    fs.writeSync(4, '\n');
  }
  arm();
}

console.log('ready');
fs.readSync(0, Buffer.alloc(1));
main();
