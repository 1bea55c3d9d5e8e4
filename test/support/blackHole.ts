/** A proxy before a server, which can fall silent: then nothing goes through any more, and nothing ends. */
import { Effect } from "effect"
import { once } from "node:events"
import { type AddressInfo, connect, createServer, type Socket } from "node:net"

export const makeBlackHole = (to: { readonly host: string; readonly port: number }) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.promise(async () => {
        const sockets = new Set<Socket>()
        let silent = false
        const server = createServer((near) => {
          sockets.add(near)
          near.on("error", () => {})
          if (silent) return
          const far = connect(to.port, to.host)
          sockets.add(far)
          far.on("error", () => {})
          for (const [from, into] of [[near, far], [far, near]] as const) {
            from.on("data", (data) => void (silent || into.write(data)))
            from.on("close", () => void (silent || into.end()))
          }
        }).listen(0, "127.0.0.1")
        await once(server, "listening")
        return {
          port: (server.address() as AddressInfo).port,
          fallSilent: () => void (silent = true),
          end: () => {
            for (const socket of sockets) socket.destroy()
            server.close()
          }
        }
      }),
      ({ end }) => Effect.sync(end)
    ),
    ({ fallSilent, port }) => ({ port, fallSilent })
  )
