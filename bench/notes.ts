/** The part of BENCH.md that no run measures: what was done by the profile, what did not help, what is left. */
export const NOTES = `## What was done, and what is left

Done, each measured against the build before it in the same run, at 64 in flight: the client is known by its response
and not by an AbortSignal (58 µs of 467); the messages of a turn leave in one system call and not in one each (requests
a second + 19 %); the request's id, count and log line are made around the app and not in a middleware, and the answer's
headers are not put into a Headers object (36 µs); the log lines of a turn are one write; a publish is one promise and
not eight, and what is known at once is not awaited (43 µs together with looking at the body without copying its
paths). A start took 0.7 s, most of it to find and open 600 files: each program is now one file.

Tried and dropped: larger or smaller semi-spaces, one GC thread, no parallel scavenges (slower or the same); metrics and
validation left out (within the noise: they stay); a minified build (the same start, unreadable stacks).

Left: with the answer's write (26 µs), the commands to Redis and the message, system calls are a quarter of a request's
CPU; the garbage collector is a tenth, @redis/client another, promises a twentieth, and no function of ours is above
2 %. C spends a seventh of its own on the deadlines that @redis/client puts on each command, which the gateway has
turned off. What it has and C has not: Hono, validation, the fingerprint (JSON and SHA-256), the claim with all its
states, log and metrics. The next large step is client tracking: the claim's script would subscribe by reading the
result's key, and SUBSCRIBE, UNSUBSCRIBE and their connection would go.
`
