// exec_sync.js CALLS COMMAND: so many timers of 10 ms one after the other; each calls execSync(COMMAND), which runs a libuv
// loop of its own inside the iteration. Then it prints, as JSON, how long each call took in ms, and rests until its stdin ends.
const { execSync } = require('child_process');
const [calls, command] = [Number(process.argv[2]), process.argv[3]];
const took = [];
process.stdin.resume();
function turn() {
  const start = process.hrtime.bigint();
  if (command) execSync(command);
  took.push(Number(process.hrtime.bigint() - start) / 1e6);
  if (took.length < calls) setTimeout(turn, 10);
  else console.log(JSON.stringify(took));
}
setTimeout(turn, 10);
