import { runBundle } from '/work/main/bench/processes.ts'
const what = process.argv[2]
const t = performance.now()
if (what === 'counts') console.log(await runBundle('counts/envelope.ts', ['1', '2'], []))
if (what === 'peers') console.log(await runBundle('envelope/known-peers.ts', [process.argv[3] ?? '2000'], ['--expose-gc']))
if (what === 'seal') console.log(await runBundle('envelope/seal.ts', ['5,1000,100000', '200'], []))
console.log(Math.round(performance.now() - t), 'ms')
process.exit(0)
