//! Test bytes that both sides can compute: byte `i` of a transfer is `(i * 31 + 7) mod 256`, and the 64-bit FNV-1a hash of it.

pub const BLOCK: usize = 65_536;

/// One block; the pattern repeats every 256 bytes, so blocks join seamlessly.
pub fn block() -> Vec<u8> {
    (0..BLOCK).map(|index| (index * 31 + 7) as u8).collect()
}

/// Whether `bytes` are what belongs at `offset` of a transfer.
pub fn matches(block: &[u8], offset: u64, mut bytes: &[u8]) -> bool {
    let mut at = (offset % 256) as usize;
    while !bytes.is_empty() {
        let take = bytes.len().min(block.len() - at);
        if bytes[..take] != block[at..at + take] {
            return false;
        }
        bytes = &bytes[take..];
        at = (at + take) % 256;
    }
    true
}

pub struct Fnv(pub u64);

impl Fnv {
    pub fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    pub fn update(&mut self, bytes: &[u8]) {
        let mut hash = self.0;
        for byte in bytes {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        self.0 = hash;
    }
}
