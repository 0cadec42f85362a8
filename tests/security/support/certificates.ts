import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface Certificate {
  readonly cert: string
  readonly key: string
}

/** A certificate authority of the test's own and what it signs, as files. Made by the program `openssl`. */
export class Authority {
  readonly #directory = mkdtempSync(join(tmpdir(), 'certificates-'))
  readonly #own: Certificate

  constructor() {
    this.#own = this.#files('authority')
    const { cert, key } = this.#own
    const request = ['req', '-x509', ...NEW_KEY, '-subj', '/CN=Authority of a test', '-days', '2']
    const extensions = ['basicConstraints=critical,CA:TRUE', 'keyUsage=critical,keyCertSign']
    const added = extensions.flatMap((extension) => ['-addext', extension])
    this.#openssl([...request, ...added, '-keyout', key, '-out', cert])
  }

  /** The file that a client has to trust. */
  get cert(): string {
    return this.#own.cert
  }

  /** For a server by these names, such as `DNS:localhost` or `IP:127.0.0.1`. */
  sign(name: string, ...subjects: string[]): Certificate {
    const { cert, key } = this.#files(name)
    const request = join(this.#directory, `${name}.csr`)
    const extensions = join(this.#directory, `${name}.ext`)
    writeFileSync(extensions, `subjectAltName=${subjects.join(',')}\n`)
    this.#openssl(['req', ...NEW_KEY, '-subj', `/CN=${name}`, '-keyout', key, '-out', request])
    const signing = ['x509', '-req', '-CA', this.#own.cert, '-CAkey', this.#own.key, '-days', '2']
    this.#openssl([
      ...signing,
      '-CAcreateserial',
      '-in',
      request,
      '-extfile',
      extensions,
      '-out',
      cert,
    ])
    return { cert, key }
  }

  remove(): void {
    rmSync(this.#directory, { recursive: true })
  }

  #files(name: string): Certificate {
    return { cert: join(this.#directory, `${name}.pem`), key: join(this.#directory, `${name}.key`) }
  }

  #openssl(args: readonly string[]): void {
    execFileSync('openssl', args, { stdio: 'pipe' })
  }
}

const NEW_KEY = ['-newkey', 'rsa:2048', '-nodes', '-sha256']
