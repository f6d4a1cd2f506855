/** Makes findings of what was measured: pure, so that each network can be drawn in a test. Measuring is `tom doctor`'s. */
import type { Diagnosis, DoctorInput, Finding } from './diagnosis.ts'
import { factsOf, pairsOf } from './facts.ts'
import { directFinding, filteringFinding, natFinding, portMappingFinding, secondNatFinding } from './nat-findings.ts'
import { ipv4Finding, ipv6Finding, portalFinding, relaysFinding, udpFinding } from './path-findings.ts'

export function diagnose(input: DoctorInput): Diagnosis {
  const facts = factsOf(input)
  const findings: (Finding | undefined)[] = [
    udpFinding(input, facts),
    portalFinding(input, facts),
    ipv4Finding(input, facts),
    ipv6Finding(input, facts),
    natFinding(input, facts),
    filteringFinding(facts),
    secondNatFinding(input, facts),
    portMappingFinding(input, facts),
    directFinding(facts),
    relaysFinding(input),
  ]
  return {
    natKind: facts.kind,
    mapping: facts.mapping,
    filtering: facts.filtering,
    pairs: pairsOf(facts),
    findings: findings.filter((finding) => finding !== undefined),
  }
}
