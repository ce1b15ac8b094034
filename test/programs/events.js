// A server of events at these addresses: whoever asks for /events gets one every 20 ms, numbered; others get back what they have sent.
'use strict';
const http = require('http');

function answer(request, response) {
	if (request.url === '/events') {
		let number = 0;
		response.writeHead(200, { 'Content-Type': 'text/event-stream' });
		const ticker = setInterval(() => response.write(`id: ${++number}\ndata: ${'x'.repeat(number % 100)}\n\n`), 20);
		request.on('close', () => clearInterval(ticker));
		return;
	}
	const parts = [];
	request.on('data', (part) => parts.push(part));
	request.on('end', () => setTimeout(() => response.end(Buffer.concat(parts)), 10));
}

for (const address of process.argv.slice(2))
	http.createServer({ keepAliveTimeout: 0 }, answer).listen(8080, address);
