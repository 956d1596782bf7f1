//! What comes in: an incremental reader of WebSocket client frames (RFC 6455, section 5). Rule: it keeps at most
//! one control frame's payload, whatever is sent; data is counted and thrown away, for these streams only talk.

use super::frame::COMPRESSED;

/// Longest data message, over all its fragments, in bytes.
pub(super) const MESSAGE_BYTES: u64 = 64 * 1024;

/// Protocol error (RFC 6455, 7.4.1).
pub(super) const PROTOCOL_ERROR: u16 = 1002;
/// Message too big.
pub(super) const TOO_BIG: u16 = 1009;

/// What a client asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Incoming {
    /// A ping; the payload to send back is in [`FrameReader::payload`].
    Ping,
    /// A close frame with its code, if it had one.
    Close(Option<u16>),
    /// The client broke the protocol; the connection is closed with this code.
    Violation(u16),
}

/// Position inside the client's byte stream. An idle reader owns no heap memory.
#[derive(Default)]
pub(super) struct FrameReader {
    header: [u8; 14],
    /// Bytes of `header` that have arrived.
    have: u8,
    /// Payload bytes of the current frame still to come; meaningful once the header is whole.
    left: u64,
    /// The header is whole and its payload is being read.
    in_payload: bool,
    /// Inside a fragmented data message.
    in_message: bool,
    /// Bytes of the current data message so far.
    message: u64,
    /// Unmasked payload of the current control frame.
    control: Vec<u8>,
    /// After a violation nothing more is understood.
    broken: bool,
    /// Messages may be compressed.
    deflate: bool,
}

impl FrameReader {
    /// A reader for a client that may compress its messages. They are thrown away as they come: nothing is
    /// inflated, so a message that would burst takes no more room than any other.
    pub(super) fn with_deflate(deflate: bool) -> Self {
        Self { deflate, ..Self::default() }
    }

    /// Reads until something is to be answered or `input` is used up; `input` is left at what was not read.
    pub(super) fn next(&mut self, input: &mut &[u8]) -> Option<Incoming> {
        while !self.broken {
            if !self.in_payload
                && let Err(code) = self.read_header(input)?
            {
                self.broken = true;
                return Some(Incoming::Violation(code));
            }
            self.read_payload(input)?;
            if let Some(incoming) = self.finish_frame() {
                return Some(incoming);
            }
        }
        *input = &[];
        None
    }

    /// Payload of the ping just returned.
    pub(super) fn payload(&self) -> &[u8] {
        &self.control
    }

    fn opcode(&self) -> u8 {
        self.header[0] & 0x0F
    }

    fn is_control(&self) -> bool {
        self.header[0] & 0x08 != 0
    }

    fn is_final(&self) -> bool {
        self.header[0] & 0x80 != 0
    }

    /// `None`: more bytes are needed. A violation is told as early as the bytes show it.
    fn read_header(&mut self, input: &mut &[u8]) -> Option<Result<(), u16>> {
        loop {
            let need = match self.have {
                0 | 1 => 2,
                _ => 2 + extended_length(self.header[1]) + 4,
            };
            if usize::from(self.have) < need {
                let (byte, rest) = input.split_first()?;
                *input = rest;
                self.header[usize::from(self.have)] = *byte;
                self.have += 1;
                if self.have == 2
                    && let Err(code) = self.check_start()
                {
                    return Some(Err(code));
                }
                continue;
            }
            return Some(self.check_length());
        }
    }

    /// The rules that the first two bytes are subject to.
    fn check_start(&self) -> Result<(), u16> {
        // The bit is set in the first frame of a compressed message and nowhere else (RFC 7692, 6.1).
        let may_be_compressed = self.deflate && matches!(self.opcode(), 0x1 | 0x2);
        let reserved = self.header[0] & 0x70 & !(u8::from(may_be_compressed) * COMPRESSED) != 0;
        let masked = self.header[1] & 0x80 != 0;
        let short = self.header[1] & 0x7F;
        let in_order = match self.opcode() {
            0x0 => self.in_message,
            0x1 | 0x2 => !self.in_message,
            0x8..=0xA => self.is_final() && short <= 125,
            _ => false,
        };
        if reserved || !masked || !in_order { Err(PROTOCOL_ERROR) } else { Ok(()) }
    }

