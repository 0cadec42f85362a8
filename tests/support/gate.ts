/** A promise that the test resolves: the test decides when something comes through, and not the clock. */
export interface Gate {
  readonly opened: Promise<void>
  readonly open: () => void
}

export function closedGate(): Gate {
  let open = (): void => {}
  const opened = new Promise<void>((resolve) => (open = resolve))
  return { opened, open: () => open() }
}
