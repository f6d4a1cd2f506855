/** Actions on a gateway device's service as SOAP 1.1 (UPnP Device Architecture 1.1 §3): request and answer. Pure. */
import { encodeUtf8 } from '../../bytes/index.ts'
import { escapeXml, parseXml, walk, type XmlElement } from './xml.ts'

/** UPnP Device Architecture 1.1 §3.2.2; WANIPConnection:2 §2.5. */
export const UpnpError = {
  InvalidAction: 401,
  InvalidArgs: 402,
  ActionFailed: 501,
  OptionalActionNotImplemented: 602,
  NotAuthorized: 606,
  NoSuchEntryInArray: 714,
  ConflictInMappingEntry: 718,
  SamePortValuesRequired: 724,
  OnlyPermanentLeasesSupported: 725,
  NoPortMapsAvailable: 728,
} as const

export interface SoapRequest {
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
}

/** What an action came to: its values by name, or the device's error. */
export type SoapAnswer =
  | { readonly values: ReadonlyMap<string, string>; readonly error?: undefined }
  | { readonly error: number; readonly values?: undefined }

/** POST this to the service's control URL. `args` in the order that the service's definition has. */
export function encodeAction(
  serviceType: string,
  action: string,
  args: readonly (readonly [name: string, value: string])[],
): SoapRequest {
  const values = args.map(([name, value]) => `<${name}>${escapeXml(value)}</${name}>`).join('')
  const body =
    '<?xml version="1.0"?>\r\n' +
    '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" s:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/">' +
    `<s:Body><u:${action} xmlns:u="${escapeXml(serviceType)}">${values}</u:${action}></s:Body></s:Envelope>\r\n`
  return {
    headers: { 'Content-Type': 'text/xml; charset="utf-8"', SOAPAction: `"${serviceType}#${action}"` },
    body: encodeUtf8(body),
  }
}

/** Undefined for what is no answer to `action`. */
export function decodeAction(xml: string, action: string): SoapAnswer | undefined {
  const root = parseXml(xml)
  if (root === undefined || root.name !== 'Envelope') return undefined
  const content = root.children.find(({ name }) => name === 'Body')?.children[0]
  if (content?.name === 'Fault') return faultOf(content)
  if (content?.name !== `${action}Response`) return undefined
  return { values: new Map(content.children.map(({ name, text }) => [name, text])) }
}

function faultOf(fault: XmlElement): SoapAnswer | undefined {
  let error: number | undefined
  walk(fault, ({ name, text }) => {
    if (name === 'errorCode' && /^\d{1,5}$/.test(text)) error ??= Number(text)
  })
  return error === undefined ? undefined : { error }
}
