// node_server.js [log] [WATCH...]: an HTTP server on a free port, which it prints. WATCH is what node_scheduled.js says.
//
// GET / says hello; /freeze says so and then blocks the loop for 4 s; /metrics is prom-client's. With "log" the program looks at
// its monitorEventLoopDelay each second, as an application would, and says "stall WATCH" of those that were over 100 ms.
const http = require('http');
const { monitorEventLoopDelay } = require('perf_hooks');

const FREEZE_MS = 4000;
const LOOK_MS = 1000;
const THRESHOLD_NS = 100e6;
const never = new Int32Array(new SharedArrayBuffer(4));
const [first, ...rest] = process.argv.slice(2);
const logs = first === 'log';
let client;

for (const watch of logs ? rest : [first, ...rest].filter(Boolean)) {
  if (watch === 'prom-client') {
    client = require('prom-client');
    client.collectDefaultMetrics();
    continue;
  }
  const resolution = Number(watch.split('=')[1]);
  const histogram = monitorEventLoopDelay(resolution ? { resolution } : undefined);
  histogram.enable();
  if (!logs) continue;
  setInterval(() => {
    if (histogram.max > THRESHOLD_NS) console.log(`stall ${watch}`);
    histogram.reset();
  }, LOOK_MS);
}

const server = http.createServer(async (request, response) => {
  if (request.url === '/metrics') {
    response.end(await client.register.metrics());
  } else if (request.url === '/freeze') {
    response.end('freezes\n', () => setImmediate(() => Atomics.wait(never, 0, 0, FREEZE_MS)));
  } else {
    response.end('hello\n');
  }
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
