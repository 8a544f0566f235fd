// Piscina, asked as peer.py is: node peer.js piscina|none THREADS. The tasks are exported.
const { isMainThread } = require("node:worker_threads");

function sum(array) {
  let total = 0;
  for (let at = 0; at < array.length; at++) total += array[at];
  return total;
}

const tasks = {
  empty() {},
  take: (buffer) => new Float64Array(buffer).at(-1),
  echo: (buffer) => require("piscina").move(buffer),
  addUp(buffer) {
    const array = new Float64Array(buffer);
    array[0] = sum(array); // moved alone, a buffer has no place for a number beside it
    return require("piscina").move(buffer);
  },
  busy(loops) {
    let total = 0;
    for (let number = 0; number < loops; number++) total = (total + (number ^ total)) & 0xffff;
    return total;
  },
};
module.exports = tasks;

const now = () => Number(process.hrtime.bigint()) / 1e9;
const median = (values) => values.sort((a, b) => a - b)[values.length >> 1];
const WARM = 50;

async function timed(work) {
  const begin = now();
  await work();
  return now() - begin;
}

async function flight(run, name, argument, count, width) {
  let left = count;
  const lane = async () => {
    while (left-- > 0) await run(name, argument);
  };
  return (await timed(() => Promise.all(Array.from({ length: width }, lane)))) / count;
}

async function carry(run, verb, megabytes, count) {
  const taken = [];
  for (let number = 0; number <= count; number++) {
    const array = new Float64Array((megabytes * 1e6) / 8);
    for (let at = 0; at < array.length; at++) array[at] = at;
    const [last, total] = [array.at(-1), sum(array)];
    let [back, here] = [];
    const seconds = await timed(async () => {
      back = await run(verb === "add" ? "addUp" : verb, array.buffer, [array.buffer]);
      if (verb === "add") here = sum(new Float64Array(back));
    });
    const there = verb === "take" ? back : new Float64Array(back).at(-1);
    if (there !== last) throw new Error("what came back is not what was given");
    if (verb === "add" && here !== 2 * total) throw new Error("not all of it was read"); // array[0] was 0
    taken.push(seconds);
  }
  return median(taken.slice(1));
}

function loops(seconds) {
  const count = 2e6;
  const taken = [];
  for (let number = 0; number < 20; number++) {
    const begin = process.cpuUsage();
    tasks.busy(count);
    const { user, system } = process.cpuUsage(begin);
    taken.push((user + system) / 1e6);
  }
  return Math.round((count * seconds) / Math.min(...taken));
}

async function answer(run, question) {
  const [verb, ...words] = question.split("/");
  const [first, second, third] = words.map(Number);
  if (verb === "loops") return loops(first);
  for (let number = 0; number < WARM; number++) await run("empty");
  if (verb === "flight") return flight(run, "empty", undefined, first, second);
  if (verb === "busy") return flight(run, "busy", first, second, third);
  if (verb !== "trip") return carry(run, verb, first, second);
  const trips = [];
  while (trips.length < first) trips.push(await timed(() => run("empty")));
  return median(trips);
}

async function main(kind, threads) {
  let run = async (name, argument) => tasks[name](argument);
  if (kind === "piscina") {
    const { Piscina } = require("piscina");
    const pool = new Piscina({ filename: __filename, minThreads: threads, maxThreads: threads });
    run = (name, argument, transferList) => pool.run(argument, { name, transferList });
  }
  for await (const line of require("node:readline").createInterface({ input: process.stdin }))
    console.log(await answer(run, line));
  process.exit();
}

if (isMainThread) main(process.argv[2], Number(process.argv[3]));
