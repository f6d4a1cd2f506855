//! Keys as they stand in envelopes: 64 lower-case hex digits, whatever the format around them (spec/envelope.md §1.1, §1.3).

use std::fmt;
use std::str::FromStr;

use ed25519_dalek::VerifyingKey;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::hex;

/// A point of the curve.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct NodeId([u8; 32]);

impl NodeId {
    pub fn from_bytes(bytes: [u8; 32]) -> Result<Self, String> {
        let key = VerifyingKey::from_bytes(&bytes).map_err(|_| "not a point of the curve")?;
        Ok(Self(key.to_bytes()))
    }

    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    pub fn verifying_key(&self) -> VerifyingKey {
        VerifyingKey::from_bytes(&self.0).expect("checked when it was made")
    }
}

impl FromStr for NodeId {
    type Err = String;

    /// Lower-case hex, or 52 characters of base32 in any case.
    fn from_str(text: &str) -> Result<Self, String> {
        let bytes = match text.len() {
            64 if !text.bytes().any(|byte| byte.is_ascii_uppercase()) => hex::decode(text)?,
            52 => base32(text)?,
            _ => return Err(format!("a key of {} characters", text.len())),
        };
        Self::from_bytes(bytes.try_into().map_err(|_| "a key has 32 bytes")?)
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&hex::encode(&self.0))
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

impl Serialize for NodeId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for NodeId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// RFC 4648 without padding; bits left over must be zero.
fn base32(text: &str) -> Result<Vec<u8>, String> {
    let (mut bytes, mut bits, mut count) = (Vec::new(), 0u32, 0);
    for byte in text.bytes() {
        let value = match byte.to_ascii_uppercase() {
            letter @ b'A'..=b'Z' => letter - b'A',
            digit @ b'2'..=b'7' => digit - b'2' + 26,
            _ => return Err("no base32".to_string()),
        };
        bits = bits << 5 | u32::from(value);
        count += 5;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
            bits &= (1 << count) - 1;
        }
    }
    match bits {
        0 => Ok(bytes),
        _ => Err("no base32: bits left over".to_string()),
    }
}
