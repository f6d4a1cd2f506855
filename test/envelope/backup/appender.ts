/** A process that appends to a journal until it is killed, and prints the number of each record once it is durable: for `journal-on-disk.test.ts`. Argument: the folder. */
import { Journal } from '../../../src/envelope/backup/journal.ts'
import { NodeFolder } from '../../../src/platform/node/index.ts'
import { delivered, drop, keep, WALL } from './support.ts'

const folder = await NodeFolder.open(process.argv[2]!)
const onError = (error: unknown): void => console.error(error)
const settings = { slackBytes: 20_000, batchBytes: 5_000 }
const { journal } = await Journal.open(folder, { wall: WALL, onError, settings })
// three records for each number: kept, delivered, and the one twenty before dropped
for (let number = 0; ; number++) {
  const written = [journal.append(keep(`m${number}`, { length: 400 })), journal.append(delivered(`d${number}`))]
  if (number >= 20) written.push(journal.append(drop(`m${number - 20}`)))
  void Promise.all(written).then((answers) => {
    if (!answers.includes(false)) process.stdout.write(`${number}\n`)
  })
  if (number % 7 === 0) await written[0]
}
