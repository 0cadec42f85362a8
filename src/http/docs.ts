import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { Hono } from 'hono'
import type { HttpEnv } from './context.ts'

const ASSETS: Record<string, string> = {
  'swagger-ui.css': 'text/css; charset=utf-8',
  'swagger-ui-bundle.js': 'text/javascript; charset=utf-8',
}

/** The contract as a document, and a page to try it. Users of FastAPI expect both. */
export function docsRoutes(contract: object): Hono<HttpEnv> {
  const routes = new Hono<HttpEnv>()
  const document = JSON.stringify(contract)
  const json = { 'content-type': 'application/json' }
  // Relative, so that it holds behind a proxy that takes a prefix off.
  routes.get('/', (c) => c.redirect('docs', 307))
  // The health check of HAProxy, unless another one is configured.
  routes.options('/', (c) => c.body(null, 200, { allow: 'GET, HEAD, OPTIONS' }))
  routes.get('/openapi.json', (c) => c.body(document, 200, json))
  routes.get('/docs', (c) => c.html(PAGE))
  // A file and not an inline script, so that the page works under a strict content security policy.
  routes.get('/docs/start.js', (c) => c.body(START, 200, { 'content-type': 'text/javascript' }))
  for (const [name, type] of Object.entries(ASSETS)) {
    routes.get(`/docs/${name}`, (c) => {
      const headers = { 'content-type': type, 'cache-control': 'public, max-age=86400' }
      return c.body(readFileSync(join(assetDirectory(), name)), 200, headers)
    })
  }
  return routes
}

const PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>protollm-gateway</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
<div id="ui"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
`
const START = `SwaggerUIBundle({ url: 'openapi.json', dom_id: '#ui', tryItOutEnabled: true })\n`

/** `npm run build` copies the files beside the code, so an installation needs neither the package nor the internet. */
function assetDirectory(): string {
  const beside = join(import.meta.dirname, 'swagger-ui')
  if (existsSync(beside)) return beside
  return dirname(createRequire(import.meta.url).resolve('swagger-ui-dist/package.json'))
}
