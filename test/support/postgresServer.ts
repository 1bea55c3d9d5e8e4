/**
 * The PostgreSQL server of a test run: the one at DATABASE_URL, or else a temporary one made with Debian's package. A run
 * that has neither ends by saying what it did not test.
 */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { existsSync, readdirSync } from "node:fs"
import { type AddressInfo, createServer } from "node:net"
import { text } from "node:stream/consumers"
import type { TestProject } from "vitest/node"
import { type Missing, sayWhatWasSkipped } from "./notTested.ts"

interface Server {
  readonly url: string
  readonly stop: () => Promise<void>
}

declare module "vitest" {
  export interface ProvidedContext {
    readonly postgres: Pick<Server, "url"> | Missing
  }
}

export const needsPostgres = "PostgreSQL: "

const installed = "/usr/lib/postgresql"

/** The folder with the programs of the newest server, as against the client, which has a folder there too. */
const findBinaries = () =>
  (existsSync(installed) ? readdirSync(installed) : [])
    .sort((a, b) => Number(b) - Number(a))
    .map((version) => `${installed}/${version}/bin`)
    .find((folder) => existsSync(`${folder}/initdb`))

const freePort = async () => {
  const server = createServer().listen(0, "127.0.0.1")
  await once(server, "listening")
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, "close")
  return port
}

// The server lives as long as the shell's standard input is open. The system closes it when this process ends, however it
// ends, so that not even SIGKILL leaves a server or its files behind.
const script = `
set -eu
binaries=$1 port=$2 settings=$3
# root's may be closed to the server's user
[ -w "\${TMPDIR:-/tmp}" ] || unset TMPDIR
directory=$(mktemp -d "\${TMPDIR:-/tmp}/effect-saga-postgres-XXXXXX")
cd "$directory"
end() {
  "$binaries/pg_ctl" -D data -m immediate -w stop >/dev/null 2>&1 || true
  cd /
  rm -rf "$directory"
}
trap end EXIT
"$binaries/initdb" -D data -U test -A trust --no-sync --no-locale -E UTF8 >/dev/null
"$binaries/pg_ctl" -D data -l log -w start >/dev/null -o "-h 127.0.0.1 -p $port -c unix_socket_directories= $settings" \
  || { cat log >&2; exit 1; }
echo started
cat
`

/** A test loses nothing that a crash of the machine would take; a measurement of what is durable has the defaults. */
const settings = { forTests: "-c fsync=off -c synchronous_commit=off -c full_page_writes=off", durable: "" }

const startServer = async (binaries: string, durability: keyof typeof settings): Promise<Server | Missing> => {
  const port = await freePort()
  // PostgreSQL refuses to run as root.
  const shell = [...(process.getuid?.() === 0 ? ["runuser", "-u", "postgres", "--"] : []), "sh"]
  const child = spawn(
    shell[0]!,
    [...shell.slice(1), "-c", script, "sh", binaries, String(port), settings[durability]],
    {
      cwd: "/",
      // Away from the terminal's Ctrl-C, which would take the shell before it has cleaned up.
      detached: true
    }
  )
  const ended = once(child, "close")
  const complaints = text(child.stderr)
  try {
    const started = await Promise.race([once(child.stdout, "data").then(() => true), ended.then(() => false)])
    if (!started) return { missing: `the server of ${binaries} does not start: ${(await complaints).trim()}` }
  } catch (error) {
    return { missing: `the server of ${binaries} does not start: ${String(error)}` }
  }
  return {
    url: `postgres://test@127.0.0.1:${port}/postgres`,
    stop: async () => {
      child.stdin.end()
      await ended
    }
  }
}

/** The server at DATABASE_URL with its own settings, or one that is started now. */
export const findServer = async (durability: keyof typeof settings = "forTests"): Promise<Server | Missing> => {
  const given = process.env.DATABASE_URL
  if (given) return { url: given, stop: async () => {} }
  const binaries = findBinaries()
  return binaries === undefined
    ? { missing: `DATABASE_URL is not set, and there is no ${installed}/*/bin/initdb` }
    : startServer(binaries, durability)
}

export default async (project: TestProject) => {
  const server = await findServer()
  if ("missing" in server) {
    project.provide("postgres", server)
    return () =>
      sayWhatWasSkipped(project, {
        name: "PostgreSQL",
        prefix: needsPostgres,
        reason: server.missing,
        remedy:
          "Install the server (Debian: apt-get install postgresql), or set DATABASE_URL to one where databases may be created.\n" +
          "With REQUIRE_POSTGRES=1 this is a failure."
      })
  }
  project.provide("postgres", { url: server.url })
  return server.stop
}
