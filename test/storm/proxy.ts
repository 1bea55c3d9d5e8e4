/** What lies between a worker and its database: a wire that can be cut, held up, and made to swallow what the database answers. */
import { once } from "node:events"
import { type AddressInfo, connect, createServer, type Socket } from "node:net"

interface Wire {
  readonly client: Socket
  readonly server: Socket
  /** What becomes of the answers: `"cut"` is to be cut at the next one, which is not handed on. */
  answers: "pass" | "cut" | "swallow"
}

export const startProxy = async (to: { readonly host: string; readonly port: number }) => {
  const wires = new Set<Wire>()
  const listener = createServer((client) => {
    const server = connect(to)
    const wire: Wire = { client, server, answers: "pass" }
    wires.add(wire)
    const end = () => {
      wires.delete(wire)
      client.destroy()
      server.destroy()
    }
    for (const socket of [client, server]) socket.setNoDelay(true).on("error", end).on("close", end)
    client.on("data", (data) => server.write(data))
    server.on("data", (data) => {
      if (wire.answers === "pass") client.write(data)
      else if (wire.answers === "cut") end()
    })
  }).listen(0, "127.0.0.1")
  await once(listener, "listening")
  const cut = ({ client, server }: Wire) => {
    client.resetAndDestroy()
    server.destroy()
  }

  return {
    port: (listener.address() as AddressInfo).port,
    /** Does one thing to one wire, by two numbers from 0 to 1. Says what it has done. */
    disturb: (which: number, what: number): "cut" | "acknowledgement lost" | "delay" | undefined => {
      const wire = Array.from(wires)[Math.floor(which * wires.size)]
      if (wire === undefined || wire.answers !== "pass") return undefined
      if (what < 0.3) {
        cut(wire)
        return "cut"
      }
      if (what < 0.5) {
        wire.answers = "cut"
        return "acknowledgement lost"
      }
      if (what < 0.6) {
        // Nobody says that it is over: the client finds out after a while.
        wire.answers = "swallow"
        setTimeout(() => cut(wire), 4000 * which)
        return "acknowledgement lost"
      }
      // Most of them short; some are longer than a lease.
      wire.server.pause()
      setTimeout(() => wire.server.resume(), what < 0.9 ? 400 * which : 3000 * which)
      return "delay"
    },
    close: () => {
      for (const wire of wires) cut(wire)
      listener.close()
    }
  }
}

export type Proxy = Awaited<ReturnType<typeof startProxy>>
