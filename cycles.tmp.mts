import { fork } from 'node:child_process'
import { build } from 'esbuild'
const out = '/tmp/ld/out'
for (const name of ['relay', 'clients']) await build({ entryPoints: [`/work/main/test/load/processes/${name}.ts`], bundle: true, platform: 'node', format: 'esm', target: 'node20', outfile: `${out}/${name}.mjs`, logLevel: 'silent' })
class C { tag = 0; p; w = new Map(); constructor(n) { this.p = fork(`${out}/${n}.mjs`, { execArgv: ['--expose-gc', ...(n==='relay' && process.env.SNAP ? ['--heapsnapshot-signal=SIGUSR2'] : [])] }); this.p.on('message', m => { if (m.error) console.log(m.error); this.w.get(m.tag)?.(m.result) }) }
 ask(command, argument) { return new Promise(r => { const tag = ++this.tag; this.w.set(tag, r); this.p.send({ tag, command, argument }) }) } }
const relay = new C('relay')
const { port } = await relay.ask('start', { pingIntervalMs: 3000, pingJitterMinMs: 0, pingJitterMaxMs: 500 })
const N = Number(process.env.N ?? 2000)
for (let cycle = 0; cycle < Number(process.env.CYCLES ?? 6); cycle++) {
  const clients = new C('clients')
  await clients.ask('join', { target: { port, from: `127.9.${cycle}.1` }, count: N, answersPings: true })
  await new Promise(r => setTimeout(r, Number(process.env.WAIT ?? 0)))
  const full = await relay.ask('look', { collect: true })
  await clients.ask('leave', { how: ['close','end','reset'][cycle % 3] })
  let s
  do { await new Promise(r => setTimeout(r, 100)); s = await relay.ask('look', { collect: false }) } while (s.counters.tom_links > 0)
  await new Promise(r => setTimeout(r, 500))
  s = await relay.ask('look', { collect: true })
  console.log(cycle, 'full', full.heap, full.buffers, full.rss, 'after', s.heap, s.buffers, s.rss, s.counters.tom_pings_sent)
  clients.p.kill('SIGKILL')
}
relay.p.kill('SIGKILL'); process.exit(0)
