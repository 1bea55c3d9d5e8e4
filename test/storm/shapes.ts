/**
 * What the sagas of the storm are made of, told a second time for the checker, which trusts nothing that the library says of a
 * saga: the steps with a side effect, in declared order.
 */

export interface Shape {
  readonly steps: ReadonlyArray<{
    readonly path: string
    readonly kind: "Compensatable" | "Final"
    /** Steps of different lanes of one block may be undone at the same time. */
    readonly lane?: string
    readonly when?: (amount: number) => boolean
  }>
}

const compensatable = (path: string) => ({ path, kind: "Compensatable" as const })
const final = (path: string) => ({ path, kind: "Final" as const })

export const isEven = (amount: number) => amount % 2 === 0

export const shapes = {
  Order: { steps: [compensatable("flight"), compensatable("hotel"), final("charge"), final("email")] },
  Trip: {
    steps: [
      compensatable("room"),
      compensatable("car"),
      compensatable("insurance/policy"),
      { ...compensatable("insurance/extra"), when: isEven },
      { ...compensatable("lounge"), when: isEven },
      final("pay")
    ]
  },
  Convoy: {
    steps: [
      compensatable("truck"),
      { ...compensatable("driver"), lane: "driver" },
      { ...compensatable("guard"), lane: "guard" },
      { ...compensatable("load/crate"), lane: "load" },
      { ...compensatable("load/seal"), lane: "load" },
      compensatable("permit")
    ]
  },
  Deposit: { steps: [compensatable("reserve"), final("wire")] },
  Shipment: { steps: [compensatable("stock"), final("invoice"), final("ship"), { ...final("thank"), when: isEven }] },
  Tour: {
    steps: [
      compensatable("guide"),
      compensatable("leg/boat"),
      compensatable("leg/stay/tent"),
      compensatable("leg/stay/meal"),
      final("leg/stay/fee"),
      final("book")
    ]
  }
} satisfies Record<string, Shape>

export type ShapeName = keyof typeof shapes
export const shapeNames = Object.keys(shapes) as ReadonlyArray<ShapeName>
