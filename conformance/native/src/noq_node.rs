//! An endpoint of noq, the QUIC library under iroh, that on the wire is an iroh node without relays and NAT traversal: TLS 1.3 between
//! raw Ed25519 keys. What iroh keeps to itself is open here: paths are opened, abandoned and rated on request.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;

use iroh::{EndpointAddr, EndpointId, SecretKey, TransportAddr};
use noq::crypto::rustls::{HandshakeData, QuicClientConfig, QuicServerConfig};
use noq::{ClientConfig, Endpoint, EndpointConfig, ServerConfig, TokioRuntime, TransportConfig};
use rustls::client::AlwaysResolvesClientRawPublicKeys;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls13_signature_with_raw_key};
use rustls::pki_types::{
    CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, SubjectPublicKeyInfoDer, UnixTime,
};
use rustls::server::AlwaysResolvesServerRawPublicKeys;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::sign::CertifiedKey;
use rustls::version::TLS13;
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, PeerIncompatible, SignatureScheme};

use crate::link::{Link, NoqLink};
use crate::node::Failure;
use crate::options::{Options, Res};
use crate::output::chain;

/// RFC 8410: what stands before the 32 bytes of an Ed25519 key, as SubjectPublicKeyInfo and as PKCS #8.
const SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
const PKCS8_PREFIX: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];
/// Never on the wire: the client sends no server name.
const SERVER_NAME: &str = "peer.invalid";

#[derive(Clone)]
pub struct NoqNode {
    endpoint: Endpoint,
    id: EndpointId,
    key: Arc<CertifiedKey>,
    provider: Arc<CryptoProvider>,
    transport: Arc<TransportConfig>,
    keylog: bool,
}

impl NoqNode {
    /// One socket: the first `--bind`, else 127.0.0.1:0.
    pub fn bind(options: &Options) -> Res<Self> {
        let secret = match options.text("secret") {
            Some(text) => text
                .parse::<SecretKey>()
                .map_err(|error| format!("--secret: {}", chain(&error)))?,
            None => SecretKey::generate(),
        };
        let provider = Arc::new(options.crypto_provider()?);
        let key = Arc::new(certified_key(&secret)?);
        let transport = Arc::new(options.noq_transport()?);
        let keylog = options.flag("keylog");
        let server = server_config(&provider, &key, options.alpns(), &transport, keylog)?;
        let bind = options.list("bind").into_iter().next();
        let socket = UdpSocket::bind(bind.as_deref().unwrap_or("127.0.0.1:0")).map_err(|error| chain(&error))?;
        let endpoint = Endpoint::new(EndpointConfig::default(), Some(server), socket, Arc::new(TokioRuntime))
            .map_err(|error| chain(&error))?;
        let id = secret.public();
        Ok(Self {
            endpoint,
            id,
            key,
            provider,
            transport,
            keylog,
        })
    }

    pub fn id(&self) -> EndpointId {
        self.id
    }

    pub fn addrs(&self) -> Vec<SocketAddr> {
        self.endpoint.local_addr().into_iter().collect()
    }

    /// Dials the first IP address only.
    pub async fn connect(&self, addr: EndpointAddr, alpn: &str) -> Result<Link, Failure> {
        let failure = |message: String| Failure {
            message,
            reason: serde_json::Value::Null,
        };
        let ip = addr.addrs.iter().find_map(|addr| match addr {
            TransportAddr::Ip(ip) => Some(*ip),
            _ => None,
        });
        let ip = ip.ok_or_else(|| failure("no IP address to dial".to_string()))?;
        let config = self.client_config(addr.id, alpn).map_err(failure)?;
        let connecting = self
            .endpoint
            .connect_with(config, ip, SERVER_NAME)
            .map_err(|error| Failure::new(&error))?;
        let connection = connecting.await.map_err(|error| Failure::new(&error))?;
        let (remote, alpn) = negotiated(&connection);
        Ok(Link::Noq(NoqLink {
            connection,
            remote,
            alpn,
        }))
    }

    pub async fn accept(&self) -> Option<noq::Incoming> {
        self.endpoint.accept().await
    }

    pub async fn close(&self) {
        self.endpoint.close(0u32.into(), b"");
        self.endpoint.wait_idle().await;
    }

