/**
 * The tools of plans: they write drafts, and publish them. A file belongs to the plan whose id begins its name, and no other plan
 * can reach it; that is what makes each tool safe to be called again after a crash.
 */
import { type Error, FileSystem, Path } from "@effect/platform"
import { Data, Effect, Layer, Schema } from "effect"
import { SagaError, ToolExecutor } from "effect-saga"

/** Without a dot, which ends it in a file name, and without capitals, which some file systems do not tell apart. */
export const PlanId = Schema.String.pipe(
  Schema.pattern(/^[a-z0-9-]{1,64}$/, { message: () => "is not 1 to 64 of a-z, 0-9 and -" })
)

const FileName = Schema.String.pipe(
  Schema.pattern(/^\w[\w.-]{0,99}$/, { message: () => "is not the plain name of a file" })
)

class NoDraft extends Data.TaggedError("NoDraft")<{ readonly message: string }> {}

const noDraft = (name: string) => new NoDraft({ message: `this plan has no draft "${name}"` })

const isNotFound = (error: Error.PlatformError) => error._tag === "SystemError" && error.reason === "NotFound"

const cannotTell = ({ message }: Error.PlatformError) => new SagaError.OutcomeUnknown({ reason: message })

const tools = (folder: string) =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const [drafts, published] = [path.join(folder, "drafts"), path.join(folder, "published")]
    for (const directory of [drafts, published]) yield* fs.makeDirectory(directory, { recursive: true })

    const fileOf = ({ executionId }: ToolExecutor.ToolCall, name: string) => `${executionId}.${name}`
    const draftOf = (call: ToolExecutor.ToolCall, name: string) => path.join(drafts, fileOf(call, name))

    return {
      writeFile: ToolExecutor.tool({
        description: "Writes a draft. A draft of this name that the plan has already is replaced.",
        parameters: Schema.Struct({ name: FileName, text: Schema.String }),
        success: Schema.Struct({ name: FileName }),
        inDoubt: "retry",
        // Again, it writes the same text over what a crash may have left half written. Where it fails it leaves nothing half
        // written itself, for nobody would undo that.
        run: ({ name, text }, call) =>
          fs.writeFileString(draftOf(call, name), text).pipe(
            Effect.catchAll((error) =>
              Effect.zipRight(
                Effect.mapError(fs.remove(draftOf(call, name), { force: true }), cannotTell),
                Effect.fail(error)
              )
            ),
            Effect.as({ name })
          )
      }),

      deleteFile: ToolExecutor.tool({
        description: "Deletes a draft of this plan; one that is not there is deleted already.",
        parameters: Schema.Struct({ name: FileName }),
        inDoubt: "retry",
        // Again, it finds nothing to delete.
        run: ({ name }, call) => fs.remove(draftOf(call, name), { force: true })
      }),

      statFile: ToolExecutor.tool({
        description: "Tells the size of a draft of this plan, in bytes.",
        classification: "ReadOnly",
        parameters: Schema.Struct({ name: FileName }),
        success: Schema.Struct({ bytes: Schema.Int }),
        run: ({ name }, call) =>
          fs.stat(draftOf(call, name)).pipe(
            Effect.map(({ size }) => ({ bytes: Number(size) })),
            Effect.catchIf(isNotFound, () => noDraft(name))
          )
      }),

      publishFile: ToolExecutor.tool({
        description: "Publishes a draft of this plan, which is a draft no more. There is no way back.",
        parameters: Schema.Struct({ name: FileName }),
        success: Schema.Struct({ file: Schema.String }),
        inDoubt: "retry",
        // A rename has happened as a whole or not at all. Again, it finds no draft, but the published file, which nobody else
        // can have put there.
        run: ({ name }, call) => {
          const file = fileOf(call, name)
          const target = path.join(published, file)
          return fs.rename(draftOf(call, name), target).pipe(
            Effect.catchIf(isNotFound, () =>
              Effect.flatMap(
                Effect.mapError(fs.exists(target), cannotTell),
                (isPublished) => isPublished ? Effect.void : noDraft(name)
              )),
            Effect.as({ file })
          )
        }
      })
    }
  })

export const layer = (folder: string) => Layer.unwrapEffect(Effect.map(tools(folder), ToolExecutor.layer))