    fn check_length(&mut self) -> Result<(), u16> {
        let at = |from: usize| &self.header[from..];
        let (len, smallest) = match self.header[1] & 0x7F {
            126 => (u64::from(u16::from_be_bytes([at(2)[0], at(3)[0]])), 126),
            127 => {
                let mut bytes = [0; 8];
                bytes.copy_from_slice(&at(2)[..8]);
                (u64::from_be_bytes(bytes), 0x1_0000)
            }
            short => (u64::from(short), 0),
        };
        if len < smallest || len > i64::MAX as u64 {
            return Err(PROTOCOL_ERROR);
        }
        if !self.is_control() {
            self.message = self.message.saturating_add(len);
            if self.message > MESSAGE_BYTES {
                return Err(TOO_BIG);
            }
        }
        self.control.clear();
        self.left = len;
        self.in_payload = true;
        Ok(())
    }

    /// `None`: more bytes are needed.
    fn read_payload(&mut self, input: &mut &[u8]) -> Option<()> {
        let take = usize::try_from(self.left).unwrap_or(usize::MAX).min(input.len());
        let (bytes, rest) = input.split_at(take);
        *input = rest;
        if self.is_control() {
            let mask_at = 2 + extended_length(self.header[1]);
            for byte in bytes {
                let mask = self.header[mask_at + self.control.len() % 4];
                self.control.push(byte ^ mask);
            }
        }
        self.left -= take as u64;
        (self.left == 0).then_some(())
    }

    fn finish_frame(&mut self) -> Option<Incoming> {
        self.have = 0;
        self.in_payload = false;
        match self.opcode() {
            0x8 => {
                self.broken = true; // nothing counts after a close frame
                Some(match close_code(&self.control) {
                    Ok(code) => Incoming::Close(code),
                    Err(code) => Incoming::Violation(code),
                })
            }
            0x9 => Some(Incoming::Ping),
            0xA => {
                self.control = Vec::new();
                None
            }
            _ => {
                self.in_message = !self.is_final();
                if !self.in_message {
                    self.message = 0;
                }
                None
            }
        }
    }
}

fn extended_length(second: u8) -> usize {
    match second & 0x7F {
        126 => 2,
        127 => 8,
        _ => 0,
    }
}

