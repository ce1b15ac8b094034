// Listens on a port, and says which one.
'use strict';
const fs = require('fs');
const server = require('net').createServer();

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
