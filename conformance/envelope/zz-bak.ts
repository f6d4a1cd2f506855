import { NativeTom } from './tom-program.ts'
import { OurTom } from './our-tom.ts'
import { SecretKey } from '../../src/index.ts'
const bin=process.env.TOM_NATIVE!
for(let k=0;k<8;k++){
const t0=performance.now(); const log=(...a:unknown[])=>console.log((performance.now()-t0).toFixed(0),...a)
const secret='43'.repeat(32)
const them=await NativeTom.start(bin,{announceMs:1000,name:'native'})
const us=await OurTom.start({name:'ours',bootstrap:[them.ticket]})
await them.waitFor('announce')
const another=await NativeTom.start(bin,{announceMs:1000,name:'another',bootstrap:[them.ticket]})
await another.waitFor('announce')
const id=SecretKey.fromHex(secret).id
const r=await us.node.send(id,new Uint8Array(4));
await new Promise(f=>setTimeout(f,4600))
const second=await NativeTom.start(bin,{announceMs:1000,secret,name:'back',bootstrap:[them.ticket]}); const b=performance.now()
second.waitFor('message',()=>true,60000).then(m=>log('message, link', m.link===us.id?'us':m.link===them.id?'them':'another', (performance.now()-b).toFixed(0)),()=>{})
await Promise.race([r.delivered(),new Promise(f=>setTimeout(f,15000))]); log(r.history.map(h=>h.state+' '+(h.at-r.history[0]!.at)).join(), 'neighbors of back', (await second.status()).neighbors.map(n=>n===us.id?'us':n===them.id?'them':'another').join())
const c=us.stop(); await Promise.all([c,second.stop(),them.stop(),another.stop()])
}
process.exit(0)