/// The code of a close frame's payload, refused where RFC 6455, 7.4 says that it may not appear.
fn close_code(payload: &[u8]) -> Result<Option<u16>, u16> {
    match payload {
        [] => Ok(None),
        [_] => Err(PROTOCOL_ERROR),
        [high, low, ..] => match u16::from_be_bytes([*high, *low]) {
            code @ (1000..=1003 | 1007..=1014 | 3000..=4999) => Ok(Some(code)),
            _ => Err(PROTOCOL_ERROR),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mask = [7, 77, 177, 227];
        let mut out = vec![first];
        match payload.len() {
            len @ 0..=125 => out.push(0x80 | len as u8),
            len @ 126..=0xFFFF => {
                out.push(0x80 | 126);
                out.extend((len as u16).to_be_bytes());
            }
            len => {
                out.push(0x80 | 127);
                out.extend((len as u64).to_be_bytes());
            }
        }
        out.extend(mask);
        out.extend(payload.iter().enumerate().map(|(at, byte)| byte ^ mask[at % 4]));
        out
    }

    /// All that a reader says to `bytes`, given in pieces of `step`.
    fn read(bytes: &[u8], step: usize) -> Vec<(Incoming, Vec<u8>)> {
        let mut reader = FrameReader::default();
        let mut said = Vec::new();
        for mut piece in bytes.chunks(step) {
            while let Some(incoming) = reader.next(&mut piece) {
                said.push((incoming, reader.payload().to_vec()));
            }
            assert!(piece.is_empty());
        }
        said
    }

    fn verdict(bytes: &[u8]) -> Option<Incoming> {
        let whole = read(bytes, bytes.len().max(1));
        assert_eq!(whole, read(bytes, 1), "the same however it is cut");
        whole.into_iter().next().map(|(incoming, _)| incoming)
    }

    #[test]
    fn pings_are_returned_unmasked_even_between_fragments() {
        let mut bytes = frame(0x01, b"begin");
        bytes.extend(frame(0x89, b"are you there?"));
        bytes.extend(frame(0x80, b"end"));
        bytes.extend(frame(0x8A, b"unasked pong"));
        bytes.extend(frame(0x89, b""));
        for step in [1, 2, 3, 7, 1000] {
            let said = read(&bytes, step);
            assert_eq!(said[0], (Incoming::Ping, b"are you there?".to_vec()));
            assert_eq!(said[1], (Incoming::Ping, vec![]));
            assert_eq!(said.len(), 2);
        }
    }

    #[test]
    fn close_codes() {
        let close = |payload: &[u8]| verdict(&frame(0x88, payload));
        assert_eq!(close(b""), Some(Incoming::Close(None)));
        assert_eq!(close(&1000u16.to_be_bytes()), Some(Incoming::Close(Some(1000))));
        assert_eq!(close(b"\x0f\xa0bye"), Some(Incoming::Close(Some(4000))));
        for refused in [0, 999, 1004, 1005, 1006, 1015, 2999, 5000] {
            let said = close(&u16::to_be_bytes(refused));
            assert_eq!(said, Some(Incoming::Violation(PROTOCOL_ERROR)), "{refused}");
        }
        assert_eq!(close(b"x"), Some(Incoming::Violation(PROTOCOL_ERROR)));
    }

    #[test]
    fn broken_frames_are_told_apart() {
        let broken = Some(Incoming::Violation(PROTOCOL_ERROR));
        assert_eq!(verdict(&[0x81, 0x05]), broken, "unmasked");
        assert_eq!(verdict(&[0xC1, 0x80]), broken, "reserved bit");
        assert_eq!(verdict(&[0x83, 0x80]), broken, "reserved opcode");
        assert_eq!(verdict(&[0x09, 0x80]), broken, "fragmented control");
        assert_eq!(verdict(&[0x89, 0xFE]), broken, "control of more than 125 bytes");
        assert_eq!(verdict(&frame(0x80, b"x")), broken, "continuation of nothing");
        let two_starts = [frame(0x01, b"a"), frame(0x01, b"b")].concat();
        assert_eq!(verdict(&two_starts), broken, "a message inside a message");
        assert_eq!(verdict(&[0x81, 0xFE, 0, 125, 1, 2, 3, 4]), broken, "length not minimal");
        let negative = [0x81, 0xFF, 0x80, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4];
        assert_eq!(verdict(&negative), broken, "length with its top bit set");
    }

    #[test]
    fn the_bit_of_a_compressed_message_stands_in_its_first_frame_alone() {
        let verdict = |bytes: &[u8]| {
            let mut reader = FrameReader::with_deflate(true);
            reader.next(&mut &bytes[..])
        };
        let broken = Some(Incoming::Violation(PROTOCOL_ERROR));
        let ping = frame(0x89, b"");
        for first in [0xC1, 0xC2] {
            assert_eq!(
                verdict(&[frame(first, b"any"), ping.clone()].concat()),
                Some(Incoming::Ping)
            );
        }
        let parts = [frame(0x41, b"any"), frame(0x80, b"more"), ping].concat();
        assert_eq!(verdict(&parts), Some(Incoming::Ping));
        assert_eq!(verdict(&[frame(0x41, b"any"), frame(0xC0, b"more")].concat()), broken);
        for first in [0xC9, 0xC8, 0xCA, 0xE1, 0xF1, 0xA1, 0x91] {
            assert_eq!(verdict(&frame(first, b"")), broken, "{first:x}");
        }
        let most = frame(0xC1, &vec![0; MESSAGE_BYTES as usize + 1]);
        assert_eq!(verdict(&most), Some(Incoming::Violation(TOO_BIG)), "as long as it came");
    }

    #[test]
    fn messages_may_have_64_kib_and_no_more() {
        let most = vec![b'a'; MESSAGE_BYTES as usize];
        let ping = frame(0x89, b"");
        assert_eq!(verdict(&[frame(0x82, &most), ping.clone()].concat()), Some(Incoming::Ping));
        let more = frame(0x81, &[&most[..], b"a"].concat());
        assert_eq!(verdict(&more[..14]), Some(Incoming::Violation(TOO_BIG)), "told by its header");
        let parts = [frame(0x01, &most), frame(0x80, b"a")].concat();
        assert_eq!(verdict(&parts), Some(Incoming::Violation(TOO_BIG)), "counted over fragments");
        let separate = [frame(0x81, &most), frame(0x81, b"a"), ping].concat();
        assert_eq!(verdict(&separate), Some(Incoming::Ping), "counted per message");
    }

    proptest! {
        #[test]
        fn any_bytes_cut_anywhere_say_the_same_and_keep_little(
            bytes in prop::collection::vec(any::<u8>(), 0..600),
            step in 1usize..50,
        ) {
            prop_assert_eq!(read(&bytes, step), read(&bytes, 1));
            let mut reader = FrameReader::default();
            let mut input = &bytes[..];
            while reader.next(&mut input).is_some() {}
            prop_assert!(reader.control.len() <= 125);
        }
    }
}
