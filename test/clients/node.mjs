// Connects Node's ws to $URL with the token in a header and prints each frame
// until $COUNT have come.
import WebSocket from 'ws';

const ws = new WebSocket(process.env.URL, { headers: { token: process.env.TOKEN } });
let left = Number(process.env.COUNT);
ws.on('open', () => console.log('open'));
ws.on('message', (frame, binary) => {
  console.log(JSON.stringify({ binary, frame: JSON.parse(frame) }));
  if (--left === 0) ws.close(1000);
});
ws.on('pong', () => console.log('pong'));
ws.on('close', (code) => console.log(`close ${code}`));
ws.on('unexpected-response', (_, res) => console.log(`refused ${res.statusCode}`));
ws.on('error', () => {});
