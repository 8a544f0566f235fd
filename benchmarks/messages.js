// Node's cluster: a worker asks its primary so often, with so many bytes, as messages.py has ours do.
const cluster = require("node:cluster");

const [count, size] = process.argv.slice(2).map(Number);

if (cluster.isPrimary) {
  cluster.setupPrimary({ serialization: "advanced" }); // which takes bytes, as ours does
  cluster.fork();
  cluster.on("message", (worker, { number, question, trips }) => {
    if (trips) console.log(JSON.stringify(trips));
    else worker.send({ number, answer: typeof question === "string" ? question : question.length });
  });
} else {
  const asked = new Map();
  process.on("message", ({ number }) => asked.get(number)());
  const ask = (number, question) =>
    new Promise((resolve) => {
      asked.set(number, resolve);
      process.send({ number, question });
    }).then(() => asked.delete(number));
  (async () => {
    const question = size ? Buffer.alloc(size) : "ping";
    const trips = [];
    for (let number = 0; number < count; number++) {
      const before = process.hrtime.bigint();
      await ask(number, question);
      trips.push(Number(process.hrtime.bigint() - before) / 1e9);
    }
    trips.sort((a, b) => a - b);
    const at = (p) => trips[Math.floor((trips.length * p) / 100)];
    process.send({ trips: { 50: at(50), 99: at(99) } }, () => process.disconnect());
  })();
}
