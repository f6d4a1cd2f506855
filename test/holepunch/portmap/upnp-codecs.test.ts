import { describe, expect, test } from 'vitest'
import { encodeUtf8 } from '../../../src/bytes/index.ts'
import { decodeAction, encodeAction } from '../../../src/holepunch/portmap/soap.ts'
import { decodeSearchAnswer, encodeSearch } from '../../../src/holepunch/portmap/ssdp.ts'
import { acceptLocation, parseDescription } from '../../../src/holepunch/portmap/upnp-description.ts'
import { escapeXml, parseXml } from '../../../src/holepunch/portmap/xml.ts'

describe('SSDP', () => {
  test('spec/disco-stun-nat.md §7.1: the search', () => {
    expect(new TextDecoder().decode(encodeSearch(3))).toBe(
      'M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nST: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\nMAN: "ssdp:discover"\r\nMX: 3\r\n\r\n',
    )
  })

  const answer = (...lines: string[]) => decodeSearchAnswer(encodeUtf8(lines.join('\r\n')))
  const ST = 'ST: urn:schemas-upnp-org:device:InternetGatewayDevice:1'
  const LOCATION = 'LOCATION: http://192.168.1.1:5000/rootDesc.xml'

  test('spec/disco-stun-nat.md §7.1: an answer, however it is written', () => {
    const url = 'http://192.168.1.1:5000/rootDesc.xml'
    expect(answer('HTTP/1.1 200 OK', 'CACHE-CONTROL: max-age=120', ST, 'EXT:', LOCATION, '', '')).toBe(url)
    expect(answer('HTTP/1.0 200', `location:${url}`, 'st:urn:schemas-upnp-org:device:InternetGatewayDevice:2')).toBe(
      url,
    )
    expect(decodeSearchAnswer(encodeUtf8(`HTTP/1.1 200 OK\n${ST}\n${LOCATION}\n\n`))).toBe(url)
  })

  test.each([
    ['another device', ['HTTP/1.1 200 OK', 'ST: urn:schemas-upnp-org:device:MediaServer:1', LOCATION]],
    ['no device', ['HTTP/1.1 200 OK', LOCATION]],
    ['no location', ['HTTP/1.1 200 OK', ST]],
    ['a notification', ['NOTIFY * HTTP/1.1', ST, LOCATION]],
    ['an error', ['HTTP/1.1 404 Not Found', ST, LOCATION]],
    ['behind the end of the head', ['HTTP/1.1 200 OK', ST, '', LOCATION]],
    ['nothing', ['']],
    ['very long', ['HTTP/1.1 200 OK', ST, LOCATION, 'x'.repeat(8192)]],
  ])('spec/disco-stun-nat.md §7.1: dropped: %s', (_what, lines) => {
    expect(answer(...lines)).toBeUndefined()
  })
})

describe('locations', () => {
  const accept = (location: string, sender = '192.168.1.1') => acceptLocation(location, sender, '192.168.1.1')?.href
  test('spec/disco-stun-nat.md §7.3: only plain HTTP to the gateway, or to a private sender itself', () => {
    expect(accept('http://192.168.1.1:80/a')).toBe('http://192.168.1.1/a')
    expect(accept('http://192.168.1.1/a', '192.168.1.7')).toBe('http://192.168.1.1/a')
    expect(accept('http://192.168.1.7:49152/a', '192.168.1.7')).toBe('http://192.168.1.7:49152/a')
    expect(acceptLocation('http://203.0.113.1/a', '203.0.113.1', '203.0.113.1')?.href).toBe('http://203.0.113.1/a')
    for (const location of [
      'https://192.168.1.1/a',
      'ftp://192.168.1.1/a',
      'http://user:secret@192.168.1.1/a',
      'http://192.168.1.8/a',
      'http://127.0.0.1/a',
      'http://router.example/a',
      'http://[fd00::1]/a',
      '/a',
      '',
    ])
      expect([location, accept(location, '192.168.1.7')]).toEqual([location, undefined])
    for (const sender of ['127.0.0.1', '203.0.113.5', '0.0.0.0', 'fd00::1'])
      expect(accept(`http://${sender.includes(':') ? `[${sender}]` : sender}/a`, sender)).toBeUndefined()
  })
})

const service = (type: string, controlUrl: string) =>
  `<service><serviceType>urn:schemas-upnp-org:service:${type}</serviceType><serviceId>x</serviceId><controlURL>${controlUrl}</controlURL></service>`
