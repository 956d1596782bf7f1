//! The short way through the parser: one pass over an event in the shape that clients mostly post.
//!
//! That is an object of known members, each once, in any order, with no white space but one blank where
//! `json.dumps` puts it, and texts without escapes. The rule: what is read here is read as the careful reader
//! reads it, to the byte, and whatever is unusual or wrong is left to that reader, from the start and without a
//! trace. A property holds the two against each other.

mod marks;
mod number;
mod write;

use crate::{
    json::{Cursor, Nest, Object, Traits},
    posted::Field,
};

pub(crate) use marks::Marks;
use number::Number;
pub(crate) use write::append;

/// A place in the body.
#[derive(Clone, Copy, Debug, Default)]
struct Span {
    start: usize,
    end: usize,
}

impl Span {
    fn len(self) -> usize {
        self.end - self.start
    }
}

/// The members of an event, found and not yet checked.
#[derive(Debug, Default)]
pub(crate) struct Found<'b> {
    /// One bit for each field that was given.
    seen: u16,
    id: Span,
    timestamp: Span,
    kind: Span,
    subject: Span,
    source: Span,
    fingerprint: Span,
    dance: Span,
    wisdom: Span,
    value: Number,
    score: Number,
    data: Option<Object<'b>>,
    /// Behind the closing brace.
    pub(crate) end: usize,
}

impl Found<'_> {
    /// Whether no line ends inside: only data have white space of any kind.
    pub(crate) fn is_one_line(&self) -> bool {
        self.data.is_none_or(|data| !data.traits.spaced || !data.text.contains('\n'))
    }

    fn has(&self, field: Field) -> bool {
        self.seen >> field as usize & 1 == 1
    }
}

/// Finds the members of the object at `at`; `None` for whatever is not as usual. `marks` are those of the body.
pub(crate) fn find<'b>(
    body: &'b str,
    marks: &Marks,
    at: usize,
    nest: &mut Nest,
) -> Option<Found<'b>> {
    let mut reader = Reader { text: body, bytes: body.as_bytes(), marks, at, nest };
    let mut found = Found::default();
    reader.eat(b"{").then_some(())?;
    while reader.member(&mut found)? {}
    found.end = reader.at;
    Some(found)
}

/// The place up to which a body has been read.
struct Reader<'r, 'b> {
    text: &'b str,
    bytes: &'b [u8],
    marks: &'r Marks,
    at: usize,
    nest: &'r mut Nest,
}

