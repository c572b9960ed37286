// How the benchmark and the servers of this folder talk: lines of JSON over
// standard input and output, as bench/fanout/wire describes them.
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'

const marker = 'bench:'

// maker makes events of one size, as bench/fanout/payload does: the envelope of
// a text message whose id says its number and when it was made.
function maker(size) {
  const blank = `${marker}00000000:0000000000000000`
  const envelope = (id, text) => ({
    event: 'message.exchange',
    data: {
      id,
      message: {
        id: '0'.repeat(blank.length), direction: 'incoming', timestamp: '2023-11-14T22:13:20Z', type: 'text',
        chat: { jid: '5511999999999@s.whatsapp.net', lid: '123456789012345@lid', name: 'Ana', type: 'private' },
        sender: { jid: '5511999999999@s.whatsapp.net', lid: '123456789012345@lid', name: 'Ana' },
        content: { text }, source: 'android',
      },
    },
    instanceData: { baseUrl: 'http://127.0.0.1:8080', instance: 'bench00000' },
    meta: { id: 'evt_01j9zq6m7x4s8w2k5n3p0r1t6v', sequence: 1000000001, timestamp: '2026-04-28T10:30:00.123Z' },
  })
  const padding = 'x'.repeat(Math.max(size - JSON.stringify(envelope(blank, '')).length, 0))
  return (number) => {
    const at = process.hrtime.bigint().toString(16).padStart(16, '0') // CLOCK_MONOTONIC
    return envelope(`${marker}${number.toString(16).padStart(8, '0')}:${at}`, padding)
  }
}

// run serves the requests on standard input. publish gets one event as an
// object, clients says how many are connected, overhead is what the protocol
// puts around an event, in bytes.
export function run(address, { publish, clients, overhead = 0 }) {
  const makers = new Map()
  let made = 0

  async function publishAll(q) {
    if (!makers.has(q.size)) makers.set(q.size, maker(q.size - overhead))
    const make = makers.get(q.size)
    const start = performance.now()
    for (let round = 0; round < q.rounds; round++) {
      for (let i = 0; i < q.burst; i++) publish(make(++made))
      if (q.every) await sleep(Math.max(start + (round + 1) * q.every / 1e6 - performance.now(), 0))
    }
    return { events: q.rounds * q.burst, clients: clients() }
  }

  async function answer(q) {
    switch (q.op) {
      case 'publish': return publishAll(q)
      case 'collect': globalThis.gc(); return { clients: clients() }
      case 'stats': {
        const { user, system } = process.cpuUsage() // microseconds
        return { cpu: (user + system) * 1000, clients: clients() }
      }
    }
    return { error: `unknown operation ${q.op}`, clients: clients() }
  }

  console.log(JSON.stringify({ address }))
  createInterface({ input: process.stdin })
    .on('line', async (line) => console.log(JSON.stringify(await answer(JSON.parse(line)))))
    .on('close', () => process.exit(0))
}