const root = (inner: string, base = '') =>
  `<?xml version="1.0"?>\n<root xmlns="urn:schemas-upnp-org:device-1-0">${base}<device><deviceType>urn:schemas-upnp-org:device:InternetGatewayDevice:1</deviceType><friendlyName>a &amp; b</friendlyName><deviceList><device><deviceList><device><serviceList>${inner}</serviceList></device></deviceList></device></deviceList></device></root>`

describe('descriptions', () => {
  const LOCATION = new URL('http://192.168.1.1:5000/desc/root.xml')
  const parse = (xml: string) =>
    parseDescription(xml, LOCATION).map(({ type, controlUrl }) => `${type.split(':').slice(3).join(':')} ${controlUrl}`)

  test('spec/disco-stun-nat.md §7.1: services wherever they stand, the best first', () => {
    const all = ['WANPPPConnection:1', 'WANIPConnection:1', 'WANIPConnection:2', 'WANCommonInterfaceConfig:1']
    expect(parse(root(all.map((type) => service(type, `/${type[3]}${type.at(-1)}`)).join('')))).toEqual([
      'WANIPConnection:2 http://192.168.1.1:5000/I2',
      'WANIPConnection:1 http://192.168.1.1:5000/I1',
      'WANPPPConnection:1 http://192.168.1.1:5000/P1',
    ])
  })

  test.each([
    ['/ctl/IPConn', '', 'http://192.168.1.1:5000/ctl/IPConn'],
    ['ctl/IPConn', '', 'http://192.168.1.1:5000/desc/ctl/IPConn'],
    ['ctl', '<URLBase>http://192.168.1.1:8080/base/</URLBase>', 'http://192.168.1.1:8080/base/ctl'],
    ['/ctl', '<URLBase> </URLBase>', 'http://192.168.1.1:5000/ctl'],
    ['http://192.168.1.1:49000/c?a=1&amp;b=2', '', 'http://192.168.1.1:49000/c?a=1&b=2'],
  ])('spec/disco-stun-nat.md §7.1: control URL %s %s', (controlUrl, base, expected) => {
    expect(parse(root(service('WANIPConnection:1', controlUrl), base))).toEqual([`WANIPConnection:1 ${expected}`])
  })

  test.each([
    ['another host', root(service('WANIPConnection:1', 'http://192.168.1.9/ctl'))],
    ['another host by its base', root(service('WANIPConnection:1', '/ctl'), '<URLBase>http://10.0.0.1/</URLBase>')],
    ['another scheme', root(service('WANIPConnection:1', 'https://192.168.1.1/ctl'))],
    ['no URL', root(service('WANIPConnection:1', ''))],
    ['a base that is none', root(service('WANIPConnection:1', 'ctl'), '<URLBase>http://[/</URLBase>')],
    ['no such service', root(service('Layer3Forwarding:1', '/l3f'))],
    ['an unknown version', root(service('WANIPConnection:3', '/ctl'))],
    ['no description', '<html><body>hello</body></html>'],
    ['cut', root(service('WANIPConnection:1', '/ctl')).slice(0, -10)],
    ['empty', ''],
  ])('spec/disco-stun-nat.md §7.3: nothing to ask: %s', (_what, xml) => {
    expect(parse(xml)).toEqual([])
  })

  test('a device of many services: four are enough', () => {
    const many = Array.from({ length: 50 }, (_, index) => service('WANIPConnection:1', `/${index}`)).join('')
    expect(parse(root(many))).toHaveLength(4)
  })
})

