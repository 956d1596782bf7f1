//! Six bytes of an input as one change to a journal's file.
//!
//! Rule: without forging an edit is what disks and crashes do: bits turn, sectors are gone, stand elsewhere or are
//! of an earlier time, the end is missing. Only a forger writes what he likes.

/// Bytes of one edit: what, where (two bytes and a part of the file), how much, with what.
pub(super) const EDIT: usize = 6;

/// The parts of the file where something stands, as (start, length): head, hints, cursors, ids, log, all.
const PARTS: [(usize, usize); 6] =
    [(0, 80), (4096, 128), (8192, 512), (40_960, 2048), (45_056, 4096), (0, 49_152)];

/// Numbers at which counting ends or begins anew.
pub(super) const NUMBERS: [u64; 8] =
    [0, 1, 4096, 1 << 32, 1 << 63, u64::MAX - 4095, u64::MAX - 7, u64::MAX];

/// Changes `file`, which may have been cut before and was in the last of these states.
pub(super) fn apply(edit: &[u8], file: &mut Vec<u8>, states: &[Vec<u8>], is_forged: bool) {
    let [what, high, low, part, much, with] = edit[..EDIT] else { return };
    let (start, len) = PARTS[usize::from(part) % PARTS.len()];
    let at = start + usize::from(u16::from_be_bytes([high, low])) % len;
    let at = at.min(file.len());
    let words = (at & !7).min(file.len())..((at & !7) + usize::from(much) * 8).min(file.len());
    match what % if is_forged { 8 } else { 6 } {
        0 => {
            if let Some(byte) = file.get_mut(at) {
                *byte ^= with;
            }
        }
        1 => file[words].fill(0),
        2 => {
            // A multiple of 8, as all places are.
            let from = usize::from(with) * 192;
            let from = from.min(file.len())..(from + words.len()).min(file.len());
            let to = words.start.min(file.len() - from.len());
            file.copy_within(from, to);
        }
        3 => {
            let other = &states[usize::from(with) % states.len()];
            let words = words.start.min(other.len())..words.end.min(other.len());
            file[words.clone()].copy_from_slice(&other[words]);
        }
        4 => file.truncate(at),
        5 => file.resize(file.len() + usize::from(much), with),
        6 => {
            if let Some(place) = file.get_mut(words.start..words.start + 8) {
                let number = NUMBERS[usize::from(much) % NUMBERS.len()];
                place.copy_from_slice(&number.wrapping_add(u64::from(with)).to_le_bytes());
            }
        }
        _ => {
            if let Some(byte) = file.get_mut(at) {
                *byte = with;
            }
        }
    }
}