impl<'b> Reader<'_, 'b> {
    /// Reads one member; `false` at the end of the object.
    #[inline(always)]
    fn member(&mut self, found: &mut Found<'b>) -> Option<bool> {
        // The first letters tell the names apart.
        let (named, field) = match self.letters()? {
            b"even" => (self.eat(b"\"event_id\":"), Field::EventId),
            b"time" => (self.eat(b"\"timestamp\":"), Field::Timestamp),
            b"kind" => (self.eat(b"\"kind\":"), Field::Kind),
            b"subj" => (self.eat(b"\"subject\":"), Field::Subject),
            b"sour" => (self.eat(b"\"source\":"), Field::Source),
            b"valu" => (self.eat(b"\"value\":"), Field::Value),
            b"beau" => (self.eat(b"\"beauty_score\":"), Field::BeautyScore),
            b"chao" => (self.eat(b"\"chaos_fingerprint\":"), Field::ChaosFingerprint),
            b"danc" => (self.eat(b"\"dance_sequence\":"), Field::DanceSequence),
            b"wisd" => (self.eat(b"\"wisdom\":"), Field::Wisdom),
            b"data" => (self.eat(b"\"data\":"), Field::Data),
            _ => return None,
        };
        let bit = 1 << field as u16;
        if !named || found.seen & bit != 0 {
            return None;
        }
        found.seen |= bit;
        match field {
            Field::EventId => found.id = self.string()?,
            Field::Timestamp => found.timestamp = self.string()?,
            Field::Kind => found.kind = self.string()?,
            Field::Subject => found.subject = self.string()?,
            Field::Source => found.source = self.string()?,
            Field::ChaosFingerprint => found.fingerprint = self.string()?,
            Field::DanceSequence => found.dance = self.string()?,
            Field::Wisdom => found.wisdom = self.string()?,
            Field::Value => found.value = self.number()?,
            Field::BeautyScore => found.score = self.number()?,
            Field::Data => found.data = Some(self.object()?),
        }
        self.next()
    }

    /// Consumes `token` if it is next.
    #[inline(always)]
    fn eat<const N: usize>(&mut self, token: &[u8; N]) -> bool {
        if self.bytes.get(self.at..).and_then(|rest| rest.first_chunk::<N>()) == Some(token) {
            self.at += N;
            return true;
        }
        false
    }

    /// The four letters behind the quote that is next.
    #[inline(always)]
    fn letters(&self) -> Option<&'b [u8; 4]> {
        self.bytes.get(self.at + 1..)?.first_chunk()
    }

    /// Passes one blank, if there is one.
    #[inline(always)]
    fn blank(&mut self) {
        if self.bytes.get(self.at) == Some(&b' ') {
            self.at += 1;
        }
    }

    /// Consumes what is behind a member: `true` for a comma, `false` for the end of the object.
    #[inline(always)]
    fn next(&mut self) -> Option<bool> {
        let next = *self.bytes.get(self.at)?;
        self.at += 1;
        match next {
            b',' => {
                self.blank();
                Some(true)
            }
            b'}' => Some(false),
            _ => None,
        }
    }

    /// Consumes a string without escapes.
    #[inline(always)]
    fn string(&mut self) -> Option<Span> {
        self.blank();
        self.eat(b"\"").then_some(())?;
        let (start, end) = (self.at, self.marks.next(self.at));
        self.at = end;
        self.eat(b"\"").then_some(Span { start, end })
    }

    #[inline(always)]
    fn number(&mut self) -> Option<Number> {
        self.blank();
        let number = Number::read(self.text, self.at)?;
        self.at = number.end();
        Some(number)
    }

    fn object(&mut self) -> Option<Object<'b>> {
        self.blank();
        let start = self.at;
        if let Some(spaced) = self.flat_object() {
            let traits = Traits { depth: 1, spaced, ..Traits::default() };
            let text = self.text.get(start..self.at)?;
            return Some(Object { text, traits, without_value: false });
        }
        // The careful reader would pass white space before it, the end of a line too.
        (self.bytes.get(start) == Some(&b'{')).then_some(())?;
        let (object, end) = Cursor::object_at(self.text, start, self.nest)?;
        self.at = end;
        Some(object)
    }

    /// Passes an object of texts without escapes, usual numbers and words; whether there was white space.
    fn flat_object(&mut self) -> Option<bool> {
        self.eat(b"{").then_some(())?;
        if self.eat(b"}") {
            return Some(false);
        }
        let mut blanks = 0;
        loop {
            self.eat(b"\"").then_some(())?;
            self.at = self.marks.next(self.at);
            self.eat(b"\":").then_some(())?;
            let start = self.at;
            self.blank();
            blanks += self.at - start;
            match self.bytes.get(self.at)? {
                b'"' => {
                    self.at = self.marks.next(self.at + 1);
                    self.eat(b"\"").then_some(())?;
                }
                b'-' | b'0'..=b'9' => self.at = Number::read(self.text, self.at)?.end(),
                _ if self.eat(b"true") || self.eat(b"null") || self.eat(b"false") => {}
                _ => return None,
            }
            match self.bytes.get(self.at)? {
                b',' => self.at += 1,
                b'}' => {
                    self.at += 1;
                    return Some(blanks > 0);
                }
                _ => return None,
            }
            let start = self.at;
            self.blank();
            blanks += self.at - start;
        }
    }
}
