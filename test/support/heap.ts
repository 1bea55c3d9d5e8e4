/** To be imported before a program, under `--expose-gc`: whenever its parent asks, tells how many bytes are in use after a collection. */
process.on("message", () => {
  globalThis.gc!()
  process.send!(process.memoryUsage().heapUsed)
})
process.channel!.unref()
