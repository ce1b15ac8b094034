// Worker threads on shared memory, timers, compression and key derivation in the thread pool, files.
'use strict';
const { Worker, isMainThread, workerData, parentPort } = require('worker_threads');
const crypto = require('crypto');
const fs = require('fs');
const util = require('util');
const zlib = require('zlib');

const ROUNDS = 50;

// A chain of hashes that any thread computes alike.
function chain(seed, links) {
	let value = Buffer.from(seed);
	for (let i = 0; i < links; i++)
		value = crypto.createHash('sha256').update(value).digest();
	return value.toString('hex');
}

function worker() {
	const shared = new Int32Array(workerData.shared);
	let number = 0;
	parentPort.on('message', (message) => {
		number++;
		Atomics.add(shared, 0, 1);
		if (message.over)
			process.exit(0);
		parentPort.postMessage({ number, sum: chain(message.seed, ROUNDS) });
	});
}

const sleep = util.promisify(setTimeout);
const pbkdf2 = util.promisify(crypto.pbkdf2);
const gzip = util.promisify(zlib.gzip);
const gunzip = util.promisify(zlib.gunzip);

function check(right, what) {
	if (!right)
		throw new Error(what);
}

function ask(thread, seed) {
	return new Promise((resolve) => {
		thread.once('message', resolve);
		thread.postMessage({ seed });
	});
}

async function main() {
	const shared = new SharedArrayBuffer(4);
	const threads = [0, 1].map(() => new Worker(__filename, { workerData: { shared } }));
	const path = `${process.env.VICTIM_RESULT}.notes`;
	const notes = await fs.promises.open(path, 'w+');
	let ticks = 0, kept = [], text = '';
	const ticker = setInterval(() => ticks++, 5);
	const may_go = () => fs.existsSync(`${process.env.VICTIM_GO}.1`);
	for (let n = 1; n <= 20 || !may_go(); n++) {
		const answers = await Promise.all(threads.map((t) => ask(t, `seed ${n}`)));
		check(answers.every((a) => a.number === n && a.sum === chain(`seed ${n}`, ROUNDS)), `answer ${n}`);
		const data = Buffer.from(`number ${n} `.repeat(500));
		check(data.equals(await gunzip(await gzip(data))), `gzip ${n}`);
		const key = (await pbkdf2(`${n}`, 'salt', 50, 16, 'sha256')).toString('hex');
		check(key === crypto.pbkdf2Sync(`${n}`, 'salt', 50, 16, 'sha256').toString('hex'), `pbkdf2 ${n}`);
		await notes.write(`${key}\n`);
		text += `${key}\n`;
		kept = kept.slice(-200).concat(Array.from({ length: 100 }, (_, i) => ({ n, i, s: `${n}.${i}` })));
		if (n === 20)
			fs.writeFileSync(`${process.env.VICTIM_READY}.1`, '');
		check(Atomics.load(new Int32Array(shared), 0) === 2 * n, `count ${n}`);
	}
	check(kept.every((o) => o.s === `${o.n}.${o.i}`), 'objects');
	const before = ticks;
	await sleep(100);
	check(ticks > before, 'the timer has stopped');
	clearInterval(ticker);
	check(fs.readFileSync(path, 'utf8') === text, 'notes');
	await notes.close();
	const ends = await Promise.all(threads.map((t) => new Promise((resolve) => {
		t.once('exit', resolve);
		t.postMessage({ over: true });
	})));
	check(ends.every((status) => status === 0), `ends ${ends}`);
}

function result(text) {
	fs.writeFileSync(`${process.env.VICTIM_RESULT}.part`, `${text}\n`);
	fs.renameSync(`${process.env.VICTIM_RESULT}.part`, process.env.VICTIM_RESULT);
}

if (isMainThread)
	main().then(() => result('ok'), (error) => result(`FAIL ${error.stack}`));
else
	worker();
