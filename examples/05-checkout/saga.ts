/** The saga: reserve the item, charge the card, ship. Nobody pays for what is not shipped. */
import { type Error as PlatformError, FileSystem } from "@effect/platform"
import { Context, Effect, Layer, Schema } from "effect"
import { Saga, SagaError, type Step } from "effect-saga"
import { CardDeclined, Order, OutOfStock, Receipt } from "./api.ts"

/** What a service is told of a call. */
interface Call {
  readonly executionId: string
  readonly idempotencyKey: Step.IdempotencyKey
}

/**
 * The stock, the bank and the carrier, as the saga's steps see them. These ones keep their books as files of one folder, named by the
 * idempotency key, so that they outlive the server and do nothing twice under one key.
 */
export class Services extends Context.Tag("checkout/Services")<Services, {
  readonly enter: (book: string, call: Call) => Effect.Effect<string, SagaError.OutcomeUnknown>
  readonly strike: (book: string, key: string) => Effect.Effect<void, PlatformError.PlatformError>
  /** How long the bank takes to answer, after it has charged the card. */
  readonly bankTakes: number
}>() {
  static readonly layer = (options: { readonly books: string; readonly bankTakes: number }) =>
    Layer.effect(
      Services,
      Effect.gen(function*() {
        const fs = yield* FileSystem.FileSystem
        yield* fs.makeDirectory(options.books, { recursive: true })
        const fileOf = (book: string, key: string) => `${options.books}/${book} ${encodeURIComponent(key)}`
        return {
          bankTakes: options.bankTakes,
          enter: (book: string, { executionId, idempotencyKey }: Call) =>
            fs.writeFileString(fileOf(book, idempotencyKey), "", { flag: "wx" }).pipe(
              Effect.catchIf(
                (error) => error._tag === "SystemError" && error.reason === "AlreadyExists",
                () => Effect.void
              ),
              Effect.mapBoth({
                onSuccess: () => `${book} of ${executionId}`,
                // Nobody knows what a disk that fails has written.
                onFailure: ({ message }) => new SagaError.OutcomeUnknown({ reason: message })
              })
            ),
          strike: (book: string, key: string) => fs.writeFileString(`${fileOf(book, key)} struck`, "")
        }
      })
    )
}

const enter = (book: string, call: Call) => Effect.flatMap(Services, (services) => services.enter(book, call))
const strike = (book: string, key: string) => Effect.flatMap(Services, (services) => services.strike(book, key))

export const checkout = Saga.make("Checkout", { input: Order, defaults: { compensationRetry: { times: 3 } } })
  .compensatable("reserve", {
    success: Schema.String,
    error: Schema.Union(OutOfStock, SagaError.OutcomeUnknown),
    action: ({ input, ...call }) =>
      input.item === "unicorn" ? Effect.fail(new OutOfStock(input)) : enter("stock", call),
    compensate: ({ actionIdempotencyKey }) => strike("stock", actionIdempotencyKey),
    // The services honour the key: asked again, they do nothing twice.
    inDoubt: "retry"
  })
  .compensatable("charge", {
    success: Schema.String,
    error: Schema.Union(CardDeclined, SagaError.OutcomeUnknown),
    action: ({ input, ...call }) =>
      input.card === "empty"
        ? Effect.fail(new CardDeclined(input))
        : Effect.zipLeft(
          enter("charge", call),
          Effect.flatMap(Services, ({ bankTakes }) => Effect.sleep(bankTakes))
        ),
    compensate: ({ actionIdempotencyKey }) => strike("charge", actionIdempotencyKey),
    inDoubt: "retry"
  })
  .final("ship", {
    success: Schema.String,
    action: (call) => enter("shipment", call),
    inDoubt: "retry"
  })
  .build(({ outputs }) => ({ charge: outputs.charge, shipment: outputs.ship }), { success: Receipt })