describe('SOAP', () => {
  const TYPE = 'urn:schemas-upnp-org:service:WANIPConnection:1'

  test('spec/disco-stun-nat.md §7.1: an action, its text escaped', () => {
    const { headers, body } = encodeAction(TYPE, 'DeletePortMapping', [
      ['NewRemoteHost', ''],
      ['NewExternalPort', '41641'],
      ['NewProtocol', '<&>"\''],
    ])
    expect(headers).toEqual({
      'Content-Type': 'text/xml; charset="utf-8"',
      SOAPAction: `"${TYPE}#DeletePortMapping"`,
    })
    expect(new TextDecoder().decode(body)).toBe(
      '<?xml version="1.0"?>\r\n<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" s:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"><s:Body><u:DeletePortMapping xmlns:u="urn:schemas-upnp-org:service:WANIPConnection:1"><NewRemoteHost></NewRemoteHost><NewExternalPort>41641</NewExternalPort><NewProtocol>&#60;&#38;&#62;&#34;&#39;</NewProtocol></u:DeletePortMapping></s:Body></s:Envelope>\r\n',
    )
  })

  const envelope = (inner: string, prefix = 's:') =>
    `<?xml version="1.0" encoding="utf-8"?><${prefix}Envelope xmlns:s="x"><${prefix}Body>${inner}</${prefix}Body></${prefix}Envelope>`
  const decode = (inner: string, prefix?: string) => {
    const answer = decodeAction(envelope(inner, prefix), 'GetExternalIPAddress')
    return answer?.values === undefined ? answer : Object.fromEntries(answer.values)
  }

  test('spec/disco-stun-nat.md §7.1: values, whatever the prefixes', () => {
    const values = { NewExternalIPAddress: '1.2.3.4' }
    const inner = '<NewExternalIPAddress> 1.2.3.4\n</NewExternalIPAddress>'
    expect(decode(`<u:GetExternalIPAddressResponse xmlns:u="y">${inner}</u:GetExternalIPAddressResponse>`)).toEqual(
      values,
    )
    expect(decode(`<GetExternalIPAddressResponse>${inner}</GetExternalIPAddressResponse>`, 'SOAP-ENV:')).toEqual(values)
    expect(decode('<m:GetExternalIPAddressResponse/>', '')).toEqual({})
  })

  test.each([402, 501, 606, 714, 718, 724, 725, 728])('spec/disco-stun-nat.md §7.1: error %d', (code) => {
    const detail = `<detail><UPnPError xmlns="urn:schemas-upnp-org:control-1-0"><errorCode>${code}</errorCode><errorDescription>x</errorDescription></UPnPError></detail>`
    expect(
      decode(`<s:Fault><faultcode>s:Client</faultcode><faultstring>UPnPError</faultstring>${detail}</s:Fault>`),
    ).toEqual({
      error: code,
    })
  })

  test.each([
    ['another action', '<u:AddPortMappingResponse/>'],
    ['a fault without a code', '<s:Fault><faultcode>s:Client</faultcode></s:Fault>'],
    ['a fault whose code is no number', '<s:Fault><errorCode>7x8</errorCode></s:Fault>'],
    ['nothing', ''],
  ])('spec/disco-stun-nat.md §7.1: no answer: %s', (_what, inner) => {
    expect(decode(inner)).toBeUndefined()
  })

  test('what is no envelope is no answer', () => {
    for (const xml of ['', 'hello', '<html/>', '<Envelope/>', '<Envelope><Header/></Envelope>'])
      expect(decodeAction(xml, 'GetExternalIPAddress')).toBeUndefined()
  })
})

describe('XML', () => {
  test('text, entities, CDATA, comments, attributes with > in them, prefixes', () => {
    const xml = `\ufeff<?xml version="1.0"?><!-- <x> --><a:b c=">" d='/>'>1 &lt;&#50;&#x33;&quot;&nbsp;&#0;&amp;lt;<!-- -- --><![CDATA[<x>&lt;]]><e/><f g="1"/></a:b>\n`
    expect(parseXml(xml)).toEqual({
      name: 'b',
      text: '1 <23"&nbsp;&#0;&lt;<x>&lt;',
      children: [
        { name: 'e', text: '', children: [] },
        { name: 'f', text: '', children: [] },
      ],
    })
  })

  test.each([
    '',
    'text',
    '<a>',
    '<a></b>',
    '</a>',
    '<a/><b/>',
    '<a',
    '<a b="',
    '<>',
    '< a/>',
    '<a><!-- </a>',
    '<a><![CDATA[ </a>',
    '<?xml',
    '<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>',
    `${'<a>'.repeat(100)}${'</a>'.repeat(100)}`,
    `<a>${'<b/>'.repeat(20_001)}</a>`,
  ])('refused: %.40s', (xml) => {
    expect(parseXml(xml)).toBeUndefined()
  })

  test('a megabyte of anything is read in proportion to its length', () => {
    for (const piece of ['<', '<a', '<a ', '<a>', '&', '&amp', '<!--', '<![CDATA[', '<a b="', '</', '<a:', ' ', 'x']) {
      const xml = piece.repeat(Math.floor(2 ** 20 / piece.length))
      parseXml(xml)
      parseXml(`<a>${xml}`)
    }
  })

  test('what was escaped is read again', () => {
    const text = `a<b>&"'ü&lt;]]>`
    expect(parseXml(`<a>${escapeXml(text)}</a>`)?.text).toBe(text)
  })
})
