import { createHmac, timingSafeEqual } from 'node:crypto';
import { createServer } from 'node:http';

const key = Buffer.from(process.env.SECRET.slice('whsec_'.length), 'base64');
const equal = (a, b) => a.length === b.length && timingSafeEqual(Buffer.from(a, 'latin1'), Buffer.from(b, 'latin1'));
createServer((req, res) => {
  const chunks = [], { 'webhook-id': id, 'webhook-timestamp': at, 'webhook-signature': signatures = '' } = req.headers;
  req.on('data', (chunk) => chunks.push(chunk)).on('end', () => {
    const want = 'v1,' + createHmac('sha256', key).update(`${id}.${at}.`).update(Buffer.concat(chunks)).digest('base64');
    const ok = signatures.split(' ').some((s) => equal(s, want)) && Math.abs(Date.now() / 1000 - at) < 300;
    if (ok) console.log(id, JSON.parse(Buffer.concat(chunks)).event); // an id seen before is a repeat
    res.writeHead(ok ? 204 : 401).end();
  });
}).listen(process.env.PORT ?? 9000, '127.0.0.1');
