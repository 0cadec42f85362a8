/** What a gateway counts, by the name and labels of each series. */
export async function metricsOf(url: string): Promise<Partial<Record<string, number>>> {
  const text = await (await fetch(`${url}/metrics`)).text()
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  return Object.fromEntries(
    lines.map((line) => {
      const end = line.lastIndexOf(' ')
      return [line.slice(0, end), Number(line.slice(end + 1))]
    }),
  )
}

/** A counter of all its labels together. */
export async function counted(url: string, name: string): Promise<number> {
  const series = Object.entries(await metricsOf(url)).filter(([key]) => key.startsWith(name))
  return series.reduce((sum, [, value]) => sum + (value ?? 0), 0)
}
