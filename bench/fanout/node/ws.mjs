// ws, as its documentation broadcasts: the event as a string, once for each
// client.
import { WebSocket, WebSocketServer } from 'ws'
import { run } from './control.mjs'

const server = new WebSocketServer({ host: '127.0.0.1', port: 0, backlog: 4096 })
server.on('connection', (socket) => socket.on('error', () => {})) // it is closed then
server.on('listening', () => run(`127.0.0.1:${server.address().port}`, {
  publish(event) {
    const text = JSON.stringify(event)
    for (const client of server.clients) if (client.readyState === WebSocket.OPEN) client.send(text)
  },
  clients: () => server.clients.size,
}))
