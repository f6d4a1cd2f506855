//! Bytes as text on JSON lines.

/// Pairs of digits of either case.
pub fn decode(text: &str) -> Result<Vec<u8>, String> {
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|value| value as u8);
    let pairs = text.as_bytes().chunks(2).map(|pair| match pair {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    });
    pairs
        .collect::<Option<_>>()
        .ok_or_else(|| "hex: not pairs of hex digits".to_string())
}

pub fn encode(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let pairs = bytes
        .iter()
        .flat_map(|byte| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    pairs.map(char::from).collect()
}

pub fn array<const N: usize>(text: &str) -> Result<[u8; N], String> {
    let bytes = decode(text)?;
    let length = bytes.len();
    bytes
        .try_into()
        .map_err(|_| format!("{length} bytes where {N} are wanted"))
}
