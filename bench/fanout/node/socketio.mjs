// socket.io, WebSocket transport only, as its documentation broadcasts.
import { createServer } from 'node:http'
import { Server } from 'socket.io'
import { run } from './control.mjs'

const http = createServer()
const io = new Server(http, { transports: ['websocket'], serveClient: false })
http.listen({ host: '127.0.0.1', port: 0, backlog: 4096 }, () => run(`127.0.0.1:${http.address().port}`, {
  publish: (event) => io.emit('e', event),
  clients: () => io.of('/').sockets.size,
  overhead: '42["e",]'.length,
}))