    fn client_config(&self, peer: EndpointId, alpn: &str) -> Res<ClientConfig> {
        let verifier = Arc::new(Verifier {
            provider: self.provider.clone(),
            expected: Some(spki(&peer)),
        });
        let mut tls = rustls::ClientConfig::builder_with_provider(self.provider.clone())
            .with_protocol_versions(&[&TLS13])
            .map_err(|error| chain(&error))?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_client_cert_resolver(Arc::new(AlwaysResolvesClientRawPublicKeys::new(self.key.clone())));
        tls.alpn_protocols = vec![alpn.as_bytes().to_vec()];
        tls.enable_sni = false;
        tls.resumption = rustls::client::Resumption::disabled();
        if self.keylog {
            tls.key_log = Arc::new(rustls::KeyLogFile::new());
        }
        let quic = QuicClientConfig::try_from(tls).map_err(|error| chain(&error))?;
        let mut config = ClientConfig::new(Arc::new(quic));
        config.transport_config(self.transport.clone());
        Ok(config)
    }
}

/// The peer's id, 64 hex digits, and the ALPN.
pub fn negotiated(connection: &noq::Connection) -> (String, String) {
    let certificates = connection
        .peer_identity()
        .and_then(|identity| identity.downcast::<Vec<CertificateDer<'static>>>().ok());
    let key = certificates.and_then(|list| list.first()?.strip_prefix(&SPKI_PREFIX).map(<[u8]>::to_vec));
    let remote = key
        .unwrap_or_default()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let data = connection
        .handshake_data()
        .and_then(|data| data.downcast::<HandshakeData>().ok());
    let alpn = data.and_then(|data| data.protocol).unwrap_or_default();
    (remote, String::from_utf8_lossy(&alpn).into_owned())
}

fn spki(id: &EndpointId) -> Vec<u8> {
    [SPKI_PREFIX.as_slice(), id.as_bytes()].concat()
}

fn certified_key(secret: &SecretKey) -> Res<CertifiedKey> {
    let pkcs8 = [PKCS8_PREFIX.as_slice(), &secret.to_bytes()].concat();
    let der = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(pkcs8));
    let key = ring::sign::any_supported_type(&der).map_err(|error| chain(&error))?;
    Ok(CertifiedKey::new(
        vec![CertificateDer::from(spki(&secret.public()))],
        key,
    ))
}

fn server_config(
    provider: &Arc<CryptoProvider>,
    key: &Arc<CertifiedKey>,
    alpns: Vec<Vec<u8>>,
    transport: &Arc<TransportConfig>,
    keylog: bool,
) -> Res<ServerConfig> {
    let verifier = Arc::new(Verifier {
        provider: provider.clone(),
        expected: None,
    });
    let mut tls = rustls::ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&TLS13])
        .map_err(|error| chain(&error))?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::new(AlwaysResolvesServerRawPublicKeys::new(key.clone())));
    tls.alpn_protocols = alpns;
    if keylog {
        tls.key_log = Arc::new(rustls::KeyLogFile::new());
    }
    let quic = QuicServerConfig::try_from(tls).map_err(|error| chain(&error))?;
    let mut config = ServerConfig::with_crypto(Arc::new(quic));
    config.transport_config(transport.clone());
    Ok(config)
}

/// Takes one raw key that the peer proves to have, and where one is expected, no other.
#[derive(Debug)]
struct Verifier {
    provider: Arc<CryptoProvider>,
    expected: Option<Vec<u8>>,
}

impl Verifier {
    fn check(&self, key: &CertificateDer<'_>, others: &[CertificateDer<'_>]) -> Result<(), Error> {
        let wanted = self.expected.as_ref().is_none_or(|expected| expected == key.as_ref());
        if wanted && others.is_empty() {
            return Ok(());
        }
        Err(Error::InvalidCertificate(CertificateError::UnknownIssuer))
    }

    fn signature(
        &self,
        message: &[u8],
        key: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let key = SubjectPublicKeyInfoDer::from(key.as_ref());
        verify_tls13_signature_with_raw_key(message, &key, signed, &self.provider.signature_verification_algorithms)
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        key: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.check(key, others).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _key: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::PeerIncompatible(PeerIncompatible::Tls12NotOffered))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        key: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signature(message, key, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

impl ClientCertVerifier for Verifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        key: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.check(key, others).map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _key: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::PeerIncompatible(PeerIncompatible::Tls12NotOffered))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        key: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signature(message, key, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}
