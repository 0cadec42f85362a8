/** The part of BENCH.md that no run measures: what profiles have led to, what did not help, what is left. */
export const NOTES = `## What was done, and what is left

Each of these was measured against the build before it in the same run, at 64 in flight:

- the gateway knows a client by its response and not by an AbortSignal: 58 of 467 µs of a request's CPU;
- the messages of one turn of the event loop leave in one system call: 19 % more requests a second;
- id, count and log line of a request are made around the app and not in a middleware, and the headers of an answer are
  not put into a Headers object: 36 µs;
- a publish is one promise and not eight, what is known at once is not awaited, and the body is looked at without a copy
  of its paths: 43 µs;
- the log lines of one turn are one write;
- each program is one file: a start took 0.7 s, most of it to find and open 600 files.

These did not help and were dropped: larger or smaller semi-spaces, one GC thread, no parallel scavenges, a minified
build. Metrics and validation cost less than the noise.

System calls are a quarter of a request's CPU, the garbage collector is a tenth, @redis/client another, promises are a
twentieth, and no function of the gateway is above 2 %. C spends a seventh of its own CPU on the deadline that
@redis/client puts on each command, which the gateway has turned off. The gateway has and C has not: Hono, validation,
the fingerprint (JSON and SHA-256), the claim with all its states, log and metrics.
`
