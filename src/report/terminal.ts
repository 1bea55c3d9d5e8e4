/** What the terminal of this process can show. */
import { Config, Effect } from "effect"

/** How that can show a timeline, by environment variables that the `ConfigProvider` reads. */
export const detected: Effect.Effect<{ readonly color?: boolean; readonly ascii?: boolean }> = Effect.orElseSucceed(
  Effect.map(
    Config.all({
      noColor: Config.withDefault(Config.string("NO_COLOR"), ""),
      kind: Config.withDefault(Config.string("TERM"), ""),
      locale: Config.orElse(
        Config.nonEmptyString("LC_ALL"),
        () => Config.orElse(Config.nonEmptyString("LC_CTYPE"), () => Config.withDefault(Config.string("LANG"), ""))
      )
    }),
    ({ kind, locale, noColor }) => ({
      color: globalThis.process?.stdout?.isTTY === true && noColor === "" && kind !== "dumb",
      // Without any locale, Unicode is likelier.
      ascii: kind === "dumb" || (locale !== "" && !/utf-?8/i.test(locale))
    })
  ),
  () => ({})
)
