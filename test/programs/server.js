// Listens on a port, says which one, and greets whoever comes.
'use strict';
const fs = require('fs');
const server = require('net').createServer((caller) => caller.end('hello\n'));

server.listen(0, '127.0.0.1', () => {
	const ready = `${process.env.VICTIM_READY}.1`;
	fs.writeFileSync(`${ready}.part`, `${server.address().port}`);
	fs.renameSync(`${ready}.part`, ready);
	setInterval(() => {
		if (!fs.existsSync(`${process.env.VICTIM_GO}.1`))
			return;
		fs.writeFileSync(process.env.VICTIM_RESULT, server.listening ? 'ok\n' : 'FAIL not listening\n');
		process.exit(0);
	}, 5);
});
