// An HTTP server on a free port of 127.0.0.1, which it prints.
const server = require('http').createServer((request, response) => response.end('hello\n'));
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
