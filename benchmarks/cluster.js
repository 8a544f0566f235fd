// Node's cluster with its default policy, round robin: what `rr` is measured against.
const cluster = require("node:cluster");
const http = require("node:http");

const [port, workers] = process.argv.slice(2).map(Number);

if (cluster.isPrimary) {
  for (let i = 0; i < workers; i++) cluster.fork();
} else {
  const body = String(process.pid);
  const headers = { "content-type": "text/plain", "content-length": body.length };
  http
    .createServer((request, response) => {
      response.writeHead(200, headers);
      response.end(body);
    })
    .listen(port, "127.0.0.1");
}
