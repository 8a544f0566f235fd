// Node's own HTTP server, in one process.
const http = require("node:http");

const headers = { "content-type": "text/plain", "content-length": 13 };
http
  .createServer((request, response) => {
    response.writeHead(200, headers);
    response.end("Hello, world!");
  })
  .listen(Number(process.argv[2]), "127.0.0.1");
