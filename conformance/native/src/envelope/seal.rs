//! Signing, strict verification and encryption with the libraries the ToM stack uses (spec/envelope.md §1.5, §1.6).

use chacha20poly1305::aead::Aead;
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use ed25519_dalek::{Signature, Signer, SigningKey, Verifier};
use hkdf::Hkdf;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256, Sha512};
use x25519_dalek::{PublicKey, StaticSecret};

use super::key::NodeId;
use super::wire::Envelope;

const INFO: &[u8] = b"tom-protocol-e2e-xchacha20poly1305-v1";

/// Into the envelope as its payload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EncryptedPayload {
    pub ciphertext: Vec<u8>,
    pub nonce: [u8; 24],
    pub ephemeral_pk: [u8; 32],
}

/// What must be fresh for every message.
pub struct Fresh {
    pub ephemeral: [u8; 32],
    pub nonce: [u8; 24],
}

impl Fresh {
    pub fn random() -> Self {
        Self {
            ephemeral: random(),
            nonce: random(),
        }
    }
}

pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::getrandom(&mut bytes).expect("the system has randomness");
    bytes
}

/// A UUID, version 4.
pub fn new_id() -> String {
    uuid::Builder::from_random_bytes(random()).into_uuid().to_string()
}

/// Who signs and opens.
#[derive(Clone)]
pub struct Identity {
    key: SigningKey,
    agreement: StaticSecret,
    pub id: NodeId,
}

impl Identity {
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        let key = SigningKey::from_bytes(seed);
        let digest: [u8; 64] = Sha512::digest(seed).into();
        let (scalar, _) = digest.split_first_chunk::<32>().expect("it is longer");
        Self {
            id: NodeId::from_bytes(key.verifying_key().to_bytes()).expect("its own key"),
            agreement: StaticSecret::from(*scalar),
            key,
        }
    }

    pub fn sign_bytes(&self, message: &[u8]) -> [u8; 64] {
        self.key.sign(message).to_bytes()
    }

    pub fn sign(&self, envelope: &mut Envelope) {
        envelope.signature = self.sign_bytes(&envelope.signing_bytes()).to_vec();
    }

    /// The plaintext of an encrypted payload.
    pub fn open(&self, payload: &[u8]) -> Result<Vec<u8>, String> {
        let sealed: EncryptedPayload = rmp_serde::from_slice(payload).map_err(|error| error.to_string())?;
        let shared = self.agreement.diffie_hellman(&PublicKey::from(sealed.ephemeral_pk));
        cipher(shared.as_bytes())
            .decrypt(XNonce::from_slice(&sealed.nonce), sealed.ciphertext.as_slice())
            .map_err(|_| "it does not open".to_string())
    }
}

/// Array of three, for `to` alone.
pub fn encrypt(to: NodeId, plaintext: &[u8], fresh: &Fresh) -> EncryptedPayload {
    let secret = StaticSecret::from(fresh.ephemeral);
    let shared = secret.diffie_hellman(&PublicKey::from(to.verifying_key().to_montgomery().to_bytes()));
    let ciphertext = cipher(shared.as_bytes())
        .encrypt(XNonce::from_slice(&fresh.nonce), plaintext)
        .expect("it is not that long");
    EncryptedPayload {
        ciphertext,
        nonce: fresh.nonce,
        ephemeral_pk: PublicKey::from(&secret).to_bytes(),
    }
}

pub fn pack(payload: &EncryptedPayload) -> Vec<u8> {
    rmp_serde::to_vec(payload).expect("everything in it can be written")
}

/// Under a group's sender key there is no agreement (spec/envelope.md §7.2).
pub fn group_cipher(key: &[u8; 32], nonce: &[u8; 24], bytes: &[u8], encrypts: bool) -> Result<Vec<u8>, String> {
    let (cipher, nonce) = (XChaCha20Poly1305::new(key.into()), XNonce::from_slice(nonce));
    let done = match encrypts {
        true => cipher.encrypt(nonce, bytes),
        false => cipher.decrypt(nonce, bytes),
    };
    done.map_err(|_| "it does not open".to_string())
}

fn cipher(shared: &[u8; 32]) -> XChaCha20Poly1305 {
    let mut key = [0; 32];
    Hkdf::<Sha256>::new(None, shared)
        .expand(INFO, &mut key)
        .expect("32 bytes are no problem");
    XChaCha20Poly1305::new(&key.into())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SignatureState {
    Valid,
    Invalid,
    Absent,
}

pub fn verify(envelope: &Envelope) -> SignatureState {
    if envelope.signature.is_empty() {
        return SignatureState::Absent;
    }
    match verify_strict(&envelope.from, &envelope.signing_bytes(), &envelope.signature) {
        true => SignatureState::Valid,
        false => SignatureState::Invalid,
    }
}

/// As envelopes are verified.
pub fn verify_strict(key: &NodeId, message: &[u8], signature: &[u8]) -> bool {
    Signature::from_slice(signature)
        .is_ok_and(|signature| key.verifying_key().verify_strict(message, &signature).is_ok())
}

/// As role changes and group messages are verified.
pub fn verify_loose(key: &NodeId, message: &[u8], signature: &[u8]) -> bool {
    Signature::from_slice(signature).is_ok_and(|signature| key.verifying_key().verify(message, &signature).is_ok())
}
