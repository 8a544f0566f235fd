// The script of the rows in Node: a worker tells its pid, and misbehaves when asked to.
const cluster = require("node:cluster");
const fs = require("node:fs");
const http = require("node:http");
const { parseArgs } = require("node:util");

const { values: given } = parseArgs({
  options: {
    port: { type: "string" },
    workers: { type: "string" },
    policy: { type: "string", default: "rr" },
    limit: { type: "string", default: "0" }, // connections of a worker; 0: any number
    respawn: { type: "string", default: "0" }, // seconds until a worker that died is replaced
  },
});

function supervise() {
  cluster.schedulingPolicy = given.policy === "rr" ? cluster.SCHED_RR : cluster.SCHED_NONE;
  for (let i = 0; i < Number(given.workers); i++) cluster.fork();
  cluster.on("exit", (worker) => {
    if (!worker.exitedAfterDisconnect) setTimeout(() => cluster.fork(), given.respawn * 1000);
  });
  cluster.on("message", () => cluster.disconnect());
}

function stand(seconds) {
  fs.writeSync(2, `app: wedged ${process.pid}\n`);
  const until = Date.now() + seconds * 1000;
  while (Date.now() < until);
}

function serve(request, response) {
  const { pathname, searchParams } = new URL(request.url, "http://localhost");
  const seconds = Number(searchParams.get("seconds"));
  const answer = () => response.end(String(process.pid));
  if (pathname === "/wedge") stand(seconds);
  if (pathname === "/disconnect") process.send("disconnect");
  if (pathname === "/slow") setTimeout(answer, seconds * 1000);
  else answer();
}

if (cluster.isPrimary) {
  supervise();
} else {
  const server = http.createServer(serve);
  if (Number(given.limit)) server.maxConnections = Number(given.limit);
  server.listen(Number(given.port), "127.0.0.1");
}
