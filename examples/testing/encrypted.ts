/** A store of one's own: it keeps journals and messages in another store, and enciphers them. */
import { Effect } from "effect"
import type { Checkpoint } from "effect-saga"
import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto"

export const encrypted = (store: Checkpoint.Store, key: Uint8Array): Checkpoint.Store => {
  const encipherBody = <A extends { readonly body: string }>(one: A): A => ({ ...one, body: encipher(one.body, key) })
  const decipherBody = <A extends { readonly body: string }>(one: A): A => ({ ...one, body: decipher(one.body, key) })
  return {
    ...store,
    append: (commits) => store.append(commits.map(encipherBody)),
    enqueue: (start) =>
      Effect.map(store.enqueue(encipherBody(start)), (known) => known === undefined ? undefined : decipher(known, key)),
    claimNext: (wanted, token) =>
      Effect.map(store.claimNext(wanted, token), (claimed) =>
        claimed.map((execution) => ({
          ...execution,
          start: execution.start === undefined ? undefined : decipher(execution.start, key)
        }))),
    load: (executionId) => Effect.map(store.load(executionId), (commits) => commits.map(decipherBody)),
    send: (message) => store.send(encipherBody(message)),
    messages: (executionId) => Effect.map(store.messages(executionId), (messages) => messages.map(decipherBody))
  }
}

const encipher = (text: string, key: Uint8Array): string => {
  const nonce = randomBytes(12)
  const cipher = createCipheriv("aes-256-gcm", key, nonce)
  return Buffer.concat([nonce, cipher.update(text, "utf8"), cipher.final(), cipher.getAuthTag()]).toString("base64")
}

const decipher = (text: string, key: Uint8Array): string => {
  const bytes = Buffer.from(text, "base64")
  const cipher = createDecipheriv("aes-256-gcm", key, bytes.subarray(0, 12))
  cipher.setAuthTag(bytes.subarray(-16))
  return cipher.update(bytes.subarray(12, -16), undefined, "utf8") + cipher.final("utf8")
}
